"""Tables of metrics with intervals, and paired comparisons."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Prediction
from prognoscope.evaluation import METRICS
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.paired import compare, corrected_t_test, p_of_draws
from prognoscope.evaluation.summary import evaluate

from .cohorts import simulated_folds


def without_events(fold: Fold) -> Fold:
    calm = replace(fold.outcome, event=np.zeros(len(fold), dtype=bool))
    return replace(fold, outcome=calm)


def test_the_table_has_a_row_for_each_metric_and_fold_and_all():
    folds = simulated_folds()
    table = evaluate(folds, draws=50)
    assert list(table.columns) == ["metric", "fold", "value", "low", "high", "sd"]
    assert table["fold"].tolist() == ["0", "1", "2", "3", "4", "all"] * len(METRICS)
    assert table["metric"].unique().tolist() == list(METRICS)
    assert table.attrs["notes"] == []
    c = table[table["metric"] == "c_index"].set_index("fold")
    each = [concordance(f.prediction.risk, time=f.outcome.time, event=f.outcome.event).value for f in folds]
    assert c.loc[["0", "1", "2", "3", "4"], "value"].tolist() == each
    assert c.loc["all", "value"] == pytest.approx(np.mean(each))
    assert c.loc["all", "sd"] == pytest.approx(np.std(each, ddof=0))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.pooled is None])
def test_values_lie_in_their_intervals_and_seeds_repeat(name):
    folds = simulated_folds()
    table = evaluate(folds, metrics=[name], draws=200)
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
    assert table.equals(evaluate(folds, metrics=[name], draws=200))
    assert not table.equals(evaluate(folds, metrics=[name], draws=200, seed=1))
    turned = evaluate(folds[::-1], metrics=[name], draws=200).iloc[[4, 3, 2, 1, 0, 5]].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, turned)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    n, runs, held = 120, 80, 0
    # two independent exponential lives with hazards exp(x): the one with the higher hazard ends first with
    # probability sigmoid(|difference|); the expected C-index of x is the mean of that
    x = np.random.default_rng(99).normal(size=(2, 400_000))
    true_c = (1 / (1 + np.exp(-np.abs(x[0] - x[1])))).mean()
    for run in range(runs):
        folds = simulated_folds(noise=0.0, n=n, k=3, truth_seed=run)
        uncensored = []
        for fold in folds:
            generator = np.random.default_rng((run, fold.fold))
            hazard = np.log(-np.log(fold.prediction.survival[:, 0]))  # x up to a constant
            time = generator.exponential(np.exp(-hazard))
            uncensored.append(
                replace(fold, outcome=replace(fold.outcome, time=time, event=np.ones(len(fold), dtype=bool)))
            )
        row = evaluate(uncensored, metrics=["c_index"], draws=300).query("fold == 'all'").iloc[0]
        held += row["low"] <= true_c <= row["high"]
    assert 0.85 <= held / runs <= 1.0


def test_what_is_not_defined_is_empty_and_its_reason_is_listed():
    folds = simulated_folds()
    broken = Prediction(folds[2].prediction.patients, folds[2].prediction.risk, np.full((30, 4), np.nan))
    folds[2] = replace(folds[2], prediction=broken)
    table = evaluate(folds, metrics=["c_index", "integrated_brier"], draws=20)
    brier = table[table["metric"] == "integrated_brier"].set_index("fold")
    assert np.isnan(brier.loc["2", ["value", "low", "high"]].astype(float)).all()
    defined = brier.loc[["0", "1", "3", "4"], "value"]
    assert brier.loc["all", "value"] == pytest.approx(defined.mean())
    first, second = table.attrs["notes"]
    assert "integrated_brier is not defined. Fold 2: The predicted survival of 30 patients is missing" in first
    assert "over 4 of 5 folds" in second


def test_a_fold_without_events_has_no_c_index_and_says_which():
    folds = simulated_folds()
    folds[3] = without_events(folds[3])
    with pytest.raises(MetricError, match="Fold 3: None of the 30 patients had an event"):
        evaluate(folds)
    table = evaluate(folds, metrics=["auc", "d_calibration_p"], draws=5)
    assert table.set_index(["metric", "fold"])["value"].isna().sum() == 2
    assert any("auc is not defined. Fold 3" in note for note in table.attrs["notes"])


def test_draws_without_an_event_are_counted():
    fold = simulated_folds()[0]
    event = np.zeros(len(fold), dtype=bool)
    event[np.argmin(fold.outcome.time)] = True
    fold = replace(fold, outcome=replace(fold.outcome, event=event))
    table = evaluate([fold], metrics=["c_index"], draws=100)
    (note,) = table.attrs["notes"]
    assert "c_index of fold 0 is not defined in" in note
    assert np.isfinite(table["low"]).all()


def test_metrics_and_folds_are_named_right():
    folds = simulated_folds()
    with pytest.raises(MetricError, match="did you mean 'c_index'"):
        evaluate(folds, metrics=["cindex"])
    with pytest.raises(MetricError, match="no folds"):
        evaluate([])
    with pytest.raises(MetricError, match="appears twice"):
        evaluate([folds[0], folds[0]])


def test_draws_may_be_left_out():
    table = evaluate(simulated_folds(), metrics=["c_index"], draws=0)
    assert table["low"].isna().all()
    assert table["value"].notna().all()


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


def test_p_of_draws_by_hand():
    assert p_of_draws(np.array([0.1, 0.2, 0.3, -0.1])) == pytest.approx(2 * 2 / 5)
    assert p_of_draws(np.ones(999)) == pytest.approx(2 / 1000)
    assert np.isnan(p_of_draws(np.full(3, np.nan)))


def test_patients_held_out_twice_are_noted():
    fold = simulated_folds()[0]
    (note,) = evaluate([fold, replace(fold, fold=9)], metrics=["c_index"], draws=5).attrs["notes"]
    assert "held out in several folds" in note
