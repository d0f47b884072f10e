"""Cox's regression on a few covariates, by Newton's method, and the baseline hazard that goes with it."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prognoscope.models.layers.cox_head import SMALLEST_STEP

STEPS, HALVINGS, ENOUGH = 50, 20, 1e-9


def fit_cox(
    covariates: Float[Tensor, "P V"], time: Float[Tensor, " P"], event: Bool[Tensor, " P"], *, ridge: float
) -> Float[Tensor, " V"]:
    """The coefficients that minimise the mean negative log partial likelihood plus ridge / 2 times their squares.

    Of tied events each has all who were at risk (Breslow). In float64; a constant column has the coefficient 0.

    Source: Cox: Regression models and life tables. J R Stat Soc B 1972.
    """
    order = time.argsort(descending=True, stable=True)
    x, event = (covariates - covariates.mean(dim=0)).double()[order], event[order]
    last = at_risk(time[order])
    beta = x.new_zeros(x.shape[1])
    loss = _loss(x, beta, event, last, ridge)
    for _ in range(STEPS):
        gradient, hessian = _derivatives(x, beta, event, last, ridge)
        step = torch.linalg.solve(hessian, gradient)
        for halved in range(HALVINGS):
            now = beta - step / 2**halved
            told = _loss(x, now, event, last, ridge)
            if told <= loss:
                break
        else:
            return beta
        moved, beta, loss = float((now - beta).abs().max()), now, told
        if moved < ENOUGH:
            break
    return beta


def breslow_steps(
    log_ratio: Float[Tensor, " P"], time: Float[Tensor, " P"], event: Bool[Tensor, " P"], edges: Sequence[float]
) -> Float[Tensor, " K"]:
    """How much the cumulative hazard of a patient of ratio 1 grows in each time bin, the last one ended by max(time).

    Source: Breslow: Covariance analysis of censored survival data. Biometrics 1974.
    """
    order = time.argsort(descending=True, stable=True)
    time, event = time[order].double(), event[order]
    at_risk_sum = log_ratio.double()[order].exp().cumsum(0)[at_risk(time)]
    growth = event.double() / at_risk_sum
    ends = [*edges[1:-1], float(time.max())]
    reached = torch.stack([growth[time <= end].sum() for end in ends])
    return reached.diff(prepend=reached.new_zeros(1)).clamp(min=SMALLEST_STEP)


def at_risk(time: Float[Tensor, " P"]) -> Int[Tensor, " P"]:
    """For times in descending order, the last place of those who were followed as long as each."""
    return torch.searchsorted(-time, -time, right=True) - 1


def _loss(x: Tensor, beta: Tensor, event: Tensor, last: Tensor, ridge: float) -> float:
    eta = x @ beta
    likelihood = (eta - eta.logcumsumexp(0)[last])[event].sum()
    return float(ridge / 2 * beta.square().sum() - likelihood / len(x))


def _derivatives(x: Tensor, beta: Tensor, event: Tensor, last: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    eta = x @ beta
    weight = (eta - eta.max()).exp()
    total = weight.cumsum(0)[last][event]
    mean = (weight[:, None] * x).cumsum(0)[last][event] / total[:, None]
    square = (weight[:, None, None] * x[:, :, None] * x[:, None, :]).cumsum(0)[last][event] / total[:, None, None]
    spread = square - mean[:, :, None] * mean[:, None, :]
    gradient = ridge * beta - (x[event] - mean).sum(0) / len(x)
    return gradient, spread.sum(0) / len(x) + ridge * torch.eye(x.shape[1], dtype=x.dtype)
