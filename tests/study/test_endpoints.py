"""Several endpoints in one study: a run each on the same folds, and the methods by endpoint beside them."""

import pandas as pd
import pytest
import yaml

from prognoscope.cli import main
from prognoscope.core.errors import CohortError, InputError, StudyError
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.seeds import runs_in
from prognoscope.study.apply.export import export_model, open_model
from prognoscope.study.apply.given import Given
from prognoscope.study.apply.predict import predict_cohorts
from prognoscope.study.apply.validate import validate
from prognoscope.study.comparing import compare_runs
from prognoscope.study.plan import plan, plans
from prognoscope.study.spec import plain
from prognoscope.study.study import Study
from prognoscope.training.spec import TrainingSpec
from tests.sketches import whole_pages
from tests.study.conftest import COXPH

pytestmark = pytest.mark.usefixtures("sketched", "bare")
ENDPOINTS = {
    "OS": {"time": "time_months", "event": "event"},
    "PFI": {"time": "PFI.time", "time_unit": "days", "event": "PFI"},
}
WITHOUT = 5  # patients without PFI


def with_endpoints(folder, **settings) -> Study:
    """A study of the cohort in a folder with progression beside death, which five patients lack."""
    table = pd.read_csv(folder / "clinical.csv")
    has = pd.Series(table.index >= WITHOUT)
    table["PFI.time"] = (table["time_months"] * 30.4375 * 0.6).round(3).where(has)
    table["PFI"] = ((table["event"] == 1) | (table.index % 3 == 0)).astype("Int64").where(has)
    table.to_csv(folder / "endpoints.csv", index=False)
    study = yaml.safe_load((folder / "study.yaml").read_text())
    covariates = study["cohort"]["clinical"]["covariates"]
    shared = {"table": "endpoints.csv", "time_unit": "months", "covariates": covariates}
    study["cohort"] = {"clinical": shared | {"endpoints": ENDPOINTS}, "omics": study["cohort"]["omics"]}
    study |= {"methods": [COXPH, {"name": "snn", "widths": [8]}]}
    study["training"] |= {"epochs": 1}
    return Study.of(study | settings, folder)


@pytest.fixture(scope="module")
def folder(simulated):
    with whole_pages():
        with_endpoints(simulated).run_endpoints(simulated / "ends")
    return simulated / "ends"


def test_each_endpoint_has_a_run_on_the_same_folds_of_those_who_have_it(folder):
    runs = [Run(each) for each in runs_in(folder)]
    assert [each.folder.name for each in runs] == ["endpoint_OS", "endpoint_PFI"]
    one, other = (each.splits for each in runs)
    lacking = set(one["patient_id"]) - set(other["patient_id"])
    assert len(lacking) == WITHOUT
    assert one[~one["patient_id"].isin(lacking)].reset_index(drop=True).equals(other)
    alive, free = (dict(zip(each.outcomes.patients, each.outcomes.time, strict=True)) for each in runs)
    assert all(free[patient] == pytest.approx(0.6 * alive[patient], rel=1e-3) for patient in free)
    assert runs[1].outcomes.event.mean() > runs[0].outcomes.event.mean()


def test_the_run_of_an_endpoint_can_be_run_again_by_itself(folder):
    settings = yaml.safe_load((folder / "endpoint_PFI" / "study.yaml").read_text())
    assert settings["cohort"]["clinical"]["endpoint"] == "PFI"
    files = folder / "endpoint_PFI" / "snn" / "fold_0" / "predictions.csv"
    stamp = files.stat().st_mtime_ns
    Study.of(settings, folder / "endpoint_PFI").run(folder / "endpoint_PFI")
    assert files.stat().st_mtime_ns == stamp


def test_methods_by_endpoint_stand_beside_the_runs(folder):
    found = compare_runs(runs_in(folder), draws=20)
    assert found.columns == ["OS", "PFI"] and found.is_by_endpoint  # no mean over endpoints of the same patients
    assert set(found.pairs["column"]) == {"OS", "PFI"} and found.pairs["low"].notna().all()
    lack = f"PFI: {WITHOUT} patients of the table have no usable follow-up of it, and are in no fold of it."
    assert lack in found.notes
    assert "OS: everybody has it." in found.notes
    page = (folder / "comparison.html").read_text()
    assert "Methods by endpoint" in page and "no usable follow-up" in page
    assert {each.suffix for each in folder.glob("comparison.*")} == {".html", ".csv", ".md", ".tex", ".svg"}
    assert ", PFI: survival prediction</h1>" in (folder / "endpoint_PFI" / "report.html").read_text()


def test_models_of_an_endpoint_predict_everybody_and_are_measured_on_it(simulated, folder, tmp_path):
    study = simulated / "new.yaml"
    study.write_text(yaml.safe_dump(plain(with_endpoints(simulated).spec)))
    asked = {"method": "coxph", "overlap": "keep"}
    (found,) = predict_cohorts(folder / "endpoint_PFI", [study], **asked)
    runs = [Run(each) for each in runs_in(folder)]
    assert len(found.table) == len(found.outcome) + WITHOUT == len(runs[0].outcomes)
    assert found.table.attrs["summary"][0].startswith("By coxph of PFI")
    told = f"{runs[0].name} is measured on the endpoint PFI, which {WITHOUT} predicted patients of it have not."
    assert found.table.attrs["summary"][-1] == told
    page, said = validate([found], tmp_path / "out.csv", draws=10)
    assert not said and "35 patients" in page.read_text()
    (other,) = predict_cohorts(folder / "endpoint_PFI", [study], overrides=["cohort.clinical.endpoint=OS"], **asked)
    assert len(other.outcome) == len(other.table)
    page, _ = validate([other], tmp_path / "other.csv", draws=10)
    assert "is measured on the endpoint OS; the models were trained on PFI." in page.read_text()
    with pytest.raises(InputError, match="holds runs of several endpoints"):
        export_model(folder, tmp_path / "model", method="coxph")
    assert other.table.attrs["summary"][-1].endswith("on the endpoint OS; the models were trained on PFI.")
    settings = yaml.safe_load(study.read_text())
    ends = settings["cohort"]["clinical"]["endpoints"]
    settings["cohort"]["clinical"]["endpoints"] = {"OS": ends["OS"], "DSS": ends["PFI"]}
    study.write_text(yaml.safe_dump(settings))
    (neither,) = predict_cohorts(folder / "endpoint_PFI", [study], **asked)
    assert neither.outcome is None and "Choose one with --set" in neither.table.attrs["summary"][-1]
    del settings["cohort"]["clinical"]["endpoints"]
    settings["cohort"]["clinical"] |= ends["OS"] | {"time_unit": "months"}
    study.write_text(yaml.safe_dump(settings))
    (unnamed,) = predict_cohorts(folder / "endpoint_PFI", [study], **asked)
    assert "is of PFI, which the models predict; it counts as such." in " ".join(unnamed.table.attrs["summary"])
    model, _ = export_model(folder / "endpoint_PFI", tmp_path / "model", method="coxph")
    assert open_model(model, None, TrainingSpec()).endpoint == "PFI"
    assert "trained on simulated, PFI" in (model / "README.md").read_text()
    table = pd.read_csv(simulated / "endpoints.csv")
    table.iloc[WITHOUT:].to_csv(tmp_path / "those.csv", index=False)
    files = Given(genes=simulated / "genes.csv", clinical=tmp_path / "those.csv")
    (alone,) = predict_cohorts(folder / "endpoint_PFI", [files], **asked)
    assert alone.outcome is not None and alone.outcome.event.sum() == found.outcome.event.sum()
    assert "it counts as such" not in " ".join(alone.table.attrs["summary"])


def test_endpoints_with_seeds_have_a_folder_of_seeds_each(simulated):
    study = with_endpoints(simulated, methods=[COXPH], seeds=2)
    study.run_endpoints(simulated / "both")
    names = [each.relative_to(simulated / "both").as_posix() for each in runs_in(simulated / "both")]
    assert names == ["endpoint_OS/seed_0", "endpoint_OS/seed_1", "endpoint_PFI/seed_0", "endpoint_PFI/seed_1"]
    assert (simulated / "both" / "endpoint_OS" / "comparison.html").is_file()
    table = compare_runs(runs_in(simulated / "both"), draws=20).table
    assert set(table["column"]) == {"OS", "PFI"} and set(table["seeds"]) == {"0 1"}


def test_what_cannot_be_done_is_told_before_anything_is_begun(study_folder, folder):
    study = with_endpoints(study_folder)
    with pytest.raises(StudyError, match="endpoints OS, PFI, each with a plan and a run of its own"):
        plan(study)
    with pytest.raises(StudyError, match="or call `run_endpoints`"):
        study.run(study_folder / "run")
    with pytest.raises(StudyError, match="holds a run with one endpoint"):
        study.run_endpoints(folder / "endpoint_OS")
    table = pd.read_csv(study_folder / "endpoints.csv")
    table.assign(PFI=table["PFI"].where(table["PFI"].isna(), 0)).to_csv(study_folder / "endpoints.csv", index=False)
    with pytest.raises(CohortError, match="Endpoint PFI: None of the 35 patients"):
        plans(study)
    table.assign(**{"PFI.time": table["PFI.time"].where(table.index != 9, -1)}).to_csv(study_folder / "endpoints.csv")
    with pytest.raises(CohortError, match=r"Endpoint PFI: .* 1 patients cannot be used: .*PFI.time -1 is negative"):
        plans(study)


def test_commands_take_endpoints_for_what_they_are(simulated, folder, capsys):
    def ran(*words) -> str:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert not ended.value.code
        return capsys.readouterr().out

    study = simulated / "several.yaml"
    study.write_text(yaml.safe_dump(plain(with_endpoints(simulated).spec)))
    checked = ran("check", study)
    assert checked.count("Gene groups") == 1  # what endpoints share is printed once
    assert "Patients (OS)" in checked and "Patients (PFI)" in checked and "for each endpoint" in checked
    assert "methods over 2 endpoints" in ran("run", study, "--out", folder)
    assert "PFI" in ran("compare", folder) and "endpoint_PFI" in ran("report", folder)
    with pytest.raises(InputError, match="holds runs of several endpoints: endpoint_OS and endpoint_PFI. Name one"):
        open_finished(folder)
