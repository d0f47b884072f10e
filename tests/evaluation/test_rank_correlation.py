"""Rank correlations of told and measured genes, against scipy and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.rank_correlation import spearman


@given(st.integers(0, 1000), st.integers(3, 20), st.integers(2, 6), st.sampled_from(["gene", "patient"]))
def test_each_correlation_is_that_of_scipy_ties_included(seed, n, g, axis):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 9, (n, g)).astype(float), rng.normal(size=(n, g))
    pairs = zip(a.T, b.T, strict=True) if axis == "gene" else zip(a, b, strict=True)
    expected = [spearmanr(*pair).statistic if np.ptp(pair[0]) else np.nan for pair in pairs]
    np.testing.assert_allclose(spearman(a, b, axis=axis), expected, atol=1e-12)


def test_monotone_maps_change_nothing_and_turning_one_side_turns_the_sign():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 30, 4))
    np.testing.assert_allclose(spearman(np.exp(a), b**3), spearman(a, b), atol=1e-12)
    np.testing.assert_allclose(spearman(-a, b), -spearman(a, b), atol=1e-12)
    np.testing.assert_allclose(spearman(a, a), 1)


def test_constant_genes_and_single_patients_have_no_correlation():
    values = np.arange(6.0).reshape(3, 2)
    assert np.isnan(spearman(np.ones((3, 2)), values)).all()
    assert np.isnan(spearman(values[:1], values[:1])).all()
    assert spearman(values[:0], values[:0]).shape == (2,)


def test_missing_values_and_other_axes_are_refused():
    with pytest.raises(MetricError, match="Leave patients without genes out"):
        spearman(np.full((3, 2), np.nan), np.ones((3, 2)))
