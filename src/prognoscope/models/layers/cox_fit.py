"""Cox's regression on a few covariates, by Newton's method, and the baseline hazard that goes with it."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prognoscope.core.subdistribution import AtRisk, fit_subdistribution
from prognoscope.models.layers.cox_head import SMALLEST_STEP
from prognoscope.models.layers.cox_likelihood import PartialLikelihood, most_likely


def fit_cox(
    covariates: Float[Tensor, "P V"],
    time: Float[Tensor, " P"],
    event: Bool[Tensor, " P"],
    *,
    ridge: float,
    competing: Bool[Tensor, " P"] | None = None,
) -> Float[Tensor, " V"]:
    """The coefficients that minimise the mean negative log partial likelihood plus ridge / 2 times their squares.

    Of tied events each has all who were at risk (Breslow). In float64; a constant column has the coefficient 0.

    Args:
        competing: Whose other event came first; then the coefficients are of the subdistribution hazard.

    Source: Cox: Regression models and life tables. J R Stat Soc B 1972. Fine, Gray: A proportional hazards model for
        the subdistribution of a competing risk. JASA 1999.
    """
    features = (covariates - covariates.mean(dim=0)).double().numpy()
    if competing is not None:
        told = {"time": time.double().numpy(), "event": event.numpy(), "competing": competing.numpy()}
        return torch.from_numpy(fit_subdistribution(features, **told, penalizer=ridge).beta)
    likelihood = PartialLikelihood(time.double().numpy(), event.numpy())
    precision = np.full(features.shape[1], ridge * len(features))
    return torch.from_numpy(most_likely(likelihood, features, np.zeros(features.shape[1]), precision)[0])


def breslow_steps(
    log_ratio: Float[Tensor, " P"],
    time: Float[Tensor, " P"],
    event: Bool[Tensor, " P"],
    edges: Sequence[float],
    competing: Bool[Tensor, " P"] | None = None,
) -> Float[Tensor, " K"]:
    """How much the cumulative hazard of a patient of ratio 1 grows in each time bin, the last one ended by max(time).

    Args:
        competing: Whose other event came first; then the hazard is that of the subdistribution.

    Source: Breslow: Covariance analysis of censored survival data. Biometrics 1974.
    """
    ends = [*edges[1:-1], float(time.max())]
    if competing is not None:
        told = {"time": time.double().numpy(), "event": event.numpy(), "competing": competing.numpy()}
        risky = AtRisk.of(**told)
        growth = torch.from_numpy(risky.events.sum(axis=1) / (risky.weights @ log_ratio.double().exp().numpy()))
        return _steps(growth, torch.from_numpy(risky.times), ends)
    order = time.argsort(descending=True, stable=True)
    time, event = time[order].double(), event[order]
    at_risk_sum = log_ratio.double()[order].exp().cumsum(0)[at_risk(time)]
    growth = event.double() / at_risk_sum
    return _steps(growth, time, ends)


def _steps(growth: Float[Tensor, " U"], time: Float[Tensor, " U"], ends: Sequence[float]) -> Float[Tensor, " K"]:
    """The growth of a cumulative hazard in each bin, from that at each of these times.

    What comes at the very end of a bin is in it, as survival is the chance of outliving that end: times of patients are
    in single precision, so ends are compared in it, too.
    """
    reached = torch.stack([growth[time.float() <= torch.tensor(end)].sum() for end in ends])
    return reached.diff(prepend=reached.new_zeros(1)).clamp(min=SMALLEST_STEP)


def at_risk(time: Float[Tensor, " P"]) -> Int[Tensor, " P"]:
    """For times in descending order, the last place of those who were followed as long as each."""
    return torch.searchsorted(-time, -time, right=True) - 1
