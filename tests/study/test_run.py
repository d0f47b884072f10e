"""From tables and embeddings to metrics and report; the same numbers however it is run."""

import json
import os
import random
import signal
import time

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.dataset import open_bags
from prognoscope.core.errors import CohortError, ModelError, StudyError
from prognoscope.evaluation.concordance import concordance
from prognoscope.report.sections.covariates import covariate_content
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run
from prognoscope.study.apply.predict import predict_patients
from prognoscope.study.comparing import compare_runs
from prognoscope.study.gather import gather
from prognoscope.study.study import Study
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained
from tests.forked import begin, run_bare
from tests.run_files import contents

pytestmark = pytest.mark.usefixtures("sketched", "bare")

COXPH = "{name: coxph, penalizers: [0.1]}"
METHODS = ["coxph", "snn", "abmil", "mcti"]


@pytest.fixture(scope="module")
def finished(simulated):
    half = simulated / "run" / "abmil" / "fold_0" / ".state.safetensors.1234abcd.part"

    def leave_half_a_file(_):  # as a worker that is killed while it writes
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_text("half")

    study = Study.load(simulated / "study.yaml", ["evaluation.surgery=true"])
    return study.run(simulated / "run", progress=leave_half_a_file)


def test_a_run_leaves_every_file_that_it_promises(finished):
    names = set(contents(finished.folder))
    assert {"study.yaml", "splits.csv", "account.csv", "outcomes.csv", "metrics.csv", "report.html"} <= names
    for method in METHODS:
        for fold in range(3):
            at = f"{method}/fold_{fold}/"
            assert {at + "model.safetensors", at + "model.json", at + "predictions.csv"} <= names
            assert (at + "history.csv" in names) == (method != "coxph")
    assert not [name for name in names if "state" in name or name.endswith(".part")]


def test_a_run_keeps_who_the_patients_are(finished, simulated):
    clinical = pd.read_csv(simulated / "clinical.csv").set_index("patient_id")
    kept, about = finished.run.covariates, finished.run.patients
    pd.testing.assert_frame_equal(kept.sort_index(), clinical[["age", "is_female"]].sort_index().astype(float))
    assert about["site"].to_dict() == clinical["site"].to_dict()
    pack = open_bags(gather(Study.load(simulated / "study.yaml").plan()).pack)
    assert about["patches"].to_dict() == {patient: len(pack.bag(patient)[0]) for patient in about.index}
    assert finished.run.provenance.draws == finished.run.draws == 20
    assert finished.run.provenance.papers["abmil"].startswith("Ilse et al.")


def test_a_finished_study_gives_numbers_and_models(finished):
    table = finished.table().set_index("method")
    assert table.loc["abmil", "c_index"] == finished.run.summary("abmil", "c_index")["value"]
    predictions = finished.predictions
    assert list(predictions.columns[:6]) == ["method", "patient_id", "fold", "risk", "time", "event"]
    assert len(predictions) == 40 * len(METHODS) and predictions["risk"].dtype == np.float64
    assert finished.metrics is finished.run.metrics
    assert list(finished.models) == METHODS and len(finished.models) == len(METHODS)
    assert sorted(finished.models["snn"]) == [0, 1, 2] and isinstance(finished.models["snn"][1], Trained)
    with pytest.raises(KeyError):
        finished.models["none"]


def test_the_page_tells_of_a_covariate_what_it_is_before_what_became_of_it(finished):
    header, *rows = covariate_content(finished.run)["rows"]
    assert header == ["Covariate", "Read as", "Values", "Missing", "Filled with", "Used"]
    assert rows[0][:2] == ["age", "number"]


def test_every_patient_is_tested_once_by_a_model_that_never_saw_them(finished):
    splits = pd.read_csv(finished.folder / "splits.csv")
    tested = splits[splits["part"] == "test"]
    assert tested["patient_id"].is_unique and len(tested) == 40
    for _, parts in splits.groupby("fold"):
        assert parts["patient_id"].is_unique


def test_the_table_holds_what_the_predictions_say(finished):
    metrics = pd.read_csv(finished.folder / "metrics.csv", dtype={"fold": str})
    for fold in Run(finished.folder).folds("abmil"):
        ours = concordance(fold.prediction.risk, time=fold.outcome.time, event=fold.outcome.event).value
        row = metrics.query("method == 'abmil' and metric == 'c_index' and fold == @fold.fold.__str__()")
        assert row["value"].item() == pytest.approx(ours, abs=1e-12)
    assert {"oracle", "oracle_slides", "oracle_genes"} <= set(metrics["method"])
    assert {"subtype_accuracy", "subtype_auroc"} <= set(metrics.loc[metrics["method"] == "mcti", "metric"])


def test_the_chosen_epoch_is_the_one_with_the_least_validation_loss(finished):
    history = pd.read_csv(finished.folder / "abmil" / "fold_0" / "history.csv")
    assert len(history) == 3
    assert history.loc[history["chosen"] == 1, "epoch"].item() == history["validation_loss"].idxmin()
    assert history["test_c_index"].notna().all()


@pytest.mark.processes
def test_two_processes_give_the_numbers_of_one(simulated, finished):
    again = contents(
        Study.load(simulated / "study.yaml", ["evaluation.surgery=true"]).run(simulated / "run_two", jobs=2).folder
    )
    whole = contents(finished.folder)
    assert set(again) == set(whole) and [name for name in whole if again[name] != whole[name]] == []


def test_a_method_added_later_leaves_the_others_as_they_were(simulated, tmp_path, finished):
    first = Study.load(simulated / "study.yaml", [f"methods=[{COXPH}, snn]"]).run(tmp_path / "run")
    stamp = (first.folder / "snn" / "fold_0" / "predictions.csv").stat().st_mtime_ns
    Study.load(simulated / "study.yaml", [f"methods=[{COXPH}, snn, meanmil]"]).run(tmp_path / "run")
    assert (first.folder / "snn" / "fold_0" / "predictions.csv").stat().st_mtime_ns == stamp
    same = [n for n in contents(first.folder) if n.startswith("snn/") and n.endswith(".csv")]
    assert all(contents(first.folder)[n] == contents(finished.folder)[n] for n in same)


def test_another_study_may_not_write_into_a_run(simulated, finished):
    with pytest.raises(StudyError, match="holds a run with other settings of training"):
        Study.load(simulated / "study.yaml", ["training.epochs=9"]).run(finished.folder)
    with pytest.raises(StudyError, match="holds a run of mcti with other options"):
        Study.load(simulated / "study.yaml", ["methods=[mcti]"]).run(finished.folder)
    with pytest.raises(StudyError, match="neither empty nor a run"):
        Study.load(simulated / "study.yaml").run(simulated / "features")


@pytest.mark.processes
def test_a_run_killed_at_random_moments_continues_to_the_same_bytes(simulated, tmp_path):
    settings = ["methods=[abmil, snn]", "training.epochs=6", "splits.folds=2"]
    whole = Study.load(simulated / "study.yaml", settings).run(tmp_path / "whole").folder
    command = ["run", str(simulated / "study.yaml"), "--out", str(tmp_path / "killed")]
    command += [each for s in settings for each in ("--set", s)]
    moments, hits = random.Random(0), 0
    for kills in range(3):
        process = begin(run_bare, *command)
        deadline = time.monotonic() + 60
        while not (tmp_path / "killed" / "study.yaml").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.join(moments.uniform(0, 1.5 if kills else 0.3))
        if process.exitcode is None:
            os.killpg(process.pid, signal.SIGKILL)
            hits += 1
        else:  # it was faster: it is done, so begin anew to be killed elsewhere
            assert process.exitcode == 0
            for path in (tmp_path / "killed").rglob("fold_1/manifest.json"):
                path.unlink()
        process.join()
    assert hits >= 1  # the others ended before their moment, and were begun anew
    last = begin(run_bare, *command)
    last.join()
    assert last.exitcode == 0 and contents(tmp_path / "killed") == contents(whole)


def test_the_paper_protocol_says_where_it_flatters(simulated, tmp_path, whole_pages):
    run = Study.load(simulated / "study.yaml", ["protocol=paper", f"methods=[snn, {COXPH}]"]).run(tmp_path / "paper")
    about = json.loads((run.folder / "provenance.json").read_text())
    assert "time bins were fitted on all patients" in about["optimistic"]["snn"]
    assert about["precision"] == "float32"  # what auto means on the machine of a test
    history = pd.read_csv(run.folder / "snn" / "fold_0" / "history.csv")
    assert history["chosen"].tolist() == [0, 0, 1]  # MCAT's authors report the last epoch
    assert "optimistic" in run.report.read_text()


def test_new_patients_without_follow_up_are_predicted_by_all_folds(simulated, finished, study_folder, change):
    clinical = pd.read_csv(study_folder / "clinical.csv", dtype=str)
    clinical.head(10).drop(columns=["time_months", "event"]).to_csv(study_folder / "clinical.csv", index=False)
    path = change(
        **{"cohort.clinical": {"table": "clinical.csv", "covariates": ["age", "is_female"]}, "cohort.truth": None}
    )
    for method in METHODS:
        table = predict_patients(
            finished.folder, path, method=method, to=study_folder / f"{method}.csv", overlap="keep"
        )
        assert table["patient_id"].tolist() == sorted(clinical["patient_id"].head(10))
        assert np.isfinite(table["risk"]).all() and (table["risk_sd"] >= 0).all()
    with pytest.raises(ModelError, match="has 4 methods: coxph, snn, abmil, mcti. Name one"):
        predict_patients(finished.folder, path, overlap="keep")
    with pytest.raises(CohortError, match="cohort.clinical needs time"):
        Study.load(path).check()


def test_a_prediction_is_the_mean_of_all_folds_and_each_fold_says_what_it_said_in_the_run(simulated, finished):
    table = predict_patients(finished.folder, simulated / "study.yaml", method="abmil", overlap="keep").set_index(
        "patient_id"
    )
    gathered = gather(Study.load(simulated / "study.yaml").plan())
    folds = list(RunFiles(finished.folder).folds("abmil"))
    said = []
    for files in folds:
        trained = Trained.load(files, TrainingSpec())
        prediction = trained.predict(gathered.cohort, open_bags(gathered.pack)).prediction
        said.append(pd.DataFrame(prediction.survival, prediction.patients).assign(risk=prediction.risk))
        tested = pd.read_csv(files.predictions, index_col="patient_id")
        np.testing.assert_allclose(said[-1]["risk"][tested.index], tested["risk"], rtol=1e-5)
    risks = np.array([each["risk"][table.index] for each in said])
    assert len(risks) == 3 and (np.ptp(risks, axis=0) > 1e-6).all()  # the folds differ
    np.testing.assert_allclose(table["risk"], risks.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(table["risk_sd"], risks.std(axis=0), rtol=1e-4)
    months = table[["months_0", "months_1", "months_2", "months_3"]].drop_duplicates().to_numpy()
    (months,) = months  # the same for everybody
    tested = [pd.read_csv(files.predictions) for files in folds]
    ends = np.array([[each[f"months_{k}"][0] for k in range(4)] for each in tested])
    assert np.ptp(ends, axis=0).max() > 0.01  # bins of folds end at other times
    np.testing.assert_allclose(months, [*np.median(ends, axis=0)[:3], ends[:, 3].min()])
    for k, month in enumerate(months):
        curves = [
            [np.interp(month, [0, *its_ends], [1, *row]) for row in each.loc[table.index, [0, 1, 2, 3]].to_numpy()]
            for each, its_ends in zip(said, ends, strict=True)
        ]
        np.testing.assert_allclose(table[f"S_{k}"], np.mean(curves, axis=0), rtol=1e-5)


def test_runs_with_other_seeds_are_combined_fold_by_fold(simulated, finished, tmp_path):
    other = Study.load(simulated / "study.yaml", ["methods=[snn]", "training.seed=1"]).run(tmp_path / "other")
    found = compare_runs([finished.folder, other.folder])
    rows = found.table[found.table["kind"] == "method"].set_index("row")
    assert list(rows.index) == ["coxph", "snn", "abmil", "mcti"] and len(found.pairs) == 6
    assert list(rows["seeds"]) == ["0", "0 1", "0", "0"]
    values = [pd.read_csv(run.folder / "metrics.csv", dtype={"fold": str}) for run in (finished, other)]
    means = [t[(t["method"] == "snn") & (t["metric"] == "c_index") & (t["fold"] == "all")]["value"] for t in values]
    assert rows.loc["snn", "mean"] == pytest.approx(np.mean([mean.item() for mean in means]), abs=1e-12)


def test_check_accounts_for_everybody_and_writes_nothing(simulated, finished):
    before = contents(simulated)
    audit = Study.load(simulated / "study.yaml").check()
    assert audit.account["patients"].iloc[0] == 40
    assert set(audit.tables) == {"Outcome", "Covariates", "Embeddings", "Gene groups"}
    assert any("constant" in warning for warning in audit.warnings)
    assert contents(simulated) == before


def test_gene_groups_without_a_gene_of_the_table_are_told(study_folder):
    path = study_folder / "groups.csv"
    groups = pd.read_csv(path)
    groups["Imaginary"] = ["NOSUCH1", *[None] * (len(groups) - 1)]
    groups.to_csv(path, index=False)
    audit = Study.load(study_folder / "study.yaml").check()
    assert "1 of 7 gene groups have no gene in the table and are left out: Imaginary." in audit.warnings
    assert ("Imaginary", 0, "0 of 1") in list(audit.tables["Gene groups"].itertuples(index=False, name=None))


def test_genes_are_scaled_or_not_as_the_study_says(simulated, tmp_path):
    changes = ["cohort.omics.scale=none", f"methods=[{COXPH}]", "evaluation.surgery=false"]
    run = Study.load(simulated / "study.yaml", changes).run(tmp_path / "raw")
    about = json.loads((run.folder / "coxph" / "fold_0" / "model.json").read_text())
    assert about["preparation"]["omics"]["scale"] == "none"


def test_a_run_that_is_started_again_is_measured_anew(simulated, tmp_path):
    settings = [f"methods=[{COXPH}]", "splits.folds=2"]
    first = Study.load(simulated / "study.yaml", settings).run(tmp_path / "run").metrics
    again = Study.load(simulated / "study.yaml", [*settings, "evaluation.draws=40"]).run(tmp_path / "run").metrics
    assert not first["low"].equals(again["low"]) and first["value"].equals(again["value"])
