"""Transport against an independent library, closed forms and its laws."""

import math
from unittest import mock

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.errors import InputError
from prognoscope.models.layers import transport
from prognoscope.models.layers.transport import (
    column_potentials,
    exact_matching,
    exact_plan,
    sinkhorn_plan,
    squared_distances,
    unbalanced_plan,
    unbalanced_transport,
    uniform,
)

sizes = st.integers(1, 12)
seeds = st.integers(0, 10_000)


def problem(n, m, seed):
    """A cost (1, n, m) and two masses that sum to 1, in float64."""
    rng = np.random.default_rng(seed)
    cost = rng.random((n, m))
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return [torch.from_numpy(x)[None] for x in (cost, a / a.sum(), b / b.sum())]


def plain(*tensors):
    return [tensor[0].numpy() for tensor in tensors]


@given(sizes, sizes, seeds, st.sampled_from([0.05, 0.2, 1.0]))
def test_the_balanced_plan_equals_that_of_pot(n, m, seed, eps):
    cost, a, b = problem(n, m, seed)
    ours = sinkhorn_plan(cost, a, b, eps=eps, iterations=3000)
    c, mass_a, mass_b = plain(cost, a, b)
    theirs = ot.sinkhorn(mass_a, mass_b, c, eps, method="sinkhorn_log", stopThr=1e-12, numItermax=10_000, warn=False)
    assert_close(ours[0], torch.from_numpy(theirs), atol=1e-7, rtol=0)


@given(sizes, sizes, seeds)
def test_the_exact_plan_costs_what_that_of_pot_costs(n, m, seed):
    cost, a, b = problem(n, m, seed)
    plan = exact_plan(cost, a, b)
    assert_close(plan.sum(2), a, atol=1e-9, rtol=0)
    assert_close(plan.sum(1), b, atol=1e-9, rtol=0)
    c, mass_a, mass_b = plain(cost, a, b)
    assert (plan * cost).sum().item() == pytest.approx(ot.emd2(mass_a, mass_b, c), abs=1e-9)


@given(sizes, seeds)
def test_equal_uniform_sets_are_matched_as_pot_matches_them(n, seed):
    cost, *_ = problem(n, n, seed)
    even = uniform(torch.ones(1, n, dtype=torch.float64))
    theirs = ot.emd(*plain(even, even), cost[0].numpy()).argmax(axis=1)
    assert exact_matching(cost)[0].tolist() == theirs.tolist()
    assert exact_plan(cost, even, even)[0].argmax(dim=1).tolist() == theirs.tolist()


@pytest.mark.parametrize("regularizer", ["entropy", "kl"])
@given(n=sizes, m=sizes, seed=seeds)
def test_the_unbalanced_plan_equals_that_of_pot(regularizer, n, m, seed):
    cost, a, b = problem(n, m, seed)
    options = {"reg": 0.1, "reg_m": 0.5, "reg_type": regularizer, "stopThr": 1e-6, "numItermax": 1000}
    theirs = ot.unbalanced.sinkhorn_unbalanced(*plain(a, b, cost), **options)
    ours = unbalanced_plan(cost, a, b, reg=0.1, marginal_penalty=0.5, regularizer=regularizer)
    assert_close(ours[0], torch.from_numpy(theirs), atol=1e-10, rtol=0)


@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4), seeds, st.sampled_from([np.inf, np.nan, 1e6]))
def test_problems_solved_together_equal_problems_solved_alone_whatever_the_padding(shapes, seed, garbage):
    singles = [problem(n, m, seed + i) for i, (n, m) in enumerate(shapes)]
    rows, columns = (max(shape[axis] for shape in shapes) for axis in (0, 1))
    cost = torch.full((len(shapes), rows, columns), garbage, dtype=torch.float64)
    a, b = torch.zeros(len(shapes), rows).double(), torch.zeros(len(shapes), columns).double()
    for i, ((n, m), one) in enumerate(zip(shapes, singles, strict=True)):
        cost[i, :n, :m], a[i, :n], b[i, :m] = (each[0] for each in one)
    for solve in (
        lambda *given: sinkhorn_plan(*given, eps=0.1, iterations=15),
        lambda *given: sinkhorn_plan(*given, eps=0.1, iterations=15, start="zero"),
        lambda *given: unbalanced_plan(*given, reg=0.1, marginal_penalty=0.5),
    ):
        together = solve(cost, a, b)
        for i, ((n, m), one) in enumerate(zip(shapes, singles, strict=True)):
            assert_close(together[i, :n, :m], solve(*one)[0], atol=1e-12, rtol=1e-9)
        assert_close(together.sum(), sum(solve(*one).sum() for one in singles))


@given(sizes, sizes, seeds)
def test_rows_of_a_plan_sum_to_their_mass_after_any_number_of_rounds(n, m, seed):
    cost, a, b = problem(n, m, seed)
    assert_close(sinkhorn_plan(cost, a, b, eps=0.05, iterations=1).sum(2), a)
    assert_close(sinkhorn_plan(cost, a, b, eps=0.3, iterations=500).sum(1), b, atol=1e-8, rtol=0)


@given(sizes, sizes, seeds)
def test_a_constant_for_a_row_or_a_column_changes_no_balanced_plan(n, m, seed):
    cost, a, b = problem(n, m, seed)
    shifted = cost + torch.randn(1, n, 1).double() + torch.randn(1, 1, m).double()
    plans = [sinkhorn_plan(each, a, b, eps=0.3, iterations=500) for each in (cost, shifted)]
    assert_close(*plans, atol=1e-8, rtol=0)


@pytest.mark.parametrize("spread", [1.0, 5.0, 11.9])
def test_scalings_give_the_potentials_of_the_logarithmic_rounds_in_float32(spread):
    generator = torch.Generator().manual_seed(0)
    cost = torch.randn(3, 60, 60, generator=generator)
    cost = cost / cost.abs().max() * spread  # eps = 0.2: exponents up to 59.5
    log_mass = torch.full((3, 60), 1 / 60).log()
    fast = column_potentials(cost, log_mass, log_mass, eps=0.2, iterations=20)
    exact = column_potentials(cost.double(), log_mass.double(), log_mass.double(), eps=0.2, iterations=20)
    slow = column_potentials(cost.clone().requires_grad_(), log_mass, log_mass, eps=0.2, iterations=20).detach()
    assert_close(fast.double(), exact, atol=1e-5 * spread, rtol=0)
    assert_close(slow.double(), exact, atol=1e-5 * spread, rtol=0)
    plans = [((g[:, None] - cost) / 0.2).softmax(-1) for g in (fast, exact.float())]
    assert_close(*plans, atol=2e-5, rtol=0)


def test_costs_beyond_the_range_of_float32_are_left_to_logarithms():
    cost = torch.tensor([[[0.0, 500.0], [500.0, 0.0]]])
    even = uniform(torch.ones(1, 2))
    assert_close(sinkhorn_plan(cost, even, even, eps=0.2, iterations=5), torch.eye(2)[None] / 2)


def test_gradients_of_all_rounds_are_those_of_finite_differences():
    cost, a, b = problem(3, 4, seed=1)
    plan = lambda c: sinkhorn_plan(c, a, b, eps=0.3, iterations=6, gradient="unroll")  # noqa: E731
    assert torch.autograd.gradcheck(plan, cost.requires_grad_())


def test_gradients_of_the_last_round_hold_the_columns_potentials_fixed():
    cost, a, b = problem(3, 4, seed=2)
    upstream = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0)).double()
    last, fixed = cost.clone().requires_grad_(), cost.clone().requires_grad_()
    (sinkhorn_plan(last, a, b, eps=0.3, iterations=6) * upstream).sum().backward()
    g = column_potentials(cost, a.log(), b.log(), eps=0.3, iterations=6)
    (a[:, :, None] * ((g[:, None] - fixed) / 0.3).softmax(2) * upstream).sum().backward()
    assert_close(last.grad, fixed.grad)
    assert not sinkhorn_plan(last, a, b, eps=0.3, iterations=6, gradient="none").requires_grad


def test_half_precision_is_computed_in_float32():
    cost, a, b = (x.half() for x in problem(5, 5, seed=0))
    assert sinkhorn_plan(cost, a, b, eps=0.1, iterations=5).dtype == torch.float32


def test_distances_are_euclidean_and_squared():
    x, y = torch.randn(2, 4, 3, dtype=torch.float64), torch.randn(2, 5, 3, dtype=torch.float64)
    assert_close(squared_distances(x, y), torch.cdist(x, y) ** 2)


def test_masses_that_do_not_add_up_are_an_error():
    cost, a, b = problem(3, 4, seed=0)
    with pytest.raises(InputError, match="equal total masses, not 1 and 2"):
        exact_plan(cost, a, 2 * b)


@pytest.mark.parametrize("regularizer", ["entropy", "kl"])
@given(shapes=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4), seed=seeds)
def test_scalings_logarithms_and_a_batch_agree_on_plan_and_rounds(regularizer, shapes, seed):
    singles = [problem(n, m, seed + i) for i, (n, m) in enumerate(shapes)]
    options = {"reg": 0.1, "marginal_penalty": 0.5, "regularizer": regularizer}
    alone = [unbalanced_transport(*one, **options) for one in singles]
    for one, expected in zip(singles, alone, strict=True):
        with mock.patch.object(transport, "LARGEST_EXPONENT", 0.0):
            slow = unbalanced_transport(*one, **options)
        assert_close(slow.plan, expected.plan, atol=1e-12, rtol=1e-9)
        assert slow.rounds.item() == expected.rounds.item()
    together = _together(singles, regularizer)
    assert together.rounds.tolist() == [each.rounds.item() for each in alone]
    for i, each in enumerate(alone):
        n, m = shapes[i]
        assert_close(together.plan[i, :n, :m], each.plan[0], atol=1e-12, rtol=1e-9)


def _together(singles, regularizer):
    """The batch as a GPU takes it: all problems at once, and a look every tenth round."""
    rows, columns = (max(one[0].shape[axis] for one in singles) for axis in (1, 2))
    kernel = torch.ones(len(singles), rows, columns).double()
    a, b = torch.zeros(len(singles), rows).double(), torch.zeros(len(singles), columns).double()
    for i, (cost, x, y) in enumerate(singles):
        (n, m), masses = cost.shape[1:], x[0, :, None] * y[0] if regularizer == "kl" else 1.0
        kernel[i, :n, :m], a[i, :n], b[i, :m] = (-cost[0] / 0.1).exp() * masses, x[0], y[0]
    stop = {"look_every": transport.ROUNDS_BETWEEN_LOOKS, "tolerance": 1e-6, "most_rounds": 1000}
    return transport._transport_by_scalings(kernel, a, b, 0.5 / 0.6, **stop)


@pytest.mark.parametrize("regularizer", ["entropy", "kl"])
def test_where_entropy_costs_next_to_nothing_the_plan_obeys_its_equation(regularizer):
    cost, a, b = problem(9, 5, 0)
    reg, price = 2e-3, 0.5
    options = {"regularizer": regularizer, "tolerance": 1e-13, "most_rounds": 20_000}
    solved = unbalanced_transport(100 * cost, a, b, reg=reg, marginal_penalty=price, **options)
    plan = solved.plan
    assert solved.rounds < 20_000 and solved.change < 1e-13
    slope = (
        100 * cost + reg * plan.log() + price * ((plan.sum(2) / a).log()[:, :, None] + (plan.sum(1) / b).log()[:, None])
    )
    if regularizer == "kl":
        slope = slope - reg * (a[:, :, None] * b[:, None]).log()
    held = plan > 1e-200
    assert held.any() and slope[held].abs().max() < 1e-6


@given(sizes, sizes, seeds)
def test_an_infinite_price_gives_the_balanced_plan(n, m, seed):
    cost, a, b = problem(n, m, seed)
    solved = unbalanced_transport(cost, a, b, reg=0.3, marginal_penalty=math.inf, tolerance=1e-12)
    assert_close(solved.plan.sum(2), a, atol=1e-8, rtol=0)
    assert_close(solved.plan.sum(1), b, atol=1e-8, rtol=0)
