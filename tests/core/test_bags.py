"""Packed bags: every operation within patients equals the same operation on each patient alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bag, Bags
from prognoscope.core.errors import InputError

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=6)


def bags_of(lengths, width=3, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(lengths))
    values = torch.randn(sum(lengths), width, generator=generator)
    return Bags(values, torch.tensor(lengths), values[:, :2].clone())


@given(LENGTHS)
def test_sum_mean_and_max_are_those_of_each_patient(lengths):
    bags = bags_of(lengths)
    parts = bags.split(bags.values)
    assert_close(bags.sum(bags.values), torch.stack([part.sum(0) for part in parts]))
    assert_close(bags.mean(bags.values), torch.stack([part.mean(0) for part in parts]))
    assert_close(bags.max(bags.values), torch.stack([part.amax(0) for part in parts]))


@given(LENGTHS)
def test_softmax_is_that_of_each_patient(lengths):
    bags = bags_of(lengths)
    alone = torch.cat([part.softmax(dim=0) for part in bags.split(bags.values)])
    assert_close(bags.softmax(bags.values), alone)


@given(LENGTHS, st.integers(1, 12))
def test_topk_takes_the_largest_first_and_marks_what_is_not_there(lengths, k):
    bags = bags_of(lengths)
    scores = bags.values[:, 0].round(decimals=0)  # many ties, which go to the lower row
    index = bags.topk(scores, k)
    start = 0
    for patient, part in enumerate(bags.split(scores)):
        expected = sorted(range(len(part)), key=lambda i: (-part[i].item(), i))[:k]
        expected = [start + i for i in expected] + [-1] * (k - len(expected))
        assert index[patient].tolist() == expected
        start += len(part)


@given(LENGTHS)
def test_argmax_is_the_first_largest_row(lengths):
    bags = bags_of(lengths)
    scores = bags.values.round(decimals=0)
    starts = bags.starts.tolist()
    firsts = [(part == part.amax(0)).int().argmax(0) for part in bags.split(scores)]
    assert_close(bags.argmax(scores), torch.stack([f + s for f, s in zip(firsts, starts, strict=True)]))


@given(LENGTHS)
def test_weighted_sum_equals_the_sum_of_products(lengths):
    bags = bags_of(lengths)
    weights = bags.values[:, :2]
    expected = bags.sum(weights[:, :, None] * bags.values[:, None, :])
    assert_close(bags.weighted_sum(weights, bags.values), expected, atol=1e-5, rtol=1e-5)


@given(LENGTHS)
def test_pad_and_its_mask_give_the_values_back(lengths):
    bags = bags_of(lengths)
    padded, mask = bags.pad()
    assert padded.shape == (len(lengths), max(lengths), 3)
    assert_close(padded[mask], bags.values)
    assert not padded[~mask].any()


@given(LENGTHS)
def test_bags_of_one_patient_each_pack_to_the_same_bags(lengths):
    bags = bags_of(lengths)
    again = Bags.pack([Bag(one.values, one.coords) for one in bags.each()])
    assert_close(again.values, bags.values)
    assert_close(again.coords, bags.coords)
    assert again.lengths.tolist() == lengths


def test_an_empty_bag_sums_to_zero():
    bags = Bags(torch.ones(2, 1), torch.tensor([0, 2]))
    assert bags.sum(bags.values).tolist() == [[0.0], [2.0]]
    assert bags.mean(bags.values).tolist() == [[0.0], [1.0]]
    assert bags.topk(bags.values[:, 0], 2).tolist() == [[-1, -1], [0, 1]]


def test_lengths_that_do_not_add_up_are_refused():
    with pytest.raises(InputError, match="add up to 3, but there are 2 patches"):
        Bags(torch.ones(2, 1), torch.tensor([3]))


def test_gradients_of_packed_operations_are_right():
    bags = bags_of([3, 1, 4])
    values = bags.values.double().requires_grad_()
    lengths = bags.lengths

    def packed(x):
        b = Bags(x, lengths)
        return b.softmax(x).sum(), b.mean(x), b.weighted_sum(x, x)

    torch.autograd.gradcheck(packed, (values,))


def test_one_patient_alone_takes_short_ways_to_the_same_numbers():
    values, generator = torch.tensor([[1.0, 5.0], [2.0, 2.0], [0.0, 4.0]]), torch.Generator().manual_seed(0)
    alone, together = Bags(values, torch.tensor([3])), Bags(torch.cat([values, values[:1]]), torch.tensor([3, 1]))
    logits = torch.randn(4, 2, generator=generator)
    assert_close(alone.softmax(logits[:3]), together.softmax(logits)[:3])
    assert_close(alone.sum(values.bfloat16()), together.sum(together.values)[:1])
    assert torch.equal(alone.max(values), together.max(together.values)[:1])
    assert alone.join([values]) is values
    assert torch.equal(together.join(together.split(logits)), logits)
    empty = Bags(values[:0], torch.tensor([0]))
    assert torch.equal(empty.sum(values[:0]), torch.zeros(1, 2)) and torch.isinf(empty.max(values[:0])).all()
