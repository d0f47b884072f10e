"""Risk groups, and the tests between them, against lifelines, scikit-survival, scipy and closed forms."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.fold import pool
from prognoscope.evaluation.group_tests import hazard_ratio, log_rank
from prognoscope.evaluation.mean_tests import t_test_risk_by_time, t_test_time_by_risk
from prognoscope.evaluation.risk_groups import split_by_risk
from tests.evaluation.papers import risk_groups, split_by_survival_mid

from .cohorts import follow_ups, simulated_folds


@given(data=st.data(), o=follow_ups(8), groups=st.integers(2, 4))
def test_log_rank_is_that_of_two_libraries(data, o, groups):
    compare = pytest.importorskip("sksurv.compare")
    from lifelines.statistics import multivariate_logrank_test
    from sksurv.util import Surv

    group = np.array(data.draw(st.lists(st.integers(0, groups - 1), min_size=len(o), max_size=len(o))))
    try:
        ours = log_rank(group, time=o.time, event=o.event)
    except MetricError:
        return
    chi2, p = compare.compare_survival(Surv.from_arrays(o.event, o.time), group)
    assert ours.statistic == pytest.approx(chi2, rel=1e-6, abs=1e-9)
    assert ours.p == pytest.approx(p, rel=1e-6)
    theirs = multivariate_logrank_test(o.time, group, o.event)
    assert ours.statistic == pytest.approx(theirs.test_statistic, rel=1e-6, abs=1e-9)


def test_log_rank_of_a_usual_size_to_nine_digits():
    from lifelines.statistics import logrank_test

    generator = np.random.default_rng(1)
    time, event = generator.exponential(20, 400).round(1), generator.random(400) < 0.5
    high = generator.random(400) < 0.5
    time[high] *= 0.4
    theirs = logrank_test(time[high], time[~high], event[high], event[~high])
    assert log_rank(high, time=time, event=event).p == pytest.approx(theirs.p_value, rel=1e-9)


@given(o=follow_ups(8), seed=st.integers(0, 99))
def test_log_rank_does_not_care_for_the_names_of_groups(o, seed):
    high = np.random.default_rng(seed).random(len(o)) < 0.5
    try:
        ours = log_rank(high, time=o.time, event=o.event)
    except MetricError:
        return
    named = log_rank(np.where(high, "a", "b"), time=o.time, event=o.event)
    assert named.statistic == pytest.approx(ours.statistic, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("decimals", [0, 6])
def test_hazard_ratio_is_that_of_lifelines(decimals):
    from lifelines import CoxPHFitter

    generator = np.random.default_rng(2)
    high = generator.random(200) < 0.4
    died = generator.exponential(np.where(high, 8, 20)).round(decimals)
    left = generator.exponential(30, 200).round(decimals)
    time, event = np.minimum(died, left), died <= left
    theirs = CoxPHFitter().fit(pd.DataFrame({"t": time, "e": event, "high": high.astype(float)}), "t", "e").summary
    ours = hazard_ratio(high, time=time, event=event)
    columns = ["exp(coef)", "exp(coef) lower 95%", "exp(coef) upper 95%"]
    assert (ours.value, ours.low, ours.high) == pytest.approx(theirs.loc["high", columns].tolist(), rel=1e-6)


def test_one_event_in_either_group_is_enough_for_a_hazard_ratio():
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False])
    ratio = hazard_ratio(np.array([True, False, True, False]), time=time, event=event)
    # one of 2 + 2 at risk dies high, then one of 1 + 2 low: 1 / (1 + r) = r / (r + 2)
    assert ratio.value == pytest.approx(np.sqrt(2))


@given(o=follow_ups(6), seed=st.integers(0, 99))
def test_hazard_ratio_turns_over_with_the_groups(o, seed):
    high = np.random.default_rng(seed).random(len(o)) < 0.5
    try:
        ours = hazard_ratio(high, time=o.time, event=o.event)
    except MetricError:
        return
    turned = hazard_ratio(~high, time=o.time, event=o.event)
    assert turned.value * ours.value == pytest.approx(1, rel=1e-6)
    assert turned.low * ours.high == pytest.approx(1, rel=1e-6)


def test_t_tests_are_those_of_scipy_with_the_sign_that_makes_sense():
    generator = np.random.default_rng(3)
    risk, time = generator.normal(size=90), generator.exponential(20, 90)
    time[risk > 0] *= 0.5
    high = split_by_risk(risk)
    assert t_test_time_by_risk(high, time=time).statistic > 0
    assert t_test_risk_by_time(risk, time=time).statistic > 0
    from scipy.stats import ttest_ind

    welch = ttest_ind(time[~high], time[high], equal_var=False)
    assert t_test_time_by_risk(high, time=time, welch=True).p == welch.pvalue


def test_groups_are_halves_and_ties_at_the_cut_are_high():
    assert split_by_risk(np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [False, False, True, True]
    assert split_by_risk(np.array([1.0, 2.0, 2.0, 2.0])).tolist() == [False, True, True, True]
    assert split_by_risk(np.array([1.0, 2.0, 3.0]), cut=2.5).tolist() == [False, False, True]
    survival = np.array([[0.9, 0.8, 0.1, 0.1], [0.9, 0.2, 0.1, 0.1]])
    assert split_by_survival_mid(survival).tolist() == [False, True]


def test_a_constant_risk_makes_no_groups():
    with pytest.raises(MetricError, match="All 3 patients are at high risk by their risk, from 1 to 1"):
        split_by_risk(np.ones(3))
    with pytest.raises(MetricError, match="at low risk"):
        split_by_risk(np.ones(3), cut=2.0)


def test_groups_of_folds_by_each_rule():
    folds = simulated_folds()
    prediction, outcome = pool(folds)
    assert np.array_equal(risk_groups(folds), split_by_risk(prediction.risk))
    middle = risk_groups(folds, split="median_survival_mid")
    assert middle.sum() == len(outcome) // 2
    cuts = {fold.fold: np.array([-2.0, -1.5, -1.0]) for fold in folds}
    assert np.array_equal(risk_groups(folds, cut_from="train", train=cuts), prediction.risk >= -1.5)
    with pytest.raises(MetricError, match="Fold 0 has no predictions of its training patients"):
        risk_groups(folds, cut_from="train")


def test_tests_between_groups_say_why_they_are_not_defined():
    time, event = np.array([1.0, 2.0, 3.0]), np.array([True, True, False])
    with pytest.raises(MetricError, match="one group"):
        log_rank(np.zeros(3), time=time, event=event)
    with pytest.raises(MetricError, match="None of the 3 patients had an event"):
        log_rank(np.arange(3), time=time, event=np.zeros(3, dtype=bool))
    with pytest.raises(MetricError, match="cannot be told apart"):
        log_rank(np.array([0, 1, 1]), time=np.array([1.0, 2.0, 3.0]), event=np.array([False, True, False]))
    with pytest.raises(MetricError, match="0 or infinite"):
        hazard_ratio(np.array([True, True, False]), time=time, event=event)
    with pytest.raises(MetricError, match="1 and 2"):
        t_test_time_by_risk(np.array([True, True, False]), time=time)
    with pytest.raises(MetricError, match="all values are equal"):
        t_test_risk_by_time(np.ones(4), time=np.arange(4.0))


def test_under_no_difference_log_rank_rejects_one_in_twenty():
    generator = np.random.default_rng(7)
    p = []
    for _ in range(400):
        time, event = generator.exponential(size=60), generator.random(60) < 0.6
        p.append(log_rank(generator.permutation(60) < 30, time=time, event=event).p)
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09


def test_extreme_ratios_do_not_warn():
    time = np.arange(1.0, 41.0)
    high = time <= 20
    high[19:21] = False, True  # all but complete separation
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ratio = hazard_ratio(high, time=time, event=np.ones(40, dtype=bool))
    assert ratio.value > 10
