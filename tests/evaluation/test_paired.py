"""Two methods on the same patients: laws, closed forms, and how often equal ones are told apart."""

import warnings

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from prognoscope.core.errors import MetricError
from prognoscope.evaluation import METRICS
from prognoscope.evaluation.bootstrap import draw_counts
from prognoscope.evaluation.paired import Measured, compare, corrected_t_test, measure, p_of_draws
from prognoscope.evaluation.summary import evaluate, find_metric

from .cohorts import simulated_folds, without_events


@pytest.mark.parametrize("metric", ["c_index", "c_index_ipcw", "integrated_brier", "auc"])
def test_comparing_the_other_way_round_mirrors_everything(metric):
    a, b = simulated_folds(noise=0.5), simulated_folds(noise=1.5, seed=5)
    ahead, back = compare(a, b, metric=metric, draws=300), compare(b, a, metric=metric, draws=300)
    assert ahead.difference == pytest.approx(-back.difference)
    assert (ahead.low, ahead.high) == pytest.approx((-back.high, -back.low))
    assert (ahead.p_bootstrap, ahead.p_t) == pytest.approx((back.p_bootstrap, back.p_t))
    assert ahead.low < ahead.difference < ahead.high
    assert (ahead.difference > 0) == METRICS[metric].higher_is_better


def test_the_difference_is_that_of_the_means():
    a, b = simulated_folds(noise=0.5), simulated_folds(noise=2.0, seed=3)
    means = [evaluate(folds, metrics=["c_index"], draws=0).query("fold == 'all'")["value"].item() for folds in (a, b)]
    result = compare(a, b, draws=100)
    assert result.difference == pytest.approx(means[0] - means[1])
    assert result.p_bootstrap < 0.05


def test_a_method_does_not_differ_from_itself():
    folds = simulated_folds()
    result = compare(folds, folds, draws=100)
    assert (result.difference, result.low, result.high, result.p_bootstrap, result.p_t) == (0, 0, 0, 1, 1)


def test_patients_in_another_order_are_put_in_order():
    a, b = simulated_folds(noise=0.5), simulated_folds(noise=2.0, seed=3)
    mixed = [fold.take(np.random.default_rng(0).permutation(len(fold))) for fold in b][::-1]
    assert compare(a, mixed, draws=100) == compare(a, b, draws=100)


def test_several_trainings_are_averaged_fold_by_fold_and_draw_by_draw():
    trainings = [simulated_folds(noise=noise, k=4, seed=seed) for seed, noise in ((0, 0.5), (3, 2.0))]
    each = [measure([folds], metric="c_index", draws=20) for folds in trainings]
    both = measure(trainings, metric="c_index", draws=20)
    assert both.values == pytest.approx((each[0].values + each[1].values) / 2)
    assert both.drawn == pytest.approx((each[0].drawn + each[1].drawn) / 2)
    sorted_ = [fold.take(np.argsort(fold.outcome.patients)) for fold in trainings[0]]  # draws are of patients by name
    by_hand = [find_metric("c_index").of_draws(fold, draw_counts(fold, 20, 0)) for fold in sorted_]
    assert each[0].drawn == pytest.approx(np.mean(by_hand, axis=0))
    assert both.test_to_train == pytest.approx(2 * (37 / 113 + 38 / 112) / 4)  # 150 patients in four folds


def test_a_comparison_has_a_thousand_draws_of_one_seed_unless_told_otherwise():
    folds = simulated_folds(k=2, n=40)
    usual = measure([folds], metric="c_index")
    assert np.array_equal(usual.drawn, measure([folds], metric="c_index", draws=1000, seed=0).drawn)
    rival = simulated_folds(k=2, n=40, seed=4)
    assert compare(folds, rival) == compare(folds, rival, metric="c_index", draws=1000, seed=0)
    assert len(measure([folds], metric="c_index", draws=1).drawn) == 1
    with pytest.raises(MetricError, match="needs bootstrap draws, not 0"):
        measure([folds], metric="c_index", draws=0)


def test_the_deviation_over_folds_is_of_those_there_are_unless_told_otherwise():
    measured = Measured(np.array([1.0, 3.0]), np.zeros(1))
    assert (measured.mean, measured.sd(), measured.sd(ddof=1)) == (2, 1, pytest.approx(np.sqrt(2)))
    alone = Measured(np.array([1.0]), np.zeros(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert alone.sd() == 0 and np.isnan(alone.sd(ddof=1))


def test_other_folds_patients_or_outcomes_are_refused():
    a, b = simulated_folds(), simulated_folds(seed=3)
    with pytest.raises(MetricError, match="Only one of the two methods has fold 4"):
        compare(a, b[:4])
    with pytest.raises(MetricError, match="Fold 0 has other patients"):
        compare(a, [b[0].take(np.arange(29)), *b[1:]])
    with pytest.raises(MetricError, match="Fold 0: the outcome differs"):
        compare(a, [without_events(b[0]), *b[1:]])
    with pytest.raises(MetricError, match="d_calibration_p has no mean over folds"):
        compare(a, b, metric="d_calibration_p")


def test_equal_methods_are_told_apart_one_in_twenty_times():
    apart = [
        compare(*(simulated_folds(truth_seed=run, seed=seed, noise=1.0) for seed in (1, 2)), draws=200)
        for run in range(100)
    ]
    assert np.mean([result.p_bootstrap < 0.05 for result in apart]) <= 0.13
    assert np.mean([result.p_t < 0.05 for result in apart]) <= 0.13


def test_the_t_test_is_students_but_for_its_variance():
    differences = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
    assert corrected_t_test(differences, test_to_train=0.0) == pytest.approx(ttest_1samp(differences, 0).pvalue)
    assert corrected_t_test(differences, test_to_train=0.25) > corrected_t_test(differences, test_to_train=0.0)
    assert np.isnan(corrected_t_test(differences[:1], test_to_train=0.25))
    assert corrected_t_test(np.full(5, 0.1), test_to_train=0.25) == 0.0


def test_two_folds_are_enough_for_a_t_test_whose_p_value_is_an_arc():
    t = 0.04 / np.sqrt((1 / 2 + 0.25) * 0.0002)  # the mean of 0.03 and 0.05, whose variance is 0.0002
    expected = 1 - 2 / np.pi * np.arctan(t)  # one degree of freedom is Cauchy's distribution
    assert corrected_t_test(np.array([0.03, 0.05]), test_to_train=0.25) == pytest.approx(expected)


def test_differences_that_rounding_alone_tells_apart_are_equal_and_others_are_not():
    rounded = np.array([0.1 + 0.2, 0.3, 0.3, 0.3])
    assert rounded.var() > 0 and corrected_t_test(rounded, test_to_train=0.25) == 0.0
    apart = 0.1 + 1e-9 * np.arange(5)
    assert 0 < corrected_t_test(apart, test_to_train=0.25) < 1e-20


def test_p_of_draws_by_hand():
    assert p_of_draws(np.array([0.1, 0.2, 0.3, -0.1])) == pytest.approx(2 * 2 / 5)
    assert p_of_draws(np.ones(999)) == pytest.approx(2 / 1000)
    assert np.isnan(p_of_draws(np.full(3, np.nan)))
