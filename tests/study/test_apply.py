"""New patients: survival at asked times, groups, flags, overlap with training, files without a study."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.core.errors import CohortError, InputError, MissingFileError, ModelError, StudyError
from prognoscope.evaluation.concordance import concordance
from prognoscope.report.validation_page import need_own_validation
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.manifest import seal
from prognoscope.runs.read import Run
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.apply import export
from prognoscope.study.apply.export import export_model
from prognoscope.study.apply.given import Given
from prognoscope.study.apply.predict import predict_cohorts, predict_patients
from prognoscope.study.apply.validate import validate
from prognoscope.study.study import Study
from prognoscope.training.spec import TrainingSpec
from prognoscope.viewer.model_service import ModelService

pytestmark = pytest.mark.usefixtures("sketched")


@pytest.fixture(scope="module")
def run(simulated):
    settings = [
        "methods=[{name: coxph, penalizers: [0.1]}, abmil]",
        "training.epochs=2",
        "evaluation.draws=10",
        "evaluation.surgery=false",
    ]
    return Study.load(simulated / "study.yaml", settings).run(simulated / "run", final=True).folder


@pytest.fixture(scope="module")
def by_either(simulated):
    """A run of methods that can do without slides, or without genes."""
    members = "[{name: coxph, penalizers: [0.1]}, abmil]"
    settings = [
        f"methods=[gpcox, {{name: late, inner_folds: 2, members: {members}}}, {{name: porpoise, recipe: balanced}}]",
        "splits.folds=2",
        "training.epochs=1",
        "evaluation.draws=10",
        "evaluation.surgery=false",
    ]
    return Study.load(simulated / "study.yaml", settings).run(simulated / "either").folder


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """Another cohort of the same kind, with ids of its own."""
    folder = tmp_path_factory.mktemp("new") / "new"
    simulate_cohort(
        folder, patients=24, seed=2, features_only=True, bag_sizes=(5, 20), embedding_dim=32, sites=2, prefix="NEW"
    )
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    del settings["cohort"]["truth"]
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture
def spoilt(new, tmp_path):
    return shutil.copytree(new, tmp_path / "new")


def edit(path, function):
    table = pd.read_csv(path, dtype=str)
    function(table)
    table.to_csv(path, index=False)


def test_survival_at_asked_months_is_the_mean_of_the_curves_read_there(run, new):
    table = predict_patients(run, new / "study.yaml", method="abmil", times=(5, 12.5))
    months = table.filter(regex="^months_").iloc[0].to_numpy()
    inner = predict_patients(run, new / "study.yaml", method="abmil", times=tuple(months[:2]))
    for k in (0, 1):  # where the table itself tells survival
        np.testing.assert_allclose(inner[f"survival_{months[k]:g}_months"], table[f"S_{k}"], rtol=1e-9)
    at = [table[f"survival_{time}_months{end}"] for time in ("5", "12.5") for end in ("_low", "", "_high")]
    assert (at[0] <= at[1]).all() and (at[1] <= at[2]).all() and (at[4] <= at[1]).all()
    assert "All times are in months" in table.attrs["summary"][0]


def test_nothing_is_told_beyond_the_follow_up_of_any_model(run, new, tmp_path):
    last = min(Run(run).method("abmil").tested[fold]["months_3"].iloc[0] for fold in range(3))
    predict_patients(run, new / "study.yaml", method="abmil", times=(last,))
    to = tmp_path / "out.csv"
    with pytest.raises(ModelError, match=f"followed until {last:.4g}, and nothing is extrapolated"):
        predict_patients(run, new / "study.yaml", method="abmil", times=(12, last + 0.1), to=to)
    with pytest.raises(ModelError, match="at -1 months"):
        predict_patients(run, new / "study.yaml", method="abmil", times=(-1,))
    assert not to.exists()


def test_a_risk_group_is_what_most_models_say_each_by_the_median_of_those_it_learned_from(run, new):
    table = predict_patients(run, new / "study.yaml", method="coxph")
    assert set(table["risk_group"]) == {"high", "low"}
    assert (table["risk_group"] == np.where(table["high_risk_share"] > 0.5, "high", "low")).all()
    ordered = table.sort_values("risk")["high_risk_share"].to_numpy()
    assert ordered[0] == 0 and ordered[-1] == 1


@pytest.mark.filterwarnings("error")
def test_survival_in_every_month_is_told_without_a_murmur(run, new):
    times = [0.25 * (k + 1) for k in range(60)]
    table = predict_patients(run, new / "study.yaml", method="coxph", times=times)
    assert [name for name in table if name.endswith("_months_low")] == [f"survival_{t:g}_months_low" for t in times]


def test_what_training_never_saw_is_flagged(run, spoilt):
    edit(spoilt / "clinical.csv", lambda table: table.__setitem__("age", ["140", "", *table["age"][2:]]))
    table = predict_patients(run, spoilt / "study.yaml", method="coxph")
    assert "age 140 lies outside training" in table["flags"][0]
    assert table["flags"][1] == "age is missing; the training median stands for it"
    assert f"{(table['flags'] != '').sum()} of 24 patients unlike training: NEW-0001" in table.attrs["summary"][-1]
    genes = pd.read_csv(spoilt / "genes.csv")
    genes.iloc[3, 1:] *= 4.0
    genes.to_csv(spoilt / "genes.csv", index=False)
    genes.iloc[4, 20:] = np.nan
    genes.to_csv(spoilt / "genes.csv", index=False)
    flags = predict_patients(run, spoilt / "study.yaml", method="coxph")["flags"]
    assert "genes lie farther" in flags[3]
    assert re.search(r"\d+ of \d+ genes are missing; their training medians stand for them", flags[4])
    assert not flags.drop(4).str.contains("genes are missing").any()


def test_slides_unlike_those_of_training_are_flagged(run, spoilt):
    import h5py

    path = next((spoilt / "features").glob("NEW-0005-*.h5"))
    with h5py.File(path, "r+") as file:
        file["features"][...] = file["features"][...] + 3.0
    table = predict_patients(run, spoilt / "study.yaml", method="abmil").set_index("patient_id")
    assert "slides lie farther from training than those of 99% of its patients" in table.loc["NEW-0005", "flags"]
    assert table["slides_unlike_training"].drop("NEW-0005").mean() < 0.9


def test_slides_that_cannot_be_read_are_told(run, spoilt):
    owner = pd.read_csv(spoilt / "slides.csv").groupby("patient_id")["slide_id"].agg(list)
    first = next(slides[0] for slides in owner if len(slides) > 1)
    path = spoilt / "features" / f"{first}.h5"
    path.write_bytes(path.read_bytes()[:100])
    table = predict_patients(run, spoilt / "study.yaml", method="abmil")
    assert len(table) == 24 and any(f"{first}.h5" in each for each in table.attrs["left_out"])
    path.unlink()
    table = predict_patients(run, spoilt / "study.yaml", method="abmil")
    assert len(table) == 24 and f"1 slide of the table not there: {first}." in table.attrs["left_out"]


def test_patients_whom_the_models_learned_from_are_refused_dropped_or_flagged(run, spoilt):
    for name in ("clinical.csv", "genes.csv"):
        edit(spoilt / name, lambda t: t.__setitem__("patient_id", ["sim 0001", *t["patient_id"][1:]]))
    with pytest.raises(CohortError, match=r"learned from 1 of 24 patients: sim 0001 \(is SIM-0001 there\)"):
        predict_patients(run, spoilt / "study.yaml", method="coxph", overlap="refuse")
    own = run.parent / "study.yaml"
    with pytest.raises(CohortError, match="learned from all 40 patients .* ids of their own"):
        predict_patients(run, own, method="coxph", overlap="drop")


def test_a_patient_under_another_id_is_known_by_what_was_measured(run, spoilt, simulated):
    old, genes = (pd.read_csv(folder / "genes.csv", dtype=str) for folder in (simulated, spoilt))
    genes.iloc[0, 1:] = old.iloc[7, 1:]
    genes.to_csv(spoilt / "genes.csv", index=False)
    with pytest.raises(CohortError, match=r"NEW-0001 \(has the genes of SIM-0008\)"):
        predict_patients(run, spoilt / "study.yaml", method="coxph")
    assert len(predict_patients(run, spoilt / "study.yaml", method="coxph", overlap="drop")) == 23
    kept = predict_patients(run, spoilt / "study.yaml", method="coxph", overlap="keep")
    assert kept["flags"][0].startswith("was learned from") and len(kept) == 24


def test_files_alone_are_predicted_as_by_a_study(run, new):
    asked = {"method": "coxph", "times": (12,)}
    whole = predict_patients(run, new / "study.yaml", **asked)
    alone = predict_patients(run, Given(genes=new / "genes.csv", clinical=new / "clinical.csv"), **asked)
    pd.testing.assert_frame_equal(alone, whole)
    slides = Given(features=new / "features", slides=new / "slides.csv")
    whole = predict_patients(run, new / "study.yaml", method="abmil")
    pd.testing.assert_frame_equal(predict_patients(run, slides, method="abmil"), whole)
    with pytest.raises(StudyError, match="coxph predicts from --genes and --clinical. Give --clinical, too"):
        predict_patients(run, Given(genes=new / "genes.csv"), method="coxph")


def test_files_alone_are_read_otherwise_where_that_is_set(run, spoilt):
    edit(spoilt / "clinical.csv", lambda t: t.__setitem__("event", t["event"].map({"0": "Alive", "1": "Dead"})))
    files = Given(genes=spoilt / "genes.csv", clinical=spoilt / "clinical.csv")
    with pytest.raises(CohortError, match="'Alive', which is neither observed"):
        predict_cohorts(run, [files], method="coxph")
    (found,) = predict_cohorts(run, [files], method="coxph", overrides=["cohort.clinical.event_values=[Dead]"])
    assert found.outcome is not None and found.outcome.event.any()


def test_what_is_set_of_files_alone_is_of_them_and_its_paths_are_of_the_current_folder(run, new, monkeypatch):
    tables = Given(genes=new / "genes.csv", clinical=new / "clinical.csv")
    slides = Given(features=new / "features", slides=new / "slides.csv")
    plain = predict_patients(run, tables, method="coxph")
    given = ["cohort.omics.layout=wide", "cohort.omics.unsuffixed=ignore", "training.device=cpu"]
    pd.testing.assert_frame_equal(predict_patients(run, tables, method="coxph", overrides=given), plain)
    predict_patients(run, slides, method="abmil", overrides=["cohort.features.layout=prognoscope"])
    monkeypatch.chdir(new)
    given = ["cohort.omics.table=genes.csv"]
    pd.testing.assert_frame_equal(predict_patients(run, tables, method="coxph", overrides=given), plain)
    with pytest.raises(MissingFileError, match=r"new/gone.csv does not exist.* relative to the current folder"):
        predict_patients(run, tables, method="coxph", overrides=["cohort.omics.groups=gone.csv"])
    with pytest.raises(MissingFileError, match=r"gone does not exist.* relative to the current folder"):
        predict_patients(run, Given(features=new / "gone"), method="abmil")


def test_who_has_no_follow_up_is_predicted_and_not_measured(run, new, spoilt, tmp_path):
    def edited(change):
        shutil.copy(new / "clinical.csv", spoilt / "clinical.csv")
        edit(spoilt / "clinical.csv", change)
        files = Given(genes=spoilt / "genes.csv", clinical=spoilt / "clinical.csv")
        found = [
            predict_cohorts(run, [each], method="coxph", times=(12,))[0] for each in (files, spoilt / "study.yaml")
        ]
        for each in found:
            assert each.table["survival_12_months"].notna().sum() == 24 and each.table["patient_id"].is_unique
        return found

    def gaps(table):
        of_both = [table.index[table["event"].astype(float) == status][0] for status in (0, 1)]
        table.loc[of_both, "time_months"] = None
        table.loc[of_both[0], "event"] = None

    for found in edited(gaps):
        assert len(found.outcome) == 22 and not set(found.outcome.patients) >= set(found.table["patient_id"])
        name, told = found.name, found.table.attrs["summary"][-1]
        assert told == f"{name} is measured on 22 patients with follow-up, which 2 predicted patients of it have not."
        page, _ = validate([found], tmp_path / "out.csv", draws=2)
        text = page.read_text()
        assert "22 patients, " in text and "which 2 predicted patients of it have not" in text

    def everybody(table):
        table[["time_months", "event"]] = None

    for found in edited(everybody):
        assert found.outcome is None
        assert found.table.attrs["summary"][-1] == f"Nobody of {found.name} has follow-up, so nothing is measured."

    def of_the_living(table):
        table.loc[table["event"].astype(float) == 0, "time_months"] = None

    for found in edited(of_the_living):
        assert found.outcome is None and "would choose patients by outcome" in found.table.attrs["summary"][-1]

    with pytest.raises(CohortError, match="-3.* Correct the column time_months, or empty these fields: such patients"):
        edited(lambda table: table.__setitem__("time_months", "-3"))


def test_the_model_of_all_patients_speaks_where_it_is_asked_to_and_the_folds_say_how_sure(run, new):
    folds = predict_patients(run, new / "study.yaml", method="abmil", times=(12,))
    final = predict_patients(run, new / "study.yaml", method="abmil", times=(12,), final=True)
    assert not np.allclose(folds["risk"], final["risk"])
    assert set(final["high_risk_share"]) <= {0.0, 1.0}
    np.testing.assert_allclose(final["risk_sd"], folds["risk_sd"])
    assert (final["survival_12_months_low"] <= final["survival_12_months"]).all()
    assert any("(risk at or above the median of training patients)." in each for each in final.attrs["summary"])
    assert any("training patients, by most of the models)." in each for each in folds.attrs["summary"])


def test_several_cohorts_are_told_apart_in_one_table(run, new, spoilt, tmp_path):
    text = (spoilt / "study.yaml").read_text().replace("name: simulated", "name: other")
    (spoilt / "study.yaml").write_text(text)
    to = tmp_path / "both.csv"
    predict_cohorts(run, [new / "study.yaml", spoilt / "study.yaml"], method="coxph", to=to)
    assert pd.read_csv(to)["cohort"].value_counts().to_dict() == {"simulated": 24, "other": 24}
    with pytest.raises(StudyError, match="2 of the cohorts are called simulated, so their numbers could not be told"):
        predict_cohorts(run, [new / "study.yaml", new / "study.yaml"], method="coxph")
    files = Given(genes=new / "genes.csv", clinical=new / "clinical.csv")
    with pytest.raises(StudyError, match="2 of the cohorts are called new_patients, .* Predict them one by one, or"):
        predict_cohorts(run, [files, files], method="coxph")
    with pytest.raises(StudyError, match="2 of the cohorts are called same, .* which no --set name replaces"):
        predict_cohorts(run, [new / "study.yaml", files], method="coxph", overrides=["name=same"])


@pytest.fixture(scope="module")
def model(run, tmp_path_factory):
    return export_model(run, tmp_path_factory.mktemp("out") / "model", method="abmil", licence="CC-BY-4.0")[0]


def test_an_exported_model_says_what_the_run_s_says_and_tells_of_no_patient(run, model, new):
    asked = {"times": (12,)}
    shipped = predict_patients(model, new / "study.yaml", **asked)
    pd.testing.assert_frame_equal(
        shipped, predict_patients(run, new / "study.yaml", method="abmil", final=True, **asked)
    )
    files = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    assert {"README.md", "model.json", "abmil/final/model.safetensors", "abmil/fold_2/model.json"} <= set(files)
    assert not [name for name, content in files.items() if b"SIM-0" in content or str(run).encode() in content]
    assert b"CC-BY-4.0" in files["README.md"] and b"Learned from 40 patients" in files["README.md"]
    alone = Given(features=new / "features", slides=new / "slides.csv")
    pd.testing.assert_frame_equal(predict_patients(model, alone, **asked), shipped)


def test_a_model_that_is_not_whole_or_is_asked_for_another_method_is_refused(model, new, tmp_path):
    with pytest.raises(ModelError, match="is a model of abmil, not of snn"):
        predict_patients(model, new / "study.yaml", method="snn")
    broken = shutil.copytree(model, tmp_path / "broken")
    shutil.rmtree(broken / "abmil" / "fold_1")
    with pytest.raises(ModelError, match="has lost models of abmil"):
        predict_patients(broken, new / "study.yaml")
    changed = shutil.copytree(model, tmp_path / "changed")
    (changed / "model.json").write_text((changed / "model.json").read_text().replace("CC-BY-4.0", "none"))
    with pytest.raises(InputError, match="model.json is not what .* Copy a shipped model again"):
        predict_patients(changed, new / "study.yaml")
    (changed / "manifest.json").unlink()
    with pytest.raises(InputError, match="has lost its manifest.json"):
        predict_patients(changed, new / "study.yaml")
    for name, value in (("cuts", {"final": "x", **dict.fromkeys(("fold_0", "fold_1", "fold_2"), 0.0)}), ("reading", 1)):
        about = json.loads((model / "model.json").read_text())
        (changed / "model.json").write_text(json.dumps(about | {name: value}))
        seal(changed, [changed / "model.json"], Fingerprint())
        with pytest.raises(InputError, match="model.json cannot be read .* Copy the whole folder again"):
            predict_patients(changed, new / "study.yaml")


@pytest.mark.parametrize("name", ["model.safetensors", "training_summary.safetensors", "model.json", "manifest.json"])
def test_a_model_that_lost_a_file_of_a_fold_is_to_be_copied_again(model, tmp_path, name):
    lost = shutil.copytree(model, tmp_path / "lost")
    (lost / "abmil" / "final" / name).unlink()
    with pytest.raises((InputError, ModelError), match=r"lost .*Copy the whole folder again\.$"):
        export.open_model(lost, None, TrainingSpec())


def test_a_fold_in_the_place_of_another_is_refused(model, tmp_path):
    mixed = shutil.copytree(model, tmp_path / "mixed")
    shutil.rmtree(mixed / "abmil" / "fold_0")
    shutil.copytree(mixed / "abmil" / "fold_1", mixed / "abmil" / "fold_0")
    with pytest.raises(InputError, match="fold_0 holds fold 1 of abmil, so it was copied or renamed"):
        export.open_model(mixed, None, TrainingSpec())


def test_a_final_model_that_is_not_there_is_not_replaced_by_the_folds(model, new, tmp_path):
    folds = shutil.copytree(model, tmp_path / "folds")
    about = json.loads((folds / "model.json").read_text())
    cuts = {name: cut for name, cut in about["cuts"].items() if name != "final"}
    (folds / "model.json").write_text(json.dumps(about | {"is_final": False, "cuts": cuts}))
    seal(folds, [folds / "model.json"], Fingerprint())
    assert len(predict_patients(folds, new / "study.yaml"))
    with pytest.raises(ModelError, match="has no model of abmil that was trained on all patients. Leave out --final"):
        predict_patients(folds, new / "study.yaml", final=True)


def test_groups_by_survival_are_told_as_such(model, new, tmp_path):
    by_survival = shutil.copytree(model, tmp_path / "by_survival")
    about = json.loads((by_survival / "model.json").read_text())
    (by_survival / "model.json").write_text(json.dumps(about | {"by_survival": True}))
    seal(by_survival, [by_survival / "model.json"], Fingerprint())
    told = predict_patients(by_survival, new / "study.yaml").attrs["summary"]
    assert any("(minus survival at the middle time at or above the median of" in each for each in told)


def test_an_export_writes_over_nothing_but_its_own(run, model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already and is not of this command"):
        export_model(run, tmp_path / "mine", method="coxph")
    assert export_model(run, model, method="abmil", licence="CC-BY-4.0")[0] == model


def test_an_export_over_an_earlier_one_leaves_nothing_of_it(run, new, tmp_path):
    export_model(run, tmp_path / "model", method="abmil")
    export_model(run, tmp_path / "model", method="coxph")
    assert {path.parts[-3] for path in (tmp_path / "model").rglob("model.safetensors")} == {"coxph"}
    assert len(predict_patients(tmp_path / "model", new / "study.yaml")) == 24


def test_an_export_takes_away_its_own_files_alone_and_is_no_model_before_its_end(run, new, tmp_path, monkeypatch):
    folder, write = tmp_path / "model", export._write_member

    def stopped(member, files):
        if files.folder.name != "final":
            raise KeyboardInterrupt
        write(member, files)

    export_model(run, folder, method="abmil")
    (folder / "abmil" / "fold_0" / "mynotes.txt").write_text("mine")
    (folder / "abmil" / "fold_2.txt").write_text("mine")
    for method in ("coxph", "abmil"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(export, "_write_member", stopped)
            export_model(run, folder, method=method)
        assert [path.parts[-3:-1] for path in folder.rglob("model.safetensors")] == [(method, "final")]
        with pytest.raises(InputError, match="The export into .* was begun and did not end, .* Export it again"):
            predict_patients(folder, new / "study.yaml")
    export_model(run, folder, method="coxph")
    assert {path.parts[-3] for path in folder.rglob("model.*")} == {"coxph", tmp_path.name}
    assert len(predict_patients(folder, new / "study.yaml")) == 24
    assert {path.name for path in (folder / "abmil").rglob("*")} == {"fold_0", "fold_2.txt", "mynotes.txt"}
    for path in folder.glob("*.*"):
        path.unlink()
    with pytest.raises(InputError, match="coxph/.*/model.* is there already and is not of this command"):
        export_model(run, folder, method="abmil")


def test_two_cohorts_whose_names_differ_in_case_only_have_figures_of_their_own(run, new, spoilt, tmp_path):
    (spoilt / "study.yaml").write_text((new / "study.yaml").read_text().replace("name: simulated", "name: Simulated"))
    to = tmp_path / "out.csv"
    validate(predict_cohorts(run, [each / "study.yaml" for each in (new, spoilt)], method="coxph"), to, draws=2)
    figures = {path.name.lower() for path in (tmp_path / "out_validation").iterdir()}
    assert {"simulated_survival.svg", "simulated-2_survival.svg"} <= figures


def test_followed_patients_validate_the_models_in_numbers_and_on_a_page(run, new, spoilt, tmp_path):
    (spoilt / "study.yaml").write_text((spoilt / "study.yaml").read_text().replace("name: simulated", "name: other"))
    edit(spoilt / "clinical.csv", lambda t: t.__setitem__("event", "0"))
    to = tmp_path / "out.csv"
    found = predict_cohorts(run, [new / "study.yaml", spoilt / "study.yaml"], method="coxph", to=to)
    page, said = validate(found, to, draws=20)
    assert said == ["Nobody of other has an event, so it validates nothing."]
    table = pd.read_csv(tmp_path / "out_validation.csv").set_index("measure")
    assert set(table["cohort"]) == {"simulated"}
    outcome = found[0].outcome
    c_index = concordance(found[0].table["risk"].to_numpy(), time=outcome.time, event=outcome.event).value
    assert table.loc["c_index", "value"] == pytest.approx(c_index)
    assert {"c_index_ipcw", "integrated_brier", "calibration_slope", "observed_expected"} <= set(table.index)
    text = page.read_text()
    assert "external validation</title>" in text and "It is another model" in text
    assert validate(found[1:], to) == (None, said)
    page.unlink()  # as of a command that was killed while it drew
    need_own_validation(to)
    (tmp_path / "out_validation.csv").write_text("mine")
    with pytest.raises(InputError, match="is there already and is not of this command"):
        need_own_validation(to)


def test_the_page_claims_of_an_exported_model_nothing_that_nobody_knows(run, model, new, spoilt, tmp_path):
    to = tmp_path / "out.csv"
    for given, said in ((run, "None of these patients taught abmil"), (model, "who of these patients taught abmil is")):
        page, _ = validate(predict_cohorts(given, [new / "study.yaml"], method="abmil", to=to), to, draws=20)
        assert said in page.read_text()
    assert "None of these patients" not in page.read_text() and "the horizon is " in page.read_text()


def test_doubts_about_the_follow_up_that_is_measured_are_told(run, spoilt):
    edit(spoilt / "clinical.csv", lambda t: t.__setitem__("time_months", t["time_months"].astype(float) * 10))
    (found,) = predict_cohorts(run, [spoilt / "study.yaml"], method="abmil")
    assert "Is time_unit right?" in found.table.attrs["summary"][-1]
    told = [*found.table.attrs["left_out"], *found.table.attrs["summary"]]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("method", ["gpcox", "late", "porpoise"])
def test_a_cohort_in_which_nobody_has_slides_is_predicted_by_what_can_do_without(by_either, spoilt, tmp_path, method):
    run, study = by_either, spoilt / "study.yaml"
    edit(spoilt / "slides.csv", lambda t: t.drop(index=t.index[t["patient_id"] != "NEW-0002"], inplace=True))
    mixed = predict_patients(run, study, method=method).set_index("patient_id")
    files = {"genes": spoilt / "genes.csv", "clinical": spoilt / "clinical.csv"}
    alone = predict_patients(run, Given(**files), method=method).set_index("patient_id")
    without = [name for name in alone.index if name != "NEW-0002"]
    np.testing.assert_allclose(alone.loc[without, "risk"], mixed.loc[without, "risk"], atol=1e-5)
    assert "slides" not in set(alone["uses"]) and not any("embeddings" in each for each in alone.attrs["left_out"])
    service = ModelService(export_model(run, tmp_path / "model", method=method)[0])
    row = pd.read_csv(files["genes"], index_col=0).iloc[0].dropna()
    known = pd.read_csv(files["clinical"], index_col=0).loc[row.name, ["age", "is_female"]]
    genes = {**dict.fromkeys(pd.read_csv(files["genes"], nrows=0).columns[1:]), **row.to_dict()}
    asked = {"patients": [{"id": row.name, "genes": genes, "covariates": known.astype(float).to_dict()}]}
    (answer,) = service._table(asked).to_dict("records")
    assert answer["risk"] == pytest.approx(alone.loc[row.name, "risk"], abs=1e-5)


def test_files_alone_name_the_option_that_the_covariates_want(by_either, new):
    with pytest.raises(StudyError, match="late predicts from --features and --clinical. Give --clinical, too"):
        predict_patients(by_either, Given(features=new / "features", slides=new / "slides.csv"), method="late")
