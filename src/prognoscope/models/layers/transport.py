"""Optimal transport between two sets of weighted points, for many problems at once.

Everywhere: B problems, `cost` (B, n, m), masses `a` (B, n) and `b` (B, m). A point of mass zero is padding: its costs
may be anything, its row or column of a plan is zero. Costs and potentials share a unit, and eps and reg have it too.
Everything is computed in at least float32, under autocast as well.

Cuturi: Sinkhorn distances, NeurIPS 2013. Chizat et al.: Scaling algorithms for unbalanced transport problems, Math Comp
2018. Equal sets of equal masses are an assignment problem (Birkhoff).
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from prognoscope.core.errors import InputError
from prognoscope.models.layers.precision import at_least_float32

LARGEST_EXPONENT = 60.0  # of costs / eps up to which float32 holds exp(costs / eps) and its products with scalings
ROUNDS_BETWEEN_LOOKS = 10
Gradient = Literal["last", "none", "unroll"]


def uniform(mask: Float[Tensor, "B n"]) -> Float[Tensor, "B n"]:
    """Weights divided by their sum: equal masses where a mask is 1, none where it is 0."""
    return mask / mask.sum(dim=1, keepdim=True)


def squared_distances(x: Float[Tensor, "B n D"], y: Float[Tensor, "B m D"]) -> Float[Tensor, "B n m"]:
    """The squared Euclidean distance of every pair."""
    product = x @ y.mT
    return ((x * x).sum(-1)[:, :, None] + (y * y).sum(-1)[:, None, :] - 2 * product).clamp(min=0)


def sinkhorn_plan(
    cost: Float[Tensor, "B n m"],
    a: Float[Tensor, "B n"],
    b: Float[Tensor, "B m"],
    *,
    eps: float,
    iterations: int,
    gradient: Gradient = "last",
    start: Literal["mass", "zero"] = "mass",
) -> Float[Tensor, "B n m"]:
    """The entropic balanced plan after a number of rounds, each first over columns, then over rows; rows sum to `a`.

    Args:
        gradient: "last" differentiates the last normalisation of the rows alone, "unroll" all rounds, "none" nothing.
        start: The first potential of the rows: eps log a, or zero.
    """
    cost, log_a, log_b = _without_padding(cost, a, b)
    first = eps * log_a if start == "mass" else torch.zeros_like(log_a).where(a > 0, -torch.inf)
    with torch.set_grad_enabled(gradient == "unroll" and torch.is_grad_enabled()):
        potential = column_potentials(cost, log_a, log_b, eps=eps, iterations=iterations, start=first)
    plan = a.to(cost.dtype)[:, :, None] * ((potential[:, None, :] - cost) / eps).softmax(dim=-1)
    return plan.detach() if gradient == "none" else plan


def column_potentials(
    cost: Float[Tensor, "B n m"],
    log_a: Float[Tensor, "B n"],
    log_b: Float[Tensor, "B m"],
    *,
    eps: float,
    iterations: int,
    start: Float[Tensor, "B n"] | None = None,
) -> Float[Tensor, "B m"]:
    """The columns' potentials after a number of Sinkhorn's rounds; -inf for a column of mass zero.

    Without a gradient to keep, on a CPU, and where exp(cost / eps) fits a float, a round is two matrix-vector products
    on scalings instead of two sums of exponentials on potentials: the same numbers, twenty times faster.

    Args:
        cost: Finite everywhere, padding included.
        start: The rows' first potentials; eps log a by default.
    """
    start = eps * log_a if start is None else start
    differentiable = torch.is_grad_enabled() and cost.requires_grad
    if not differentiable and cost.device.type == "cpu" and cost.numel():
        low, high = cost.aminmax()
        if max(-low, high) < LARGEST_EXPONENT * eps:
            return _potentials_by_scalings(cost, log_a, log_b, eps, iterations, start)
    f, g = start, torch.zeros_like(log_b)
    for _ in range(iterations):
        g = eps * (log_b - torch.logsumexp((f[:, :, None] - cost) / eps, dim=1))
        f = eps * (log_a - torch.logsumexp((g[:, None, :] - cost) / eps, dim=2))
    return g


class Transport(NamedTuple):
    """What a solver that stops by itself found."""

    plan: Float[Tensor, "B n m"]
    rounds: Int[Tensor, " B"]
    change: Float[Tensor, " B"]  # in the last round


def unbalanced_plan(
    cost: Float[Tensor, "B n m"], a: Float[Tensor, "B n"], b: Float[Tensor, "B m"], **options
) -> Float[Tensor, "B n m"]:
    """The plan of `unbalanced_transport`, whose options these are."""
    return unbalanced_transport(cost, a, b, **options).plan


def unbalanced_transport(
    cost: Float[Tensor, "B n m"],
    a: Float[Tensor, "B n"],
    b: Float[Tensor, "B m"],
    *,
    reg: float,
    marginal_penalty: float,
    regularizer: Literal["entropy", "kl"] = "entropy",
    tolerance: float = 1e-6,
    most_rounds: int = 1000,
) -> Transport:
    """The entropic plan whose marginals may differ from `a` and `b` at a price; without gradient.

    A problem stops when the mean of the largest relative changes of both scalings in a round is below the tolerance,
    each problem for itself, so that a batch gives what its problems give alone. Where exp(cost / reg) fits a float, a
    round is two products; elsewhere two sums of exponentials, with the same numbers.

    Args:
        marginal_penalty: The price, per unit of Kullback-Leibler divergence of each marginal; infinity for balanced
            transport, whose plan is as exact as the tolerance.
        regularizer: "entropy" compares the plan with 1, "kl" with the product of `a` and `b`.
    """
    cost, log_a, log_b = _without_padding(cost.detach(), a, b)
    power = 1 / (1 + reg / marginal_penalty)
    stop = {"tolerance": tolerance, "most_rounds": most_rounds}
    log_kernel = -cost / reg
    fits = cost.numel() and log_kernel.abs().max() < LARGEST_EXPONENT * (10 if cost.dtype == torch.float64 else 1)
    if regularizer == "kl":
        log_kernel = log_kernel + log_a[:, :, None] + log_b[:, None, :]
    if not fits:
        return _transport_by_logarithms(log_kernel, log_a, log_b, power, **stop)
    kernel, a, b = log_kernel.exp(), log_a.exp(), log_b.exp()
    if cost.device.type != "cpu":
        return _transport_by_scalings(kernel, a, b, power, look_every=ROUNDS_BETWEEN_LOOKS, **stop)
    solved = []
    for i in range(len(kernel)):  # each stays in the cache for all of its rounds, and has no padded rows
        rows = a[i].nonzero()[:, 0]
        one = _transport_by_scalings(kernel[i : i + 1, rows], a[i : i + 1, rows], b[i : i + 1], power, **stop)
        solved.append(one._replace(plan=torch.zeros_like(kernel[i : i + 1]).index_copy(1, rows, one.plan)))
    return Transport(*map(torch.cat, zip(*solved, strict=True)))


def exact_matching(cost: Float[Tensor, "B n n"]) -> Int[Tensor, "B n"]:
    """The column that each row is matched with at the least total cost: exact transport of equal, uniform sets."""
    from scipy.optimize import linear_sum_assignment  # slow to import, and seldom needed

    matches = [linear_sum_assignment(one)[1] for one in _as_numpy(cost)]
    return torch.from_numpy(np.stack(matches)).to(cost.device)


def exact_plan(
    cost: Float[Tensor, "B n m"], a: Float[Tensor, "B n"], b: Float[Tensor, "B m"]
) -> Float[Tensor, "B n m"]:
    """The plan of least total cost, without gradient: an assignment where masses are equal, else a linear programme.

    Raises:
        InputError: The masses of a problem do not add up to the same.
    """
    plans = [_exact_plan(*problem) for problem in zip(*map(_as_numpy, (cost, a, b)), strict=True)]
    return torch.from_numpy(np.stack(plans)).to(cost.device, cost.dtype)


def _without_padding(
    cost: Float[Tensor, "B n m"], a: Float[Tensor, "B n"], b: Float[Tensor, "B m"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Costs that are zero wherever a mass is, and the logarithms of the masses."""
    cost = at_least_float32(cost)
    present = (a > 0)[:, :, None] & (b > 0)[:, None, :]
    return cost.where(present, 0), a.to(cost.dtype).log(), b.to(cost.dtype).log()


def _potentials_by_scalings(
    cost: Float[Tensor, "B n m"],
    log_a: Float[Tensor, "B n"],
    log_b: Float[Tensor, "B m"],
    eps: float,
    iterations: int,
    start: Float[Tensor, "B n"],
) -> Float[Tensor, "B m"]:
    kernel = (cost * (-1 / eps)).exp_()
    masses = zip(kernel, log_a.exp()[:, None], log_b.exp()[:, None], (start / eps).exp()[:, None], strict=True)
    scalings = []
    for each, a, b, u in masses:  # one problem after the other: each stays in the cache for all of its rounds
        v = torch.ones_like(b)
        for _ in range(iterations):
            v = b / (u @ each)
            u = a / (v @ each.mT)
        scalings.append(v)
    return eps * torch.cat(scalings).log()


def _transport_by_scalings(
    kernel: Float[Tensor, "B n m"],
    a: Float[Tensor, "B n"],
    b: Float[Tensor, "B m"],
    power: float,
    *,
    look_every: int = 1,
    **stop,
) -> Transport:
    def a_round(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        u = (a / (kernel @ v[:, :, None])[:, :, 0]) ** power
        return u, (b / (u[:, None, :] @ kernel)[:, 0]) ** power

    first = (a > 0).to(a.dtype), (b > 0).to(b.dtype)
    u, v, rounds, change = _until_still(a_round, *first, _relative_change, look_every, **stop)
    return Transport(u[:, :, None] * kernel * v[:, None, :], rounds, change)


def _transport_by_logarithms(
    log_kernel: Float[Tensor, "B n m"], log_a: Float[Tensor, "B n"], log_b: Float[Tensor, "B m"], power: float, **stop
) -> Transport:
    def a_round(_: Tensor, log_v: Tensor) -> tuple[Tensor, Tensor]:
        log_u = power * (log_a - torch.logsumexp(log_kernel + log_v[:, None, :], dim=2))
        return log_u, power * (log_b - torch.logsumexp(log_kernel + log_u[:, :, None], dim=1))

    def change(new: Tensor, old: Tensor) -> Tensor:
        scale = torch.maximum(new, old).amax(dim=1, keepdim=True).clamp(min=0)  # the scalings may be beyond a float
        return ((new - scale).exp() - (old - scale).exp()).abs().amax(dim=1, keepdim=True)

    first_u, first_v = (torch.zeros_like(x).where(x > -torch.inf, -torch.inf) for x in (log_a, log_b))
    log_u, log_v, *end = _until_still(a_round, first_u, first_v, change, ROUNDS_BETWEEN_LOOKS, **stop)
    plan = (log_u[:, :, None] + log_kernel + log_v[:, None, :]).exp()
    return Transport(plan.where((log_a > -torch.inf)[:, :, None] & (log_b > -torch.inf)[:, None, :], 0), *end)


def _until_still(
    a_round: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    u: Float[Tensor, "B n"],
    v: Float[Tensor, "B m"],
    change_of: Callable[[Tensor, Tensor], Tensor],
    look_every: int,
    *,
    tolerance: float,
    most_rounds: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both scalings of each problem after the round in which it became still, how many that took, the last change."""
    going = torch.ones(len(u), 1, dtype=torch.bool, device=u.device)
    rounds, change = torch.zeros_like(going, dtype=torch.int64), torch.full_like(u[:, :1], torch.inf)
    for i in range(most_rounds):
        new_u, new_v = a_round(u, v)
        now = (change_of(new_u, u) + change_of(new_v, v)) / 2
        u, v, change = new_u.where(going, u), new_v.where(going, v), now.where(going, change)
        rounds = rounds + going
        going = going & (now >= tolerance)
        if i % look_every == 0 and not going.any():  # a look waits for the device
            break
    return u, v, rounds[:, 0], change[:, 0]


def _relative_change(new: Float[Tensor, "B n"], old: Float[Tensor, "B n"]) -> Float[Tensor, "B 1"]:
    scale = torch.maximum(new, old).amax(dim=1, keepdim=True).clamp(min=1)
    return (new - old).abs().amax(dim=1, keepdim=True) / scale


def _exact_plan(cost: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment, linprog  # slow to import, and seldom needed
    from scipy.sparse import eye_array, kron, vstack

    rows, columns = np.flatnonzero(a), np.flatnonzero(b)
    inner, a_in, b_in = cost[np.ix_(rows, columns)], a[rows], b[columns]
    if not np.isclose(a_in.sum(), b_in.sum(), rtol=1e-5):
        raise InputError(f"Transport needs equal total masses, not {a_in.sum():g} and {b_in.sum():g}.")
    plan = np.zeros_like(cost, dtype=np.float64)
    if len(rows) == len(columns) and np.ptp(a_in) == 0 and np.ptp(b_in) == 0:
        i, j = linear_sum_assignment(inner)
        plan[rows[i], columns[j]] = a_in
        return plan
    sums: Any = vstack(  # sparse, which linprog takes and its types do not say
        [kron(eye_array(len(rows)), np.ones((1, len(columns)))), kron(np.ones((1, len(rows))), eye_array(len(columns)))]
    )
    masses = np.concatenate([a_in, b_in * (a_in.sum() / b_in.sum())])
    found = linprog(inner.ravel(), A_eq=sums.tocsr(), b_eq=masses, method="highs-ds")
    if found.x is None:
        raise InputError(f"No exact transport was found: {found.message} Take entropic transport instead.")
    plan[np.ix_(rows, columns)] = found.x.reshape(inner.shape)
    return plan


def _as_numpy(values: Float[Tensor, "..."]) -> np.ndarray:
    return values.detach().double().cpu().numpy()
