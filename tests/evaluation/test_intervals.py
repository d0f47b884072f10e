"""Intervals of survival and bounds on time cover what they say, where the truth is known."""

import numpy as np
import pytest

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.cox import fit_cox
from prognoscope.evaluation.intervals import conformal_level, jackknife_interval, lower_bounds

BETA = np.array([0.8, -0.5])
GROUPS = 5
MONTHS = np.linspace(1, 60, 40)


def drawn(rng: np.random.Generator, patients: int):
    """Covariates, the true time, what was seen of it, and whether the event was seen; hazards of 0.04 a month."""
    values = rng.standard_normal((patients, 2))
    true = rng.exponential(25 * np.exp(-values @ BETA))
    end = rng.exponential(60.0, patients)
    return values, true, np.minimum(true, end), true <= end


def test_the_jackknife_covers_the_true_survival_of_a_model_that_is_right():
    rng, covered = np.random.default_rng(0), []
    new = np.array([[0.0, 0.0], [1.0, -1.0], [-1.0, 0.5]])
    for _ in range(60):
        values, _, time, event = drawn(rng, 200)
        group = np.arange(200) % GROUPS
        fits = [fit_cox(values[group != k], time=time[group != k], event=event[group != k]) for k in range(GROUPS)]
        said = np.stack([[fit.survival_at(new, month) for month in (12.0, 24.0)] for fit in fits]).swapaxes(1, 2)
        low, high = jackknife_interval(said, said.mean(axis=0))
        truth = np.exp(-np.array([12.0, 24.0]) / 25 * np.exp(new @ BETA)[:, None])
        covered.append((low <= truth) & (truth <= high))
    assert 0.91 <= np.mean(covered) <= 0.99


def test_the_jackknife_of_equal_models_is_a_point_and_of_one_unknown():
    said = np.full((4, 2, 1), 0.6)
    low, high = jackknife_interval(said, said[0])
    np.testing.assert_allclose([low, high], 0.6)
    assert all(np.isnan(end).all() for end in jackknife_interval(said[:1], said[0]))
    two = np.array([[[0.5]], [[0.7]]])  # M = 2: the standard error is half the distance
    low, high = jackknife_interval(two, two.mean(axis=0))
    ends = np.log(-np.log(two[:, 0, 0]))
    half = 12.7062047 * abs(ends[0] - ends[1]) / 2
    assert low[0, 0] == pytest.approx(np.exp(-np.exp(np.log(-np.log(0.6)) + half)), abs=1e-6)


@pytest.mark.parametrize("blur", [1.0, 2.5])
def test_the_bound_on_time_is_outlived_by_nine_of_ten_even_by_a_model_that_is_wrong(blur):
    """Held out from 300 patients by a model whose log hazards are too far apart by a factor."""
    rng, shares = np.random.default_rng(1), []

    def curves(values):
        return np.exp(-MONTHS / 25 * np.exp(blur * values @ BETA)[:, None])

    def own(values, time):
        return np.array(
            [np.interp(t, [0, *MONTHS], [1, *curve]) for t, curve in zip(time, curves(values), strict=True)]
        )

    for _ in range(40):
        values, _, time, event = drawn(rng, 300)
        level = conformal_level(own(values, time), time=time, event=event)
        others, true, _, _ = drawn(rng, 500)
        shares.append((true >= lower_bounds(curves(others), MONTHS, level)).mean())
    assert 0.89 <= np.mean(shares) <= 0.94


def test_a_level_is_the_survival_of_the_event_that_would_be_one_too_many():
    survival, event = np.linspace(0.95, 0.05, 19), np.ones(19, dtype=bool)
    # (k + 1) / 20 <= 0.1 holds for k = 1 alone: one event may come before its bound, the second may not
    assert conformal_level(survival, time=np.arange(1.0, 20), event=event, error=0.1) == pytest.approx(0.9)
    assert conformal_level(survival, time=np.arange(1.0, 20), event=event, error=0.01) == 1.0
    with pytest.raises(MetricError, match="None of 19 patients had an event"):
        conformal_level(survival, time=np.arange(1.0, 20), event=~event)


def test_a_bound_is_read_off_the_curve_and_never_beyond_its_end():
    survival = np.array([[0.8, 0.4], [1.0, 0.95], [0.0, 0.0]])
    np.testing.assert_allclose(lower_bounds(survival, np.array([10.0, 20.0]), 0.6), [15.0, 20.0, 4.0])
