"""Marks of a table follow the paired intervals."""

import numpy as np
import pytest

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.paired import Measured, difference, measure
from prognoscope.evaluation.ranking import marks, mean_over_cohorts


def known(mean: float, spread: float = 0.001, seed: int = 0) -> Measured:
    draws = np.random.default_rng(seed).normal(mean, spread, 400)
    return Measured(np.array([mean - 0.01, mean + 0.01]), draws, 0.25)


def test_a_rival_whose_interval_reaches_zero_takes_the_mark_away():
    clear = {"a": known(0.7), "b": known(0.6, seed=1), "c": known(0.5, seed=2)}
    assert marks(clear, metric="c_index") == {"a": "best", "b": "second"}
    assert marks(clear, metric="integrated_brier") == {"c": "best", "b": "second"}
    assert marks(clear | {"d": known(0.69, 0.05, seed=3)}, metric="c_index") == {}
    assert marks(clear | {"d": known(0.6, seed=3)}, metric="c_index") == {"a": "best"}
    assert marks({"a": known(0.7)}, metric="c_index") == {}


def test_a_flattered_number_is_marked_only_among_its_like():
    both = {"a": known(0.7), "b": known(0.6, seed=1)}
    assert marks(both, metric="c_index", flattered=frozenset("a")) == {}
    assert marks(both, metric="c_index", flattered=frozenset("ab")) == {"a": "best"}
    assert marks(both, metric="c_index", flattered=frozenset("b")) == {"a": "best"}


def test_a_mean_over_cohorts_is_a_mean_of_means_and_has_no_test_over_folds():
    one, other = known(0.7), known(0.5, seed=1)
    both = mean_over_cohorts([one, other])
    assert both.mean == pytest.approx(0.6) and both.drawn == pytest.approx((one.drawn + other.drawn) / 2)
    assert np.isnan(difference(both, both).p_t)
    assert np.isnan(Measured(np.array([0.5]), one.drawn).sd(ddof=1))


def test_what_has_no_mean_over_folds_is_refused():
    with pytest.raises(MetricError, match="has no mean over folds"):
        measure([[]], metric="d_calibration_p")
    with pytest.raises(MetricError, match="needs bootstrap draws"):
        measure([[]], metric="c_index", draws=0)
