"""Tails, quantiles and ranks against scipy.stats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prognoscope.core.distributions import (
    chi2_tail,
    normal_quantile,
    ranks_of,
    t_quantile,
    two_sided_normal,
    two_sided_t,
)

FREEDOM = st.integers(1, 400)


@given(value=st.floats(0, 200), freedom=FREEDOM, share=st.floats(0.001, 0.999))
def test_tails_and_quantiles_are_those_of_scipy_stats(value, freedom, share):
    assert chi2_tail(value, freedom) == pytest.approx(stats.chi2.sf(value, freedom), rel=1e-12, abs=0)
    for t in (value / 10, -value / 10):
        assert two_sided_t(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-9, abs=0)
        assert two_sided_normal(t) == pytest.approx(2 * stats.norm.sf(abs(t)), rel=1e-12, abs=0)
    assert normal_quantile(share) == pytest.approx(stats.norm.ppf(share), rel=1e-12)
    assert t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-9, abs=1e-12)


@given(values=st.lists(st.sampled_from([-2.0, -0.0, 0.0, 1.0, 1.5, np.inf]), max_size=12))
def test_equal_values_share_the_mean_of_their_ranks(values):
    column = np.array(values)
    np.testing.assert_array_equal(ranks_of(column), stats.rankdata(column))
    both = np.column_stack([column, column[::-1]])
    np.testing.assert_array_equal(ranks_of(both), stats.rankdata(both, axis=0))
