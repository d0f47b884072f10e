"""Kaplan-Meier curves, bands and medians against lifelines and scikit-survival, and closed forms."""

import numpy as np
import pytest
from hypothesis import given

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.curves import censoring_curve, kaplan_meier, median_survival

from .cohorts import follow_ups, outcome


@given(o=follow_ups())
def test_curve_and_band_are_those_of_scikit_survival(o):
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    time, survival, band = nonparametric.kaplan_meier_estimator(o.event, o.time, conf_type="log-log")
    ours = kaplan_meier(time=o.time, event=o.event)
    assert np.array_equal(ours.time, time)
    assert np.abs(ours.survival - survival).max() <= 1e-12
    assert np.abs(np.stack([ours.low, ours.high]) - band).max() <= 1e-8


@given(o=follow_ups())
def test_curve_counts_and_median_are_those_of_lifelines(o):
    from lifelines import KaplanMeierFitter

    theirs = KaplanMeierFitter().fit(o.time, o.event)
    ours = kaplan_meier(time=o.time, event=o.event)
    table = theirs.event_table.loc[ours.time]
    # lifelines adds a row for time 0, in which the patients enter
    assert np.array_equal(ours.events, table["observed"])
    assert np.array_equal(ours.censored, table["censored"])
    assert np.array_equal(ours.at_risk[ours.time > 0], table["at_risk"][ours.time > 0])
    assert ours.survival == pytest.approx(theirs.survival_function_["KM_estimate"].loc[ours.time].to_numpy(), abs=1e-12)
    if not np.any(np.abs(ours.survival - 0.5) < 1e-12):  # there rounding decides in either
        assert median_survival(ours).value == theirs.median_survival_time_


@given(o=follow_ups())
def test_censoring_curve_is_that_of_scikit_survival(o):
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    from sksurv.util import Surv

    theirs = nonparametric.CensoringDistributionEstimator().fit(Surv.from_arrays(o.event, o.time))
    times = np.minimum(np.concatenate([[0.0], o.time, o.time + 0.0005]), o.time.max())
    assert np.abs(censoring_curve(o.outcome()).at(times) - theirs.predict_proba(times)).max() <= 1e-12


@given(o=follow_ups())
def test_curves_fall_within_their_bands(o):
    curve = kaplan_meier(time=o.time, event=o.event)
    assert np.all(np.diff(curve.survival) <= 0)
    assert np.all((curve.low <= curve.survival) & (curve.survival <= curve.high))
    assert curve.at_risk[0] == len(o) == curve.events.sum() + curve.censored.sum()


def test_without_censoring_the_curve_is_the_share_still_alive():
    time = np.array([3.0, 1.0, 2.0, 2.0])
    curve = kaplan_meier(time=time, event=np.ones(4, dtype=bool))
    assert curve.at(np.array([0.0, 1.0, 1.9, 2.0, 3.0, 9.0])) == pytest.approx([1, 0.75, 0.75, 0.25, 0, 0])
    assert (curve.time.tolist(), curve.at_risk.tolist()) == ([1.0, 2.0, 3.0], [4, 3, 1])
    assert median_survival(curve).value == 2.0


def test_a_median_is_reached_where_exactly_half_are_left():
    curve = kaplan_meier(time=np.array([1.0, 2.0]), event=np.array([True, False]))
    assert curve.survival.tolist() == [0.5, 0.5]
    assert median_survival(curve).value == 1.0


def test_weights_end_with_the_last_training_time_or_with_the_last_who_was_not_censored():
    known, gone = outcome([1.0, 2.0, 3.0], [False, False, True]), outcome([1.0, 3.0], [True, False])
    assert censoring_curve(known).weights(np.array([0.5, 1.0, 3.0])) == pytest.approx([1, 1.5, 3])
    with pytest.raises(MetricError, match="4 lies beyond the last training time, 3 months"):
        censoring_curve(known).weights(np.array([2.0, 4.0]))
    with pytest.raises(MetricError, match="Every training patient is censored by 4 months"):
        censoring_curve(gone).weights(np.array([2.0, 4.0]))


def test_a_median_that_is_not_reached_is_infinite():
    median = median_survival(kaplan_meier(time=np.array([1.0, 2.0, 3.0]), event=np.array([True, False, False])))
    assert median.value == np.inf
    assert median.high == np.inf


def test_the_interval_of_the_median_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        died, left = generator.exponential(10, 80), generator.exponential(30, 80)
        median = median_survival(kaplan_meier(time=np.minimum(died, left), event=died <= left))
        held += median.low <= 10 * np.log(2) <= median.high
    assert 0.92 <= held / 300 <= 0.99


def test_curves_need_patients():
    with pytest.raises(MetricError, match="no patients"):
        kaplan_meier(time=np.zeros(0), event=np.zeros(0, dtype=bool))
    with pytest.raises(MetricError, match="positions 1"):
        kaplan_meier(time=np.array([1.0, np.inf]), event=np.ones(2, dtype=bool))
    assert censoring_curve(outcome([1.0], [True])).at(np.array([0.0, 2.0])).tolist() == [1.0, 1.0]
