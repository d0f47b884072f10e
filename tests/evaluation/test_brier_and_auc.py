"""Brier scores and AUCs against scikit-survival, closed forms and laws."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.auc import cumulative_dynamic_auc
from prognoscope.evaluation.brier import integrate
from tests.evaluation.papers import brier_score

from .cohorts import FollowUp, follow_ups, outcome, risks


@st.composite
def settings(draw):
    """Train, test, and times at which everything is defined, to the last training time."""
    train, test = draw(follow_ups(8)), draw(follow_ups(6))
    limit = train.time.max()
    capped = FollowUp(np.minimum(test.time, limit), test.event)
    first, last = capped.time.min(), capped.time.max()
    shares = sorted(set(draw(st.lists(st.sampled_from(np.linspace(0, 0.95, 20).tolist()), min_size=2, max_size=6))))
    # between the thousandths that patients' times are, for the reason given there
    times = np.unique((first + np.array(shares) * (last - first)).round(3) + 0.0004)
    times = times[times < last]
    assume(len(times) > 1)
    return train, capped, times


def both(train, test):
    from sksurv.util import Surv

    return Surv.from_arrays(train.event, train.time), Surv.from_arrays(test.event, test.time)


@given(data=st.data(), case=settings())
def test_brier_scores_are_those_of_scikit_survival(data, case):
    metrics = pytest.importorskip("sksurv.metrics")
    train, test, times = case
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    survival = -np.sort(-generator.random((len(test), len(times))), axis=1)
    known = {"time": test.time, "event": test.event, "train": train.outcome("T")}
    try:
        ours = brier_score(survival, times, **known)
    except MetricError:
        return
    theirs = metrics.brier_score(*both(train, test), survival, times)[1]
    assert np.abs(ours - theirs).max() <= 1e-8
    integral = metrics.integrated_brier_score(*both(train, test), survival, times)
    assert integrate(brier_score(survival, times, **known), times) == pytest.approx(integral, abs=1e-8)


@given(data=st.data(), case=settings(), over_time=st.booleans())
def test_auc_is_that_of_scikit_survival(data, case, over_time):
    metrics = pytest.importorskip("sksurv.metrics")
    train, test, times = case
    columns = [data.draw(risks(len(test))) for _ in (times if over_time else [0])]
    risk = np.column_stack(columns) if over_time else columns[0]
    try:
        ours = cumulative_dynamic_auc(risk, times, time=test.time, event=test.event, train=train.outcome("T"))
    except MetricError:
        return
    try:
        auc, mean = metrics.cumulative_dynamic_auc(*both(train, test), risk, times)
    except ValueError:  # it also wants weights of events after the last of the times
        return
    assert np.abs(ours.auc - auc).max() <= 1e-8
    assert ours.mean == pytest.approx(mean, abs=1e-8)


def test_libraries_agree_on_a_cohort_of_a_usual_size():
    metrics = pytest.importorskip("sksurv.metrics")
    generator = np.random.default_rng(4)
    time, event = generator.exponential(30, 500).round(1), generator.random(500) < 0.6
    train, test = outcome(time[:400], event[:400], "T"), outcome(np.minimum(time[400:], time[:400].max()), event[400:])
    times = np.linspace(*np.percentile(test.time, [10, 80]), 20)
    risk, known = generator.normal(size=100), {"time": test.time, "event": test.event, "train": train}
    survival = np.exp(-np.outer(np.exp(risk), times / 40))
    for ours, theirs in [
        (brier_score(survival, times, **known), metrics.brier_score(*both(train, test), survival, times)[1]),
        (
            cumulative_dynamic_auc(1 - survival, times, **known).auc,
            metrics.cumulative_dynamic_auc(*both(train, test), 1 - survival, times)[0],
        ),
    ]:
        assert np.abs(ours - theirs).max() <= 1e-10


def test_brier_score_of_one_half_for_everybody_is_a_quarter():
    test = outcome(np.arange(1.0, 9.0), np.ones(8, dtype=bool))
    half = np.full((8, 3), 0.5)
    scores = brier_score(half, np.array([2.0, 3.0, 5.0]), time=test.time, event=test.event, train=test)
    assert scores == pytest.approx(0.25)


def test_brier_score_of_an_oracle_is_zero_and_its_auc_is_one():
    time = np.arange(1.0, 9.0)
    test, times = outcome(time, np.ones(8, dtype=bool)), np.array([2.0, 4.5])
    known = {"time": time, "event": test.event, "train": test}
    assert integrate(brier_score((time[:, None] > times) * 1.0, times, **known), times) == 0
    assert cumulative_dynamic_auc(-time, times, **known).mean == 1
    assert cumulative_dynamic_auc(time, times, **known).mean == 0
    assert cumulative_dynamic_auc(np.zeros(8), times, **known).mean == 0.5


def test_the_first_test_time_is_a_time_to_evaluate_at():
    test = outcome([1.0, 3.0, 4.0], [True, True, False])
    known = {"time": test.time, "event": test.event, "train": test}
    scores = brier_score(np.full((3, 2), 0.5), np.array([1.0, 3.0]), **known)
    assert scores == pytest.approx(0.25)
    with pytest.raises(MetricError, match="from 1 to below 4"):
        brier_score(np.full((3, 2), 0.5), np.array([0.9, 3.0]), **known)


def test_an_event_at_the_time_itself_is_a_case_and_no_control():
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, dtype=bool)
    known = {"time": time, "event": event, "train": outcome(time, event)}
    risk = np.array([4.0, 1.0, 2.0, 3.0])  # the first of the two cases is above both controls, the second below
    assert cumulative_dynamic_auc(risk, np.array([2.0]), **known).auc == pytest.approx([0.5])


def test_one_case_and_one_control_are_enough():
    time, event = np.array([1.0, 2.0]), np.array([True, True])
    known = {"time": time, "event": event, "train": outcome(time, event)}
    assert cumulative_dynamic_auc(np.array([2.0, 1.0]), np.array([1.5]), **known).auc.tolist() == [1]


def test_what_is_not_defined_says_why():
    test = outcome([1.0, 3.0, 4.0, 9.0], [False, True, True, False])
    known = {"time": test.time, "event": test.event, "train": test}
    with pytest.raises(MetricError, match=r"must lie within the test patients' times, from 1 to below 9"):
        cumulative_dynamic_auc(np.zeros(4), np.array([2.0, 9.0]), **known)
    with pytest.raises(MetricError, match="No event was observed until 2 months"):
        cumulative_dynamic_auc(np.zeros(4), np.array([2.0, 5.0]), **known)
    with pytest.raises(MetricError, match=r"Risks of shape \(4, 3\) do not fit 2 times"):
        cumulative_dynamic_auc(np.zeros((4, 3)), np.array([3.0, 5.0]), **known)
    with pytest.raises(MetricError, match="at least two times"):
        integrate(brier_score(np.zeros((4, 1)), np.array([2.0]), **known), np.array([2.0]))
    with pytest.raises(MetricError, match="ascend"):
        brier_score(np.zeros((4, 2)), np.array([5.0, 2.0]), **known)
    short = outcome([1.0, 2.0], [True, False], "T")
    with pytest.raises(MetricError, match="beyond the last training time|censored by"):
        brier_score(np.zeros((4, 2)), np.array([2.0, 5.0]), **{**known, "train": short})
