"""Draws of patients and the intervals that they give: 95 %, no more and no less, everywhere."""

import numpy as np
import pytest
from scipy.stats import norm

from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.calibration import calibration_table
from prognoscope.evaluation.curves import kaplan_meier
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.group_tests import hazard_ratio
from prognoscope.evaluation.optimism import noise_choice
from prognoscope.evaluation.paired import Measured, difference
from prognoscope.evaluation.summary import evaluate

from .cohorts import simulated_folds


def test_an_interval_leaves_one_in_forty_out_on_either_side():
    values = np.arange(1001.0)
    assert percentile_interval(np.random.default_rng(0).permutation(values)) == pytest.approx((25, 975))
    assert percentile_interval(np.append(values, np.nan)) == pytest.approx(
        (25, 975)
    )  # a draw that is not defined is no draw
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


def test_every_table_of_intervals_has_those_of_its_draws():
    folds = simulated_folds(k=2)
    draws = [draw_counts(fold, 400, seed=5) for fold in folds]
    table = evaluate(folds, metrics=["c_index"], draws=400, seed=5).set_index("fold")
    drawn = [_c_index_of(fold, counts) for fold, counts in zip(folds, draws, strict=True)]
    for name, values in (("0", drawn[0]), ("1", drawn[1]), ("all", np.mean(drawn, axis=0))):
        expected = np.quantile(values, [0.025, 0.975])
        assert table.loc[name, ["low", "high"]].to_numpy(float) == pytest.approx(expected, abs=1e-12)


def _c_index_of(fold: Fold, counts: np.ndarray) -> np.ndarray:
    """By the pairs of a list in which each patient stands as often as drawn."""
    values = []
    for count in counts:
        at = np.repeat(np.arange(len(fold)), count)
        time, event, risk = fold.outcome.time[at], fold.outcome.event[at], fold.prediction.risk[at]
        earlier = event[:, None] & ((time[:, None] < time) | ((time[:, None] == time) & ~event))
        ahead = risk[:, None] - risk
        values.append(((ahead > 1e-8) + 0.5 * (np.abs(ahead) <= 1e-8))[earlier].mean())
    return np.array(values)


def test_differences_and_noise_have_intervals_of_95_percent():
    drawn = np.random.default_rng(1).normal(size=2000)
    a, b = Measured(np.ones(3), drawn, 0.25), Measured(np.zeros(3), np.zeros(2000), 0.25)
    expected = tuple(np.quantile(drawn, [0.025, 0.975]))
    assert a.interval == pytest.approx(expected)
    found = difference(a, b)
    assert (found.low, found.high) == pytest.approx(expected)
    noise = noise_choice([drawn[:, None]])
    assert (noise.low, noise.high) == pytest.approx(expected)


def test_intervals_by_formula_are_of_95_percent_too():
    time, event = np.arange(1.0, 41.0), np.ones(40, dtype=bool)
    curve = kaplan_meier(time=time, event=event)
    survival = 0.5
    at = int(np.flatnonzero(np.isclose(curve.survival, survival))[0])
    variance = sum(1 / (n * (n - 1)) for n in range(21, 41))  # Greenwood's sum
    half = norm.ppf(0.975) * np.sqrt(variance) / abs(np.log(survival))
    assert (curve.low[at], curve.high[at]) == pytest.approx([survival ** np.exp(s * half) for s in (1, -1)])
    table = calibration_table(np.full(40, 0.5), time=time, event=event, horizon=20.0, groups=1)
    assert table[["low", "high"]].to_numpy(float)[0] == pytest.approx([curve.low[at], curve.high[at]])
    ratio = hazard_ratio(np.arange(40) % 3 == 0, time=time, event=event)
    assert np.log(ratio.high / ratio.low) == pytest.approx(2 * norm.ppf(0.975) * _standard_error(time), rel=1e-6)


def _standard_error(time: np.ndarray) -> float:
    """Of the log hazard ratio of every third patient, all with events at times of their own, by its information."""
    is_high = (np.arange(len(time)) % 3 == 0).astype(float)

    def score(beta: float) -> tuple[float, float]:
        weight = np.exp(beta * is_high)
        share = np.array([(weight * is_high)[i:].sum() / weight[i:].sum() for i in range(len(time))])
        return float((is_high - share).sum()), float((share * (1 - share)).sum())

    beta = 0.0
    for _ in range(50):
        gradient, information = score(beta)
        beta += gradient / information
    return float(1 / np.sqrt(score(beta)[1]))


def test_draws_depend_on_seed_and_fold_and_keep_the_number_of_patients():
    one, other = simulated_folds(k=2)
    counts = draw_counts(one, 50, seed=3)
    assert (counts.sum(axis=1) == len(one)).all() and (counts == draw_counts(one, 50, seed=3)).all()
    assert (counts != draw_counts(one, 50, seed=4)).any() and (counts != draw_counts(other, 50, seed=3)).any()
    assert counts.mean() == 1 and isinstance(one.outcome, Outcome)
