"""Cox's regression where other events compete: hazards of both kinds, or the hazard of the subdistribution."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prognoscope.core.subdistribution import AtRisk, SubdistributionFit, fit_subdistribution
from prognoscope.models.layers.cox_head import LARGEST_STEP, SMALLEST_STEP, proportional_logits

COMPETING = ("cause_specific", "fine_gray")
NEVER = -40.0  # the logit of what does not happen


def cause_logits(
    log_ratio: Float[Tensor, " P"],
    steps: Float[Tensor, " K"],
    rival_log_ratio: Float[Tensor, " P"],
    rival_steps: Float[Tensor, " K"],
) -> Float[Tensor, "P L"]:
    """The logits, L = 2K, of two causes with proportional hazards, the share of each the same all through a bin.

    Args:
        steps: How much the cumulative hazard of the event of a patient of ratio 1 grows in each bin.
    """
    own, rival = (
        (step.clamp(min=SMALLEST_STEP) * ratio.exp()[:, None]).clamp(SMALLEST_STEP, LARGEST_STEP)
        for step, ratio in ((steps, log_ratio), (rival_steps, rival_log_ratio))
    )
    total = own + rival
    either = torch.log(-torch.expm1(-total)) + total  # the logit of any event
    return torch.cat([each.log() - total.log() + either for each in (own, rival)], dim=1)


def subdistribution_logits(log_ratio: Float[Tensor, " P"], steps: Float[Tensor, " K"]) -> Float[Tensor, "P L"]:
    """The logits, L = 2K, that give the cumulative incidence 1 - exp(-H), H the cumulative subdistribution hazard."""
    own = proportional_logits(log_ratio, steps)
    return torch.cat([own, torch.full_like(own, NEVER)], dim=1)


def fit_fine_gray(
    table: pd.DataFrame, competing: Bool[np.ndarray, " P"], penalizers: Sequence[float], n_parts: int = 3
) -> tuple[float, SubdistributionFit]:
    """The penalty with the greatest held-out partial likelihood over parts of the patients, and the fit to all by it.

    Args:
        table: Covariates, time and event. The penalty is on coefficients of covariates of unit variance.
    """
    values, time, event = table.iloc[:, :-2].to_numpy(), table["time"].to_numpy(), table["event"].to_numpy(bool)
    spread = values.std(axis=0, ddof=1)
    scaled = (values - values.mean(axis=0)) / spread

    def fit(rows: np.ndarray, penalizer: float) -> SubdistributionFit:
        outcome = {"time": time[rows], "event": event[rows], "competing": competing[rows]}
        return fit_subdistribution(scaled[rows], **outcome, penalizer=penalizer)

    everybody = np.arange(len(table))
    part = np.empty(len(table), dtype=np.int64)
    part[np.lexsort((time, event))] = everybody % n_parts  # every part gets early and late, events and others
    scores = {}
    for penalizer in penalizers if len(penalizers) > 1 else ():
        scores[penalizer] = 0.0
        for number in range(n_parts):
            out, rest = everybody[part == number], everybody[part != number]
            if not event[out].any() or not event[rest].any():
                continue
            at_risk = AtRisk.of(time=time[out], event=event[out], competing=competing[out])
            scores[penalizer] += at_risk.log_likelihood(scaled[out] @ fit(rest, penalizer).beta)
    chosen = max(scores, key=lambda penalizer: scores[penalizer], default=penalizers[0])
    found = fit(everybody, chosen)
    inverse = 1 / spread
    covariance = found.covariance * np.outer(inverse, inverse)
    return chosen, SubdistributionFit(
        found.beta * inverse, covariance, found.log_likelihood, found.event_times, found.cumulative, found.is_converged
    )
