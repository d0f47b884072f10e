"""Silhouettes: those of scikit-learn, and the bounds they must keep."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.silhouette import silhouettes


def test_silhouettes_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    points, group = rng.normal(size=(40, 5)), np.array([0] * 20 + [1] * 19 + [2])  # one is alone in its group
    points[:20] += 2
    assert silhouettes(points, group) == pytest.approx(silhouette_samples(points, group), abs=1e-12)


def test_equal_points_are_in_no_group_and_one_group_is_refused():
    points, group = np.ones((4, 2)), np.array(["a", "a", "b", "b"])
    assert (silhouettes(points, group) == 0).all()
    with pytest.raises(MetricError, match="All 4 points are of one group"):
        silhouettes(points, np.array(["a"] * 4))
