"""The bank of earlier patients: first in, first out; who is a neighbour; and the loss where it could break."""

from collections import deque

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.models.ccl.cohort_bank import CohortBank, Neighbours, cohort_loss


def filled(counts, length=3, shape=(4, 5)):
    bank = CohortBank(len(counts), length, shape)
    for group, n in enumerate(counts):
        of = torch.full((n,), group)
        bank.push(
            torch.randn(n, *shape, generator=torch.Generator().manual_seed(group)), of, 100 * group + torch.arange(n)
        )
    return bank


@given(st.lists(st.integers(0, 2), max_size=30), st.integers(1, 4))
def test_each_group_keeps_its_last_patients_in_order(groups, length):
    bank, expected = CohortBank(3, length, (1, 1)), [deque(maxlen=length) for _ in range(3)]
    for i, group in enumerate(groups):
        expected[group].append(float(i))
    numbers = torch.arange(len(groups))
    bank.push(numbers.float().view(-1, 1, 1), torch.tensor(groups, dtype=torch.int64), numbers)
    for group in range(3):
        assert bank.queue(group).flatten().tolist() == list(expected[group])


def who(bank, group, event, patient=-1, order="loss_first"):
    positive, negative = bank.neighbours(torch.tensor([group]), torch.tensor([event]), torch.tensor([patient]), order)
    names = bank.patients.flatten()
    return set(names[positive[0]].tolist()), set(names[negative[0]].tolist())


def test_after_an_event_the_own_group_is_positive_and_when_censored_all_later_ones_too():
    bank = filled([1, 2, 1])
    assert who(bank, 1, True) == ({100, 101}, {0, 200})
    assert who(bank, 1, False) == ({100, 101, 200}, {0})
    assert who(bank, 0, False) == ({0, 100, 101, 200}, set())


def test_a_patient_is_no_neighbour_of_an_own_earlier_entry():
    bank = filled([1, 2, 1])
    assert who(bank, 1, True, patient=101) == ({100}, {0, 200})
    assert who(bank, 1, False, patient=100) == ({101, 200}, {0})


def test_pushed_first_a_patient_displaces_the_oldest_of_a_full_queue():
    bank = filled([1, 5, 1])
    assert who(bank, 1, True, order="push_first") == ({103, 104}, {0, 200})
    assert who(bank, 0, True, order="push_first") == ({0}, {102, 103, 104, 200})


@pytest.mark.parametrize("pool", ["component", "joint"])
@pytest.mark.parametrize("similarity", ["elementwise", "cosine"])
def test_the_loss_of_equal_sets_is_that_of_chance_and_stays_finite_where_exponentials_do_not(pool, similarity):
    z = 30 * torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    entries = z.detach()[[0, 0]]
    sets = Neighbours(torch.tensor([[True, False], [False, False]]), torch.tensor([[False, True], [True, True]]))
    loss = cohort_loss(z, entries, sets, pool=pool, similarity=similarity)
    assert_close(loss, torch.tensor([2.0, 1.0]).log(), atol=1e-3, rtol=0)  # nobody to resemble: no loss
    (gradient,) = torch.autograd.grad(loss.sum(), z)
    assert gradient.isfinite().all()
    assert not gradient[1].any()


def test_an_empty_bank_teaches_nothing():
    bank = filled([0, 0])
    z = torch.randn(2, 4, 5, requires_grad=True)
    sets = bank.neighbours(torch.tensor([0, 1]), torch.tensor([True, False]), torch.tensor([1, 2]), "loss_first")
    loss = cohort_loss(z, bank.entries.flatten(0, 1), sets)
    assert loss.tolist() == [0, 0]
    (gradient,) = torch.autograd.grad(loss.sum(), z)
    assert not gradient.any()
