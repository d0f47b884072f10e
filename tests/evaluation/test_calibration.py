"""Calibration on cohorts whose truth is known, and its bookkeeping by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.calibration import calibration_table, d_calibration
from prognoscope.evaluation.curves import kaplan_meier


def truth(seed: int, n: int = 400, censored: bool = True):
    """Times, events, and each patient's true chance of outliving any time."""
    generator = np.random.default_rng(seed)
    rate = np.exp(generator.normal(size=n)) / 20
    died = generator.exponential(1 / rate)
    left = generator.exponential(40, n) if censored else np.full(n, np.inf)
    return np.minimum(died, left), died <= left, lambda t: np.exp(-rate * t)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_every_patient_is_shared_out_once(rows):
    survival, event = np.array([s for s, _ in rows]), np.array([e for _, e in rows])
    event[0] = True
    assert d_calibration(survival, event=event).counts.sum() == pytest.approx(len(rows))


def test_shares_by_hand():
    result = d_calibration(np.array([0.05, 0.25, 1.0, 0.0]), event=np.array([True, False, True, False]), bins=10)
    assert result.counts == pytest.approx([1 + 0.4 + 1, 0.4, 0.2, 0, 0, 0, 0, 0, 0, 1])


def test_an_edge_belongs_to_the_interval_above_it_but_for_the_last():
    result = d_calibration(np.array([0.0, 0.25, 0.5, 1.0]), event=np.ones(4, dtype=bool), bins=4)
    assert result.counts.tolist() == [1, 1, 1, 1]
    assert d_calibration(np.full(3, 0.5), event=np.ones(3, dtype=bool), bins=4).counts.tolist() == [0, 0, 3, 0]


def test_the_p_value_has_one_degree_of_freedom_less_than_intervals():
    survival = np.repeat([0.2, 0.8], [30, 10])
    result = d_calibration(survival, event=np.ones(40, dtype=bool), bins=2)
    assert result.statistic == pytest.approx(10)  # (30 - 20)^2 / 20, twice
    assert result.p == pytest.approx(math.erfc(math.sqrt(10 / 2)))  # the square of one normal deviate


def test_evenly_spread_survival_is_perfectly_calibrated():
    result = d_calibration(np.linspace(0.005, 0.995, 100), event=np.ones(100, dtype=bool))
    assert (result.statistic, result.p) == (pytest.approx(0), pytest.approx(1))


def test_the_truth_is_rejected_one_in_twenty_times_and_a_wrong_model_always():
    p = []
    for seed in range(300):
        time, event, survival = truth(seed, censored=False)
        p.append(d_calibration(survival(time), event=event).p)
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09
    time, event, survival = truth(0)
    assert d_calibration(survival(time), event=event).p > 0.01
    assert d_calibration(survival(time) ** 0.3, event=event).p < 1e-6


def test_the_table_of_a_true_model_holds_its_predictions():
    time, event, survival = truth(1, n=2000)
    table = calibration_table(survival(12.0), time=time, event=event, horizon=12.0)
    assert table["patients"].tolist() == [400] * 5
    assert table["predicted"].is_monotonic_increasing
    assert ((table["low"] <= table["predicted"]) & (table["predicted"] <= table["high"])).sum() >= 4
    assert table["events"].sum() == (event & (time <= 12)).sum()


def test_a_group_of_the_table_is_its_kaplan_meier_curve():
    time, event, survival = truth(2, n=50)
    one = calibration_table(survival(5.0), time=time, event=event, horizon=5.0, groups=1).iloc[0]
    curve = kaplan_meier(time=time, event=event)
    assert one["observed"] == curve.at(np.array([5.0]))[0]


@pytest.mark.parametrize(("horizon", "observed"), [(0.5, 1.0), (1.0, 0.75), (1.5, 0.75), (2.0, 0.5), (4.0, 0.0)])
def test_what_was_observed_steps_down_at_each_event_until_the_last_time(horizon, observed):
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, dtype=bool)
    one = calibration_table(np.full(4, 0.5), time=time, event=event, horizon=horizon, groups=1).iloc[0]
    assert one["observed"] == pytest.approx(observed, abs=1e-12)
    assert one["events"] == 4 * (1 - observed)


def test_there_may_be_as_many_groups_as_patients():
    time, event = np.array([1.0, 2.0, 3.0]), np.array([True, True, False])
    table = calibration_table(np.array([0.2, 0.9, 0.5]), time=time, event=event, horizon=2.0, groups=3)
    assert table["predicted"].tolist() == [0.2, 0.5, 0.9]
    assert table["observed"].tolist() == [0, 1, 0]


def test_a_group_nobody_of_which_reached_the_horizon_is_empty():
    time, event = np.array([1.0, 2.0, 9.0, 10.0]), np.array([True, False, False, False])
    table = calibration_table(np.array([0.1, 0.2, 0.8, 0.9]), time=time, event=event, horizon=5.0, groups=2)
    assert table["observed"].isna().tolist() == [True, False]
    assert table.loc[1, ["observed", "low", "high"]].tolist() == [1, 1, 1]


def test_a_group_followed_exactly_to_the_horizon_is_not_empty_and_neither_is_one_that_died_out():
    time, event = np.array([1.0, 2.0, 4.0, 5.0, 6.0, 9.0]), np.array([True, True, True, False, False, False])
    table = calibration_table(np.array([0.1, 0.2, 0.5, 0.6, 0.8, 0.9]), time=time, event=event, horizon=5.0, groups=3)
    assert table["observed"].tolist() == [0, 0.5, 1]
    assert table["events"].tolist() == [2, 1, 0]


def test_calibration_says_why_it_is_not_defined():
    time, event = np.array([1.0, 2.0]), np.array([True, False])
    with pytest.raises(MetricError, match="cannot fill 5 groups"):
        calibration_table(np.array([0.1, 0.2]), time=time, event=event, horizon=1.0)
    with pytest.raises(MetricError, match="Nobody was followed until 3 months"):
        calibration_table(np.array([0.1, 0.2]), time=time, event=event, horizon=3.0, groups=1)
    with pytest.raises(MetricError, match="None of 2 patients had an event"):
        d_calibration(np.array([0.1, 0.2]), event=np.zeros(2, dtype=bool))
    for outside in (1.2, -0.1):
        with pytest.raises(MetricError, match=r"must lie in \[0, 1\]"):
            d_calibration(np.array([0.1, outside]), event=event)
