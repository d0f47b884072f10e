"""Maps and silhouettes of components: of one fold's own patients, seeded, and told where they cannot be made."""

import numpy as np
import pytest

from prognoscope.analysis import component_data
from prognoscope.analysis.component_data import EVERYBODY, component_map, component_silhouettes
from prognoscope.core.errors import MetricError
from prognoscope.report.page_section import Absence
from prognoscope.report.sections.component_maps import component_plates
from prognoscope.runs.components import write_components
from prognoscope.runs.read import Run
from prognoscope.runs.tables import PREDICTIONS
from tests.analysis.fake_runs import write_run

NAMES = ("common", "synergy", "gene", "slide")


def run_with_components(folder, *, patients=36, risk=None):
    write_run(folder, knows={"good": 0.5}, patients=patients)
    rng = np.random.default_rng(0)
    for files in Run(folder).files.folds("good"):
        table = PREDICTIONS.read(files.predictions)
        if risk is not None:
            PREDICTIONS.write(files.predictions, table.assign(risk=risk))
        split = {name: rng.normal(size=(len(table), 5)) + 6 * i for i, name in enumerate(NAMES)}
        split["gene"][:, 0] += 20 * (table["risk"] > table["risk"].median())
        write_components(files.components, split)
    return Run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_with_components(tmp_path_factory.mktemp("run"))


def test_a_map_holds_the_patients_of_one_fold_once_for_each_component(run):
    data = component_map(run, "good", 1)
    patients = run.method("good").tested[1]["patient_id"].tolist()
    assert data["patient_id"].tolist() == patients * 4 and data["component"].tolist() == list(np.repeat(NAMES, 12))
    table = run.method("good").predictions.set_index("patient_id")
    is_high = table["risk"] >= np.median(table["risk"])
    assert data["group"].tolist() == np.where(is_high[data["patient_id"]], "High risk", "Low risk").tolist()
    assert set(component_map(run, "good")["fold"]) == {"0"}


def test_a_map_is_seeded(run):
    component_data._plane.cache_clear()
    once = component_map(run, "good")[["x", "y"]].to_numpy()
    component_data._plane.cache_clear()
    assert np.array_equal(component_map(run, "good")[["x", "y"]], once)


def test_silhouettes_are_of_the_components_own_space_and_of_the_risk_groups_within(run):
    table = component_silhouettes(run, "good")
    assert len(table) == 12 and table["patients"].eq(12).all()
    assert (table["silhouette"].drop(table.index[table["component"] == "gene"]) > 0.5).all()
    means = table.groupby("component")["risk_silhouette"].mean()
    assert means["gene"] > 0.5 and means.drop("gene").abs().max() < 0.3
    first = component_map(run, "good").groupby("component")["silhouette"].mean()
    of_fold = table[table["fold"] == 0].set_index("component")["silhouette"]
    assert of_fold.to_dict() == pytest.approx(first.to_dict())


def test_what_cannot_be_made_is_told(run, tmp_path, monkeypatch):
    alike = run_with_components(tmp_path / "alike", risk=1.0)
    assert set(component_map(alike, "good")["group"]) == {EVERYBODY}
    assert component_silhouettes(alike, "good")["risk_silhouette"].isna().all()
    without = Run(write_run(tmp_path / "without", knows={"good": 0.5}))
    assert component_map(without, "good").empty and not component_plates(without)
    monkeypatch.setattr(component_data, "find_spec", lambda name: None)
    with pytest.raises(MetricError, match=r"needs scikit-learn, which is not installed. Install prognoscope\[tsne\]"):
        component_map(run, "good")
    (absence,) = component_plates(run)
    assert isinstance(absence, Absence) and absence.sentence.startswith("good: no map. A map of components needs")
