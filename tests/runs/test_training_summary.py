"""The summary of training patients tells who is unlike them, and comes back from its file as it was."""

import numpy as np
import pytest

from prognoscope.core.errors import InputError
from prognoscope.runs.training_summary import Cloud, TrainingSummary, read_summary, share_below, write_summary


def vectors(seed: int, patients: int = 200, dimensions: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((patients, 3)) @ rng.standard_normal((3, dimensions)) * 2 + rng.standard_normal(
        (patients, dimensions)
    )


def test_new_patients_of_the_same_kind_are_as_far_as_training_patients():
    everybody = vectors(0, 600)
    cloud = Cloud.fit(everybody[:200])
    shares = share_below(cloud.distance(everybody[200:]), cloud.distances)
    assert abs(shares.mean() - 0.5) < 0.06
    assert (shares >= 0.99).mean() < 0.04


def test_others_are_farther_than_all_of_them_along_an_axis_or_beside_it():
    cloud, middle = Cloud.fit(vectors(0)), vectors(0).mean(axis=0)
    away = np.linalg.svd(vectors(0) - middle, full_matrices=False)[2]
    for direction in (away[0], away[20]):
        assert share_below(cloud.distance((middle + 100 * direction)[None]), cloud.distances)[0] == 0.99
    assert share_below(cloud.distance(middle[None]), cloud.distances)[0] < 0.05


def test_a_summary_comes_back_and_a_damaged_one_is_refused(tmp_path):
    path, cloud = tmp_path / "training_summary.safetensors", Cloud.fit(vectors(1))
    for genes, bags in ((None, None), (np.linspace(0, 1, 99), cloud)):
        write_summary(path, TrainingSummary(200, 90, 61.5, genes, bags))
        back = read_summary(path)
        assert (back.patients, back.events, back.last_month) == (200, 90, 61.5)
        assert (back.genes is None) == (genes is None) and (back.bags is None) == (bags is None)
    np.testing.assert_array_equal(back.bags.distance(vectors(2)), cloud.distance(vectors(2)))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="is no summary of training patients"):
        read_summary(path)
