"""Calibration on cohorts whose truth is known, and its bookkeeping by hand."""

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


def test_evenly_spread_survival_is_perfectly_calibrated():
    result = d_calibration(np.linspace(0.005, 0.995, 100), event=np.ones(100, dtype=bool))
    assert (result.chi2, result.p) == (pytest.approx(0), pytest.approx(1))


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


def test_a_group_nobody_of_which_reached_the_horizon_is_empty():
    time, event = np.array([1.0, 2.0, 9.0, 10.0]), np.array([True, False, False, False])
    table = calibration_table(np.array([0.1, 0.2, 0.8, 0.9]), time=time, event=event, horizon=5.0, groups=2)
    assert table["observed"].isna().tolist() == [True, False]
    assert table.loc[1, ["observed", "low", "high"]].tolist() == [1, 1, 1]


def test_calibration_says_why_it_is_not_defined():
    time, event = np.array([1.0, 2.0]), np.array([True, False])
    with pytest.raises(MetricError, match="cannot fill 5 groups"):
        calibration_table(np.array([0.1, 0.2]), time=time, event=event, horizon=1.0)
    with pytest.raises(MetricError, match="Nobody was followed until 3 months"):
        calibration_table(np.array([0.1, 0.2]), time=time, event=event, horizon=3.0, groups=1)
    with pytest.raises(MetricError, match="None of 2 patients had an event"):
        d_calibration(np.array([0.1, 0.2]), event=np.zeros(2, dtype=bool))
    with pytest.raises(MetricError, match=r"must lie in \[0, 1\]"):
        d_calibration(np.array([0.1, 1.2]), event=event)
