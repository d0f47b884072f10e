"""A run is read lazily, each file once, every patient with their own outcome and every fold with its own bins."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.errors import InputError, MissingFileError
from prognoscope.runs.card import read_card, write_card
from prognoscope.runs.provenance import FailedFold, Provenance, read_provenance, write_provenance
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.tables import (
    ABLATIONS,
    COVARIATES,
    HISTORY,
    LACKING,
    METRICS,
    PATIENTS,
    PREVIEWS,
    RECONSTRUCTION,
    SURGERY_RISKS,
    TRIALS,
)
from tests.analysis.fake_runs import write_run

METHODS = {"good": 0.6, "poor": 0.1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose folds have bins of their own, and patients in another order in every file; not to be changed."""
    folder = write_run(tmp_path_factory.mktemp("read") / "run", knows=METHODS)
    rng = np.random.default_rng(3)
    for files in Run(folder).files.folds("good"):
        card = read_card(files.card)
        bins = (None, 10.0 + files.number, 20.0, 40.0, None)
        write_card(files.card, type(card)(**{n: getattr(card, n) for n in card.__slots__} | {"bins": bins}))
    for path in [*folder.glob("good/*/predictions.csv"), folder / "outcomes.csv"]:
        table = pd.read_csv(path, dtype=str)
        table.iloc[rng.permutation(len(table))].to_csv(path, index=False)
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "run")


def tell(folder, **values):
    path = folder / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def table_of(folder, name, **how):
    return pd.read_csv(folder / name, dtype={"patient_id": str}, float_precision="round_trip", **how)


def test_every_fold_has_the_patients_risks_and_outcomes_of_its_files(folder):
    run, outcomes = Run(folder), table_of(folder, "outcomes.csv").set_index("patient_id")
    for method in METHODS:
        for fold in run.folds(method):
            table = table_of(folder, f"{method}/fold_{fold.fold}/predictions.csv").set_index("patient_id")
            assert fold.prediction.patients == fold.outcome.patients == tuple(table.index)
            assert fold.prediction.risk.tolist() == table["risk"].tolist()
            assert fold.prediction.survival.tolist() == table[["S_0", "S_1", "S_2", "S_3"]].to_numpy().tolist()
            for outcome in (fold.outcome, fold.train):
                assert outcome.time.tolist() == outcomes.loc[list(outcome.patients), "time"].tolist()
                assert outcome.event.tolist() == (outcomes.loc[list(outcome.patients), "event"] == 1).tolist()


def test_a_fold_is_trained_on_all_that_it_is_not_tested_on(folder):
    run, splits = Run(folder), table_of(folder, "splits.csv")
    assert run.fold_numbers == (0, 1, 2)
    for fold in run.folds("good"):
        parts = splits[splits["fold"] == fold.fold].set_index("patient_id")["part"]
        assert set(fold.train.patients) == set(parts[parts != "test"].index)
        assert set(fold.outcome.patients) == set(parts[parts == "test"].index) == set(run.part(fold.fold, "test"))


def test_the_validation_part_belongs_to_those_who_were_learned_from(copy):
    splits = table_of(copy, "splits.csv")
    first = splits.index[(splits["fold"] == 1) & (splits["part"] == "train")][0]
    splits.loc[first, "part"] = "validation"
    splits.to_csv(copy / "splits.csv", index=False)
    assert splits["patient_id"][first] in Run(copy).fold("good", 1).train.patients


def test_whom_a_method_left_out_it_did_not_learn_from_and_all_are_compared_on_the_others(copy):
    run = Run(copy)
    out, kept = run.part(0, "train")[0], run.part(0, "train")[1]
    rows = [("poor", out, "genes", True), ("poor", kept, "genes", False), ("good", kept, "genes", False)]
    LACKING.write(run.files.lacking, pd.DataFrame(rows, columns=list(LACKING.columns)))
    METRICS.write(run.files.common_metrics, run.metrics.assign(value=run.metrics["value"] / 2))
    run = Run(copy)
    assert run.left_out("poor") == {out} and not run.left_out("good")
    assert set(run.part(0, "train")) - set(run.part(0, "train", "poor")) == {out}
    assert out not in run.fold("poor", 0).train.patients and out in run.fold("good", 0).train.patients
    assert run.common == set(run.outcomes.patients) - {out}
    whole, common = run.summary("good", "c_index"), run.summary("good", "c_index", common=True)
    assert common["value"] == whole["value"] / 2
    assert run.by_fold("good", "c_index", common=True).tolist() == (run.by_fold("good", "c_index") / 2).tolist()
    assert run.summary("good", "nothing") is None and run.by_fold("nobody", "c_index", common=True).empty


def test_a_run_tells_who_its_patients_are(copy):
    row = {"patient_id": "P7", "site": "north", "subtype": "", "slides": 2, "patches": 30.0}
    PATIENTS.write(Run(copy).files.patients, pd.DataFrame([row]))
    assert Run(copy).patients.loc["P7", ["site", "slides", "patches"]].tolist() == ["north", 2, 30.0]


def test_a_folder_of_several_seeds_is_no_run(folder, tmp_path):
    for seed in (0, 1):
        shutil.copytree(folder, tmp_path / f"seed_{seed}")
    with pytest.raises(InputError, match="holds runs with several seeds: .* Name one of them, such as .*seed_0"):
        open_finished(tmp_path)


def test_each_fold_has_the_bins_of_its_own_card(folder):
    for number, fold in enumerate(Run(folder).folds("good")):
        assert fold.bins.edges.tolist() == [-np.inf, 10.0 + number, 20.0, 40.0, np.inf]


def test_a_folder_is_read_lazily_and_each_file_once(folder, parsed):
    run = Run(folder)
    assert not parsed
    for _ in range(2):
        for method in METHODS:
            run.folds(method)
        assert run.methods and len(run.held_out) == len(run.outcomes) == 120
        assert run.summary("good", "c_index") is not None and run.protocol == "honest"
    assert set(parsed.values()) == {1}
    assert not [path for path in parsed if path.endswith("history.csv")]


def test_the_folds_of_a_method_are_in_the_order_of_their_numbers(copy):
    (copy / "good" / "fold_1").rename(copy / "good" / "fold_10")
    splits = table_of(copy, "splits.csv")
    splits.assign(fold=splits["fold"].replace(1, 10)).to_csv(copy / "splits.csv", index=False)
    run, epochs = Run(copy), {"epoch": [1, 0], "learning_rate": 0.1, "train_loss": [0.5, 0.6]}
    for files in run.files.folds("good"):
        HISTORY.write(files.history, pd.DataFrame(epochs))
    left = run.method("good")
    assert [fold.fold for fold in run.folds("good")] == list(left.tested) == [0, 2, 10]
    assert list(left.predictions["fold"].unique()) == [0, 2, 10]
    assert list(left.history[["fold", "epoch"]].itertuples(index=False, name=None)) == [
        (fold, epoch) for fold in (0, 2, 10) for epoch in (0, 1)
    ]
    assert left.history.index.tolist() == list(range(6))
    assert left.history["chosen"].tolist() == [False] * 6 and left.history["test_c_index"].isna().all()


def test_the_tables_that_a_fold_keeps_are_read_as_they_were_written(copy):
    epochs = {"epoch": [0, 1], "learning_rate": 0.1, "train_loss": [0.6, 0.5], "train_own": [0.2, 0.1]}
    history = pd.DataFrame(epochs | {"validation_c_index": [0.7, 0.6], "chosen": [True, False]})
    told = pd.DataFrame({"group": ["0"], "gene": ["007"], "patients": [9], "spearman": [0.25]})
    risks = pd.DataFrame({"patient_id": ["P001", "P002"], "genes_0": [0.1, 0.2], "bags_0": [0.4, 0.3]})
    files = Run(copy).files.fold("good", 1)
    HISTORY.write(files.history, history)
    RECONSTRUCTION.write(files.reconstruction, told)
    SURGERY_RISKS.write(files.surgery, risks)
    shutil.copytree(files.folder, Run(copy).files.permuted("good").folder)
    left = Run(copy).method("good")
    for tables, written in ((left.histories, history), (left.reconstructions, told), (left.operated, risks)):
        assert list(tables) == [1]
        pd.testing.assert_frame_equal(tables[1][list(written)], written)
    absent = left.histories[1].drop(columns=list(history))
    assert list(absent) == ["validation_loss", "test_c_index"] and absent.isna().all(axis=None)
    assert left.permuted is not None
    pd.testing.assert_frame_equal(left.permuted, left.tested[1])


def test_the_outcome_of_a_method_is_that_of_its_predictions_row_by_row(folder):
    left, outcomes = Run(folder).method("good"), table_of(folder, "outcomes.csv").set_index("patient_id")
    tables = [table_of(folder, f"good/fold_{number}/predictions.csv") for number in range(3)]
    patients = tuple(patient for table in tables for patient in table["patient_id"])
    assert left.outcome.patients == patients == tuple(left.predictions["patient_id"])
    assert left.outcome.time.tolist() == outcomes.loc[list(patients), "time"].tolist()
    assert left.outcome.event.tolist() == (outcomes.loc[list(patients), "event"] == 1).tolist()
    assert left.predictions.index.tolist() == list(range(120))


def test_what_an_untested_fold_left_is_not_among_the_epochs_and_trials_of_the_run(copy):
    for files in Run(copy).files.folds("good"):
        HISTORY.write(files.history, pd.DataFrame({"epoch": [0], "learning_rate": 0.1, "train_loss": 0.5}))
        trial = {"trial": 0, "loss": 1.0, "failed": "", "chosen": True, "key": "k", "rate": "3"}
        TRIALS.write(files.trials, pd.DataFrame([trial]))
    (copy / "good" / "fold_1" / "predictions.csv").unlink()
    left = Run(copy).method("good")
    assert list(left.history["fold"]) == list(left.trials) == [0, 2]
    assert left.trials[0]["rate"].tolist() == ["3"]


def test_methods_are_those_measured_then_those_found(copy):
    assert list(Run(copy).methods) == ["good", "poor"]
    shutil.copytree(copy / "good", copy / "another")
    assert list(Run(copy).methods) == ["good", "poor", "another"]
    for path in copy.glob("poor/*/predictions.csv"):
        path.unlink()
    run = Run(copy)
    assert list(run.methods) == ["good", "another"] and run.found == ("good", "poor", "another")
    tell(copy, failed=[{"method": "another", "fold": 0, "sentence": "Why."}])
    assert list(Run(copy).methods) == ["good"]


def test_ablations_are_not_among_the_methods_but_can_be_asked_for(copy):
    rows = [{"ablation_of": "good", "row": row, "method": method} for row, method in (("all", "good"), ("-", "poor"))]
    ABLATIONS.write(copy / "ablations.csv", pd.DataFrame(rows).reindex(columns=list(ABLATIONS.columns)))
    run = Run(copy)
    assert list(run.methods) == ["good"] and list(run.method("poor").tested) == [0, 1, 2]


def test_what_the_run_need_not_have_is_empty(copy):
    run = Run(copy)
    for table in (run.account, run.previews, run.comparison, run.ablations, run.optimism, run.settings, run.surgery):
        assert len(table) == 0 and len(table.columns)
    pictures = pd.DataFrame({"slide": ["a", "b"], "patient_id": "007", "file": ["a.jpg", ""], "left_out": ["", "No."]})
    run.files.previews.mkdir()
    PREVIEWS.write(run.files.previews / "previews.csv", pictures)
    pd.testing.assert_frame_equal(Run(copy).previews, pictures)
    left = run.method("good")
    assert left.history.empty and not left.trials and not left.reconstructions and not left.operated
    assert left.permuted is None and run.study_text == "" and run.name == "blca"


def test_a_run_is_called_as_its_provenance_says_or_its_study_or_its_folder(copy):
    (copy / "study.yaml").write_text("name: other  # än", encoding="utf-8")
    assert Run(copy).study_text == "name: other  # än" and Run(copy).name == "blca"
    tell(copy, name="")
    for study, name in (("name: other", "other"), ("name: 7", "7"), ("name:", "run"), ("[1]", "run"), ("a: [", "run")):
        (copy / "study.yaml").write_text(study, encoding="utf-8")
        assert Run(copy).name == name, study


def test_results_are_told_by_method_metric_and_fold(copy):
    table = METRICS.read(copy / "metrics.csv")
    rows = table[(table["method"] == "good") & (table["metric"] == "c_index")]
    METRICS.write(copy / "metrics.csv", table.assign(fold=table["fold"].replace("1", "10"))[::-1])
    run, values = Run(copy), dict(zip(rows["fold"], rows["value"], strict=True))
    whole = run.summary("good", "c_index")
    assert whole is not None and (whole["method"], whole["fold"], whole["value"]) == ("good", "all", values["all"])
    by_fold = run.by_fold("good", "c_index")
    assert by_fold.to_dict() == {0: values["0"], 2: values["2"], 10: values["1"]} and list(by_fold.index) == [0, 2, 10]
    assert run.summary("good", "accuracy") is None and run.by_fold("nobody", "c_index").empty
    METRICS.write(copy / "metrics.csv", table.assign(value=np.nan))
    assert Run(copy).summary("good", "c_index") is None and Run(copy).by_fold("good", "c_index").isna().all()


def test_what_knows_the_truth_is_told_apart_from_the_methods(copy):
    assert Run(copy).oracles() == []
    table = METRICS.read(copy / "metrics.csv")
    truths = [table[table["method"] == "poor"].assign(method=name) for name in ("oracle_genes", "oracle")]
    METRICS.write(copy / "metrics.csv", pd.concat([*truths, table]))
    assert Run(copy).oracles() == ["oracle", "oracle_genes"] and Run(copy).found == ("good", "poor")


def test_covariates_are_numbers_or_words_as_the_run_read_them(copy):
    words = {"age": ["61.5", ""], "stage": ["1", ""], "grade": ["G1", "7"], "is_old": ["0", "1"]}
    COVARIATES.write(Run(copy).files.covariates, pd.DataFrame({"patient_id": ["P001", "007"], **words}))
    tell(copy, covariates=[{"covariate": "stage", "read as": "category"}, {"covariate": "age", "read as": "number"}])
    found = Run(copy).covariates
    assert found.index.tolist() == ["P001", "007"]
    np.testing.assert_array_equal(found["age"], [61.5, np.nan])
    assert found["stage"].tolist() == ["1", None] and found["grade"].tolist() == ["G1", "7"]
    assert found["is_old"].tolist() == [0.0, 1.0]


def test_predictions_are_of_all_methods_and_open_where_one_has_fewer_bins(copy):
    for path in copy.glob("poor/*/predictions.csv"):
        pd.read_csv(path, dtype=str).drop(columns="S_3").to_csv(path, index=False)
    table = Run(copy).predictions
    assert list(table)[:2] == ["method", "patient_id"] and table.index.tolist() == list(range(240))
    assert table["method"].tolist() == ["good"] * 120 + ["poor"] * 120
    assert table["S_3"].isna().tolist() == [False] * 120 + [True] * 120


def test_held_out_is_everybody_once_whom_a_method_was_tested_on(copy):
    outcomes = table_of(copy, "outcomes.csv").sort_values("patient_id")
    (copy / "good" / "fold_1" / "predictions.csv").unlink()
    (copy / "poor" / "fold_2" / "predictions.csv").unlink()
    (copy / "splits.csv").unlink()
    run = Run(copy)
    assert run.held_out.patients == tuple(outcomes["patient_id"])
    assert run.held_out.time.tolist() == outcomes["time"].tolist() and run.fold_numbers == (0, 1, 2)
    shutil.rmtree(copy / "poor")
    assert len(Run(copy).held_out) == 80 and Run(copy).fold_numbers == (0, 2)


def test_a_run_without_predictions_has_no_methods_to_tell_of(copy):
    for path in copy.glob("*/*/predictions.csv"):
        path.unlink()
    with pytest.raises(InputError, match=r"No method in .* has predictions yet. Finish it with `prognoscope run`."):
        assert Run(copy).methods is None


@pytest.mark.parametrize(
    "gone", ["good/fold_1/predictions.csv", "good/fold_1/model.json", "splits.csv", "outcomes.csv"]
)
def test_a_fold_without_one_of_its_files_is_refused_by_the_file(gone, copy):
    (copy / gone).unlink()
    with pytest.raises(MissingFileError, match=f"{gone} does not exist"):
        Run(copy).folds("good")


def test_the_cards_of_a_method_are_those_that_are_there(copy):
    (copy / "good" / "fold_1" / "model.json").unlink()
    assert {number: card.fold for number, card in Run(copy).method("good").cards.items()} == {0: 0, 2: 2}


def test_patients_without_an_outcome_are_named(copy):
    table_of(copy, "outcomes.csv").query("patient_id != 'P007'").to_csv(copy / "outcomes.csv", index=False)
    with pytest.raises(InputError, match="1 patients in .* are not in outcomes.csv of the run: P007"):
        Run(copy).folds("good")


def test_predictions_that_are_not_whole_or_have_a_patient_twice_are_refused(copy):
    path = copy / "good" / "fold_0" / "predictions.csv"
    table = pd.read_csv(path, dtype=str)
    for spoilt, words in (
        (pd.concat([table, table.head(1)]), "predicts 1 patients twice"),
        (table.assign(S_1=["", *table["S_1"][1:]]), "is not whole"),
        (table.assign(risk=["", *table["risk"][1:]]), "is not whole"),
        (table.head(0), "has no patients"),
    ):
        spoilt.to_csv(path, index=False)
        with pytest.raises(InputError, match=words):
            Run(copy).folds("good")


def test_names_of_patients_are_text(copy):
    path = copy / "good" / "fold_0" / "predictions.csv"
    table = pd.read_csv(path, dtype=str)
    names = dict(zip(table["patient_id"][:2], ["NA", "007"], strict=True))
    for file in (path, copy / "outcomes.csv", copy / "splits.csv"):
        table = pd.read_csv(file, dtype=str)
        table.assign(patient_id=table["patient_id"].replace(names)).to_csv(file, index=False)
    assert Run(copy).fold("good", 0).outcome.patients[:2] == ("NA", "007")


def test_a_provenance_is_read_as_it_was_written(tmp_path):
    told = Provenance(
        name="blca", methods=("a",), failed=(FailedFold("b", 1, "Why."),), optimistic={"a": "b"}, seed=3, draws=50
    )
    write_provenance(tmp_path / "provenance.json", told)
    assert read_provenance(tmp_path / "provenance.json") == told


def test_what_an_older_or_newer_provenance_lacks_or_has_more_does_not_matter(tmp_path):
    (tmp_path / "provenance.json").write_text('{"name": "blca", "seed": null, "of_tomorrow": [1]}')
    found = read_provenance(tmp_path / "provenance.json")
    assert found == Provenance(name="blca") and found.ddof == 0  # as all spreads were before it was told
    (tmp_path / "metrics.csv").touch()
    assert found.draws is None and Run(tmp_path).draws == 1000


FAILURE = {"method": "a", "fold": 0, "sentence": "Why."}


@pytest.mark.parametrize(
    "told",
    [
        {"name": 1},
        {"methods": "a"},
        {"methods": ["a", 1]},
        {"seed": "3"},
        {"versions": ["a"]},
        {"versions": {"a": 1}},
        {"covariates": {"a": "b"}},
        {"covariates": [{"a": "b"}, ["a"]]},
        {"covariates": [{"a": 1}]},
        {"other_settings": ["a"]},
        {"other_settings": {"a": ["b", 1]}},
        {"departures": {"a": "b"}},
        {"failed": FAILURE},
        {"failed": [FAILURE, "a"]},
        *({"failed": [{k: v for k, v in FAILURE.items() if k != gone}]} for gone in FAILURE),
        *({"failed": [FAILURE | {name: ["a"]}]} for name in FAILURE),
    ],
    ids=str,
)
def test_a_provenance_that_cannot_be_is_refused(told, tmp_path):
    (tmp_path / "provenance.json").write_text(json.dumps(told))
    (name,) = told
    with pytest.raises(InputError, match=f"provenance.json tells no usable '{name}' .*Remove it and run the study"):
        read_provenance(tmp_path / "provenance.json")


def test_a_provenance_that_is_no_mapping_is_refused(tmp_path):
    (tmp_path / "provenance.json").write_text("[]")
    with pytest.raises(InputError, match="provenance.json is not a mapping. Remove it and run the study again"):
        read_provenance(tmp_path / "provenance.json")


def test_a_run_that_has_not_come_to_its_end_is_refused(copy):
    assert open_finished(copy).provenance.methods == ("good", "poor")
    for lacking in ({"methods": []}, {"methods": ["good"], "protocol": ""}):
        tell(copy, **lacking)
        with pytest.raises(InputError, match="does not tell methods and protocol"):
            open_finished(copy)
    with pytest.raises(InputError, match="There is no run folder"):
        open_finished(copy / "nowhere")
    (copy / "provenance.json").unlink()
    with pytest.raises(MissingFileError, match="provenance.json does not exist"):
        open_finished(copy)


def test_a_result_that_is_there_twice_is_refused(copy):
    table = pd.read_csv(copy / "metrics.csv", dtype=str)
    pd.concat([table, table.tail(1)]).to_csv(copy / "metrics.csv", index=False)
    with pytest.raises(InputError, match=r"metrics.csv has \w+ of poor, fold all, twice"):
        assert Run(copy).metrics is None
