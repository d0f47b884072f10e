"""Cox's regression where other events compete, on the hazard of the subdistribution."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool

from prognoscope.core.subdistribution import AtRisk, SubdistributionFit, fit_subdistribution

COMPETING = ("cause_specific", "fine_gray")


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
