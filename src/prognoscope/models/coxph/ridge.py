"""Cox's regression under a ridge penalty on standardised covariates, by Newton's method."""

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.efron import EfronLikelihood

MOST_STEPS = 60  # Newton's method takes five to ten, unless a column parts the events from all others
STILL = 1e-10  # a step of the standardised coefficients that is none
SMALLEST_SPREAD = 1e-8  # a column that varies less is constant, and its coefficient 0


def fit_ridge(
    values: Float[np.ndarray, "P V"], time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"], penalizer: float
) -> Float[np.ndarray, " V"] | None:
    """The log hazard ratios of one unit of each column, or None where there are no finite ones.

    They maximise the partial log-likelihood with Efron's ties, less P times penalizer / 2 times the squared
    coefficients of the columns scaled to unit variance.
    """
    spread = values.std(axis=0, ddof=1)
    varies = spread > SMALLEST_SPREAD
    scaled = (values[:, varies] - values[:, varies].mean(axis=0)) / spread[varies]
    likelihood, weight = EfronLikelihood.of(scaled, time, event), len(values) * penalizer
    found = np.zeros(values.shape[1])
    beta = found[varies]
    for _ in range(MOST_STEPS):
        reached, slope, information = likelihood.at(beta)
        try:
            step = np.linalg.solve(information + weight * np.eye(len(beta)), slope - weight * beta)
        except np.linalg.LinAlgError:
            return None  # columns that follow from others, without a penalty
        if np.abs(step).max(initial=0.0) < STILL:
            found[varies] = beta / spread[varies]
            return found
        goal = reached - weight / 2 * beta @ beta
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a step too far, which is halved
            while not likelihood.at(beta + step)[0] - weight / 2 * np.sum((beta + step) ** 2) >= goal - 1e-9:
                step = step / 2
        beta = beta + step
    return None


def mean_log_likelihood(
    beta: Float[np.ndarray, " V"],
    values: Float[np.ndarray, "P V"],
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
) -> float:
    """The partial log-likelihood of patients, a patient, in nats."""
    return EfronLikelihood.of(values - values.mean(axis=0), time, event).at(beta)[0] / len(values)
