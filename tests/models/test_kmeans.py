"""K-means by bag: the iteration by hand, bags apart, empty clusters, and the order of centres."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch.testing import assert_close

from prognoscope.core.bags import Bag, Bags
from prognoscope.models.layers import kmeans as module
from prognoscope.models.layers.kmeans import (
    RememberedClusters,
    in_slots,
    kmeans,
    nearest_patches,
    slots_of,
    spread_start,
    squared_distances,
)


def bags_of(*lengths, dim=5, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return Bags.pack([Bag(torch.randn(n, dim, generator=generator) + shift) for n in lengths])


def by_hand(values, centres):
    """Lloyd's iteration in float64, empty clusters zero."""
    values, centres = values.double(), centres.double()
    while True:
        cluster = torch.cdist(values, centres).argmin(dim=1)
        new = torch.stack([values[cluster == j].mean(0).nan_to_num() for j in range(len(centres))])
        if torch.equal(new, centres):
            return centres, cluster
        centres = new


@given(st.integers(0, 10_000), st.integers(1, 200), st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_it_equals_the_iteration_by_hand(seed, n, k):
    bags = bags_of(n, seed=seed)
    start = bags.values[torch.randint(n, (1, k), generator=torch.Generator().manual_seed(seed))]
    found, (centres, cluster) = kmeans(bags, start, empty="zero"), by_hand(bags.values, start[0])
    assert torch.equal(found.cluster, cluster)
    assert_close(found.centres[0], centres.float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("empty", ["farthest", "zero"])
@given(st.lists(st.integers(1, 60), min_size=2, max_size=5), st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_bags_packed_into_one_product_equal_bags_alone(empty, lengths, seed):
    bags = bags_of(*lengths, seed=seed)
    points = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    rows = nearest_patches(bags, points)
    alone = kmeans(bags, bags.values[rows], empty=empty)
    packed = module._lloyd(bags, bags.values[rows], empty, 100)
    assert torch.equal(packed.cluster, alone.cluster)
    assert torch.equal(packed.rounds, alone.rounds)
    assert_close(packed.centres, alone.centres, atol=1e-5, rtol=1e-5)
    assert torch.equal(rows, module._lowest(bags, squared_distances(bags, points.expand(len(bags), -1, -1))))


def test_a_common_offset_of_all_patches_does_not_blur_the_distances():
    near, far = bags_of(80), bags_of(80, shift=1000.0)
    start = torch.arange(0, 80, 20)
    one, other = kmeans(near, near.values[start][None]), kmeans(far, far.values[start][None])
    assert torch.equal(one.cluster, other.cluster)


def test_an_empty_cluster_takes_the_farthest_patch_or_the_origin():
    bags = bags_of(50, shift=10.0)
    start = bags.values[[3, 3, 3, 3]][None]
    assert set(kmeans(bags, start).cluster.tolist()) == {0, 1, 2, 3}
    found = kmeans(bags, start, empty="zero")
    assert found.cluster.tolist() == [0] * 50
    assert not found.centres[0, 1:].any()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_patches_than_centres_repeat(n):
    bags = bags_of(n)
    found = kmeans(bags, bags.values[torch.zeros(1, 5, dtype=torch.int64)])
    assert_close(bags.values[found.cluster * 0 + torch.arange(n)], found.centres[0][found.cluster])
    assert torch.cdist(found.centres[0], bags.values).min(dim=1).values.max() < 1e-3


def test_equal_patches_settle_at_once():
    bags = Bags(torch.ones(7, 3), torch.tensor([7]))
    for empty in ("farthest", "zero"):
        found = kmeans(bags, torch.ones(1, 4, 3), empty=empty)
        assert found.rounds <= 2
        assert found.cluster.tolist() == [0] * 7


def test_the_cap_warns_and_gives_what_there_is():
    bags = bags_of(300)
    with pytest.warns(UserWarning, match="did not settle in 2 rounds"):
        assert kmeans(bags, bags.values[:4][None], most_rounds=2).rounds == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kmeans(bags, bags.values[:4][None])


def test_narrow_and_wide_numbers_and_autocast_give_the_same_clusters():
    bags = bags_of(60)
    start = bags.values[:4][None]
    expected = kmeans(bags, start)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(kmeans(bags, start).centres, expected.centres)
    wide = kmeans(bags.to(torch.float64), start.double())
    assert wide.centres.dtype == torch.float64
    assert torch.equal(wide.cluster, expected.cluster)


@given(st.integers(0, 10_000), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_centres_are_matched_at_the_least_total_distance(seed, k):
    generator = torch.Generator().manual_seed(seed)
    centres, anchor = torch.randn(3, k, 4, generator=generator), torch.randn(k, 4, generator=generator)
    slots = slots_of(centres, anchor)
    for one, own in zip(centres, slots, strict=True):
        assert own.tolist() == linear_sum_assignment(torch.cdist(one, anchor, p=1))[1].tolist()
    ordered = in_slots(centres, slots)
    for i in range(k):
        assert torch.equal(ordered[torch.arange(3), slots[:, i]], centres[:, i])


def test_a_spread_start_takes_different_patches_and_is_the_same_again():
    bag = bags_of(40).values
    start = spread_start(bag, 6)
    assert len(start.unique(dim=0)) == 6
    assert torch.equal(start, spread_start(bag, 6))
    assert not torch.equal(start, spread_start(bag, 6, seed=1))
    assert torch.equal(spread_start(bag[:1], 3), bag[:1].expand(3, -1))


def test_remembered_clusters_know_a_bag_again_and_notice_any_change():
    clusters = RememberedClusters(3, "farthest", most=2)
    bags = bags_of(30, 20)
    centres, cluster = clusters(bags)
    assert len(clusters.known) == 2
    again, _ = clusters(bags)
    assert torch.equal(again, centres)
    assert torch.equal(cluster[30:], squared_distances(bags.each()[1], centres[1:]).argmin(dim=0))
    bags.values[3, 2] += 1.0
    changed, _ = clusters(bags)
    assert not torch.equal(changed[0], centres[0])
    assert torch.equal(changed[1], centres[1])
    assert len(clusters.known) == 2
