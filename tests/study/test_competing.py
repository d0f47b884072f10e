"""A study in which other events compete: what is read, learned, measured, drawn, and refused."""

import html

import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.core.errors import CohortError, ModelError
from prognoscope.evaluation.competing import aalen_johansen, incidence_difference
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.gray import gray_test
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.apply.observed import FollowUp
from prognoscope.study.apply.predict import predict_cohorts
from prognoscope.study.apply.validate import validate
from prognoscope.study.comparing import compare_runs
from prognoscope.study.plan import plan
from prognoscope.study.study import Study
from prognoscope.study.study_file import StudyFile
from prognoscope.viewer.patients import Patients
from tests.study.conftest import COXPH

pytestmark = pytest.mark.usefixtures("sketched")
SNN = {"name": "snn", "widths": [8]}
LATE = {"name": "late", "members": [COXPH, SNN], "inner_folds": 2}
METHODS = [COXPH, COXPH | {"label": "fine-gray", "competing": "fine_gray"}, SNN, "gpcox", LATE]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("competing") / "cohort"
    simulate_cohort(folder, patients=80, seed=2, features_only=True, bag_sizes=(3, 5), embedding_dim=16, competing=0.25)
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    settings |= {"methods": METHODS, "training": {"epochs": 2}, "splits": {"folds": 3}}
    settings |= {"evaluation": {"draws": 30, "surgery": False}}
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture(scope="module")
def run(cohort):
    return Study.load(cohort / "study.yaml").run().run


def test_the_third_status_is_read_and_kept(cohort, run):
    status = pd.read_csv(cohort / "clinical.csv").set_index("patient_id")["event"]
    assert (status == 2).sum() == 20
    outcome = run.outcomes
    assert outcome.competing.tolist() == (status.loc[list(outcome.patients)] == 2).tolist()
    assert outcome.event.tolist() == (status.loc[list(outcome.patients)] == 1).tolist()
    assert run.held_out.competing.sum() == 20 and run.has_competing


def test_curves_are_one_minus_an_incidence_and_measured_as_such(run):
    for name in ("coxph", "fine-gray", "snn", "gpcox", "late"):
        survival = run.method(name).predictions[["S_0", "S_1", "S_2", "S_3"]].to_numpy()
        assert (survival[:, 1:] <= survival[:, :-1] + 1e-9).all() and (survival >= 0).all()
        found = set(run.metrics.loc[run.metrics["method"] == name, "metric"])
        assert found == {"c_index", "integrated_brier"}  # the others know no competing events, which a note says
    assert any("c_index_ipcw, auc, d_calibration_p" in note for note in run.provenance.notes)
    assert any(note.startswith("Other events compete: survival is one minus") for note in run.provenance.notes)


def test_the_report_shows_incidence_and_no_survival_of_two_states(run):
    page = run.files.report.read_text()
    assert 'id="incidence"' in page and "In 20 (25 %) another event came first." in page
    for section in ("survival", "means", "decisions", "added"):
        assert f'id="{section}"' not in page
    assert "with an event and 20 with another one first" in page and "Wolbers' C-index" in page.replace("&#39;", "'")
    assert "Harrell" not in page and "D-calibration: Haider" not in page
    data = pd.read_csv(run.files.figures / "incidence_snn.csv")
    assert data.groupby("group")["incidence"].is_monotonic_increasing.all()


def test_runs_compare_and_predict(cohort, run, tmp_path):
    assert compare_runs([run.folder], draws=20).table["mean"].notna().all()
    found = compare_runs([run.folder], metric="log_rank_p")
    assert not len(found.table) and any("Other events compete" in note for note in found.notes)
    found = compare_runs([run.folder], metric="gray_p").table.set_index("row")["mean"]
    drawn = {name: pd.read_csv(run.files.figures / f"incidence_{name}.csv")["gray_p"][0] for name in ("coxph", "snn")}
    assert found["coxph"] == pytest.approx(drawn["coxph"]) and found["snn"] == pytest.approx(drawn["snn"])


@pytest.mark.parametrize("name", ["gpcox", "late"])
def test_trained_models_of_causes_are_read_again(cohort, run, name, tmp_path):
    found = predict_cohorts(run.folder, [cohort / "study.yaml"], method=name, overlap="keep", to=tmp_path / "out.csv")
    told = found[0].table.set_index("patient_id")["S_2"]
    folds = run.method(name).predictions.set_index("patient_id")["S_2"]
    assert told.between(0, 1).all() and told.corr(folds[told.index]) > 0.5


def test_validation_counts_other_events_as_what_they_are(cohort, run, tmp_path):
    to = tmp_path / "out.csv"
    found = predict_cohorts(run.folder, [cohort / "study.yaml"], method="coxph", overlap="keep", to=to)
    table = found[0].table
    assert len(table) == 80 and table[["S_0", "S_3"]].notna().all(axis=None)
    page, _ = validate(found, to, draws=20)
    measured = pd.read_csv(tmp_path / "out_validation.csv").set_index("measure")
    outcome = found[0].outcome
    c_index = concordance(table["risk"].to_numpy(), time=outcome.time_free, event=outcome.event).value
    assert measured.loc["c_index", "value"] == pytest.approx(c_index)
    told = {"time": outcome.time, "event": outcome.event, "competing": outcome.competing}
    high = (table["risk_group"] == "high").to_numpy()
    assert measured.loc["subdistribution_ratio", "value"] == pytest.approx(
        incidence_difference(high, **told).ratio.value
    )
    assert measured.loc["gray_p", "value"] == pytest.approx(gray_test(high, **told).p)
    month = table.filter(regex="^months_").iloc[0].to_numpy()[1]  # about the horizon, which is the median of events
    near = aalen_johansen(**told).at(np.array([month]))[0] / (1 - table["S_1"].mean())
    assert measured.loc["observed_expected", "value"] == pytest.approx(near, rel=0.15)
    assert not {"log_rank_p", "hazard_ratio", "recalibrated_integrated_brier"} & set(measured.index)
    text = page.read_text()
    assert "20 other events that came first" in text and "Cumulative incidence of the groups" in text
    assert "Gray&#39;s p" in text
    assert "Log-rank" not in text and "Kaplan-Meier" not in text
    told = found[0].table.attrs["summary"]
    assert "Survival is the chance that the event has not come before any other: one minus its incidence." in told
    assert "and simulated tells of no other" not in " ".join(told)
    two_states = yaml.safe_load((cohort / "study.yaml").read_text())
    two_states["cohort"]["clinical"] |= {"event_values": [1], "censored_values": [0, 2]}
    del two_states["cohort"]["clinical"]["competing_values"]
    (cohort / "two.yaml").write_text(yaml.safe_dump(two_states))
    found = predict_cohorts(run.folder, [cohort / "two.yaml"], method="coxph", overlap="keep", to=to)
    page, _ = validate(found, to, draws=20)
    assert "and simulated tells of no other: who had one counts as censored there" in page.read_text()
    follow_up = FollowUp.read(StudyFile.load(cohort / "study.yaml"), "")
    _, told = follow_up.of(found[0].new.cohort, competes=False)
    assert "In simulated other events compete, of which the models know nothing" in told[-1]


@pytest.mark.parametrize(
    ("methods", "why"),
    [
        (
            [{"name": "gpdbn", "head": "cox"}],
            "gpdbn cannot learn where other events compete .* loss, Cox's, .*; set head: discrete. Or",
        ),
        (["kd"], "kd cannot learn where other events compete .* its teacher .*; take its student, clam_sb, by itself"),
        ([{"name": "cmta", "likelihood": "ce"}], "set likelihood: nll"),
    ],
)
def test_methods_of_one_cause_are_refused_before_anything_is_trained(cohort, methods, why):
    settings = yaml.safe_load((cohort / "study.yaml").read_text()) | {"methods": methods}
    with pytest.raises(ModelError, match=why):
        plan(Study.of(settings, cohort))


def test_words_of_competing_events_are_checked(cohort):
    settings = yaml.safe_load((cohort / "study.yaml").read_text())
    clinical = settings["cohort"]["clinical"]
    table = pd.read_csv(cohort / "clinical.csv")
    table.assign(event=table["event"] % 2).to_csv(cohort / "none.csv", index=False)
    for wrong, why in (
        ({"table": "none.csv"}, "no event is 2, which competing_values names"),
        ({"competing_values": ["1"]}, "means observed or censored"),
    ):
        changed = settings["cohort"] | {"clinical": clinical | wrong}
        with pytest.raises(CohortError, match=why):
            plan(Study.of(settings | {"cohort": changed}, cohort))
    words = {0: "alive", 1: "cancer", 2: "other"}
    table.assign(event=table["event"].map(words)).to_csv(cohort / "words.csv", index=False)
    told = {"event_values": "cancer", "censored_values": "alive", "competing_values": "other"}
    changed = settings["cohort"] | {"clinical": clinical | {"table": "words.csv", **told}}
    found = plan(Study.of(settings | {"cohort": changed}, cohort)).cohort.outcome
    assert found.competing.sum() == 20 and found.event.sum() == (table["event"] == 1).sum()


def test_no_page_says_of_competing_events_what_holds_of_censoring_alone(run):
    text = run.files.report.read_text()
    assert "Another event first" in text and "Aalen-Johansen curve of the training patients" in text
    assert "Kaplan-Meier curve of" not in text and "Wolbers' C-index" in html.unescape(text)
    checklist = run.files.tripod.read_text()
    assert "with an event and 20 with another one first" in checklist and "| One minus the cumulative" in checklist
    for told in (text, checklist):
        assert not [
            word
            for word in ("Uno's", "Uno et al.", "D-calibration", "report's subgroups")
            if word in html.unescape(told)
        ]
    patients = Patients(run)
    ended = {row["patient"]: (row["event"], row["other"]) for row in patients.rows}
    outcome = run.held_out
    of_run = zip(outcome.patients, outcome.event.tolist(), outcome.competing.tolist(), strict=True)
    assert ended == {patient: (event, other) for patient, event, other in of_run}
    figure = patients.survival_figure(outcome.patients[int(outcome.competing.argmax())])
    assert "another event first at" in figure and "Everybody (Aalen-Johansen)" in figure
