"""Measures of an external validation where little happened: what is defined is told, the rest in a sentence."""

import numpy as np
import pytest

from prognoscope.analysis.external import ExternalCohort, external_table
from prognoscope.core.outcome import Outcome, Prediction
from prognoscope.evaluation.gray import gray_test
from prognoscope.evaluation.group_tests import log_rank

N = 40
HIGH = np.arange(N) < N // 2


def cohort(survival=None, *, time=None, event=None, competing=None):
    names = tuple(map(str, range(N)))
    time = np.linspace(1.4, 30, N) if time is None else time
    if survival is None:
        survival = np.linspace(0.9, 0.5, N)[:, None] * [1.0, 0.8]
    prediction = Prediction(names, -survival.sum(axis=1), survival)
    outcome = Outcome(names, time, HIGH & (np.arange(N) % 2 == 0) if event is None else event, competing)
    return ExternalCohort("there", "model", prediction, np.array([12.0, 24.0]), outcome, HIGH)


def measured(external):
    table = external_table([external], draws=20)
    return table.set_index("measure"), " ".join(table.attrs["notes"])


@pytest.mark.parametrize("competes", [False, True])
def test_groups_of_which_one_has_no_event_are_tested_and_their_ratio_is_not_told(competes):
    others = ~HIGH & (np.arange(N) % 3 == 0) if competes else None
    external = cohort(competing=others)
    table, notes = measured(external)
    told = {"time": external.outcome.time, "event": external.outcome.event}
    p = gray_test(HIGH, **told, competing=others).p if competes else log_rank(HIGH, **told).p
    assert table.loc["gray_p" if competes else "log_rank_p", "value"] == pytest.approx(p)
    assert not {"hazard_ratio", "subdistribution_ratio"} & set(table.index) and "ratio" in notes


def test_nothing_is_divided_by_nobody_whom_the_model_expects_to_have_the_event():
    table, notes = measured(cohort(np.ones((N, 2))))
    assert "observed_expected" not in table.index and "Nobody is predicted to have the event by" in notes


def test_what_comes_after_the_horizon_is_not_seen_by_it():
    time = np.full(N, 12.4)
    table, _ = measured(cohort(time=time, event=np.arange(N) < 30))  # the median of the events, in whole months: 12
    assert table.loc["observed_expected", "value"] == 0


@pytest.mark.parametrize("last", [0.9, 11.6])
def test_the_horizon_is_within_follow_up_however_short_that_is(last):
    time = last * np.linspace(0.9, 1, N)
    external = cohort(time=time, event=time == last)
    assert external.horizon == last
    table, _ = measured(external)
    assert table.loc["observed_expected", "value"] > 0


@pytest.mark.filterwarnings("error")
def test_what_too_few_patients_tell_is_said_not_divided():
    # two patients whose scores leave no variance; and a column that parts the events from all others
    names, risk = ("a", "b"), np.array([1.0, 0.0])
    survival = np.array([[0.2], [0.8]])
    outcome = Outcome(names, np.array([1.0, 2.0]), np.array([True, True]), np.array([False, False]))
    external = ExternalCohort("there", "model", Prediction(names, risk, survival), np.array([3.0]), outcome, risk > 0)
    table, notes = measured(external)
    assert not {"subdistribution_ratio", "fine_gray_p", "calibration_slope"} & set(table.index)
    assert "tell no finite ratio of subdistribution hazards" in notes


@pytest.mark.filterwarnings("error")
def test_predictions_that_differ_by_rounding_have_no_slope():
    survival = np.full((N, 2), [0.7, 0.4]) * (1 + 1e-15 * np.arange(N)[:, None])
    table, notes = measured(cohort(survival))
    assert "calibration_slope" not in table.index and "A covariate is the same for everybody" in notes


def test_where_nobody_has_the_event_by_the_horizon_no_interval_is_told():
    table, _ = measured(cohort(time=np.full(N, 12.4), event=np.arange(N) < 30))
    assert table.loc["observed_expected", "value"] == 0
    assert np.isnan(table.loc["observed_expected", ["low", "high"]].to_numpy(float)).all()
