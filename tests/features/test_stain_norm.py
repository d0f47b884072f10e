"""Stains are found where they were mixed, and brought to the stated target."""

import numpy as np
import pytest

from prognoscope.core.errors import FeatureError
from prognoscope.features import stain_norm
from prognoscope.features.stain_norm import fit_stains, macenko_stains

MIXED = np.array([[0.55, 0.75, 0.36], [0.30, 0.85, 0.45]])
MIXED /= np.linalg.norm(MIXED, axis=1, keepdims=True)


def amounts(n=4000):
    rng = np.random.default_rng(0)
    return np.concatenate(
        [
            rng.uniform(0.7, 1.3, (n, 2)),
            rng.uniform(0.7, 1.3, (n, 1)) * [[1, 0]],
            rng.uniform(0.7, 1.3, (n, 1)) * [[0, 1]],
        ]
    )


def pixels(amount):
    return np.rint(256 * np.exp(-(amount @ MIXED)) - 1).astype(np.uint8)


def test_macenko_finds_the_two_stains_and_brings_their_amounts_to_the_target():
    amount = amounts()
    assert np.abs(macenko_stains(amount @ MIXED) - MIXED).max() < 1e-6
    given = pixels(amount)
    found = fit_stains(given, "macenko")(given.reshape(1, 120, 100, 3))
    target = stain_norm.STAINS / np.linalg.norm(stain_norm.STAINS, axis=1, keepdims=True)
    got = -np.log((found.reshape(-1, 3) + 1.0) / 256) @ np.linalg.pinv(target)
    np.testing.assert_allclose(np.percentile(got, 99, axis=0), stain_norm.MOST, rtol=0.03)
    wanted = amount / np.percentile(amount, 99, axis=0) * stain_norm.MOST
    assert np.corrcoef(got[:, 0], wanted[:, 0])[0, 1] > 0.999
    assert np.corrcoef(got[:, 1], wanted[:, 1])[0, 1] > 0.999


def test_reinhard_brings_mean_and_spread_to_the_target():
    given = pixels(amounts())
    found = fit_stains(given, "reinhard")(given.reshape(1, 120, 100, 3)).reshape(-1, 3)
    lab = stain_norm._lab(found)
    np.testing.assert_allclose(lab.mean(axis=0), stain_norm.LAB_MEAN, atol=0.02)
    np.testing.assert_allclose(lab.std(axis=0), stain_norm.LAB_SD, rtol=0.15)


@pytest.mark.parametrize("kind", ["macenko", "reinhard"])
def test_glass_alone_is_refused(kind):
    with pytest.raises(FeatureError, match="only 0 of 500 pixels are stained"):
        fit_stains(np.full((500, 3), 250, np.uint8), kind)
