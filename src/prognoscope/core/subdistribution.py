"""Regression on the subdistribution hazard: how covariates act on the cumulative incidence, where others compete."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

MOST_STEPS = 60  # Newton's method takes five
MOST_LOG_RATIO = 30.0  # a sum of covariates beyond it is on its way to infinity


@dataclass(frozen=True, slots=True)
class SubdistributionFit:
    """A fitted model of V columns."""

    beta: Float[np.ndarray, " V"]  # log subdistribution hazard ratios
    covariance: Float[np.ndarray, "V V"]  # robust
    log_likelihood: float  # partial, weighted, without the penalty
    event_times: Float[np.ndarray, " U"]  # months, ascending
    cumulative: Float[np.ndarray, " U"]  # subdistribution hazard up to each, of a patient with zeros
    is_converged: bool


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Who is at risk at each of U times of the event of interest, and how much they weigh."""

    times: Float[np.ndarray, " U"]
    events: Float[np.ndarray, "U P"]  # 1 where the patient has the event at that time
    weights: Float[np.ndarray, "U P"]

    @classmethod
    def of(
        cls, *, time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"], competing: Bool[np.ndarray, " P"]
    ) -> "AtRisk":
        """Whoever is followed until then, with weight 1; and who had a competing event before, as if they might still
        be censored: with the chance of not being censored by then, once not censored at their own time.
        """
        times = np.unique(time[event])
        events = (event & (time == times[:, None])).astype(np.float64)
        at, place, total = np.unique(time, return_inverse=True, return_counts=True)
        ended = np.bincount(place[event | competing], minlength=len(at))
        at_risk = len(time) - np.cumsum(total) + total
        uncensored = np.cumprod(1 - (total - ended) / np.maximum(at_risk - ended, 1))  # G, events before censorings
        before = np.append(1.0, uncensored)  # G just before a time
        chance = before[np.searchsorted(at, times, "left")]
        own = np.maximum(before[np.searchsorted(at, time, "left")], np.finfo(float).tiny)
        gone = competing & (time < times[:, None])
        weights = np.where(gone, chance[:, None] / own, (time >= times[:, None]).astype(np.float64))
        return cls(times, events, weights)

    def log_likelihood(self, eta: Float[np.ndarray, " P"]) -> float:
        """The weighted partial log-likelihood, ties as Breslow, of patients with these log hazard ratios."""
        total = self.weights @ np.exp(eta)
        return float((self.events @ eta).sum() - (self.events.sum(axis=1) * np.log(total)).sum())


def fit_subdistribution(
    values: Float[np.ndarray, "P V"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    competing: Bool[np.ndarray, " P"],
    penalizer: float = 0.0,
) -> SubdistributionFit:
    """The maximum of the weighted partial likelihood of Fine and Gray, less a ridge penalty. Ties as Breslow.

    Without competing events it is Cox's regression. The covariance is that of the sum of patients' scores, in which
    weights are taken for known.

    Args:
        penalizer: Half of it times the squared coefficients is taken from the mean log-likelihood per patient.

    Source: Fine, Gray: A proportional hazards model for the subdistribution of a competing risk. JASA 1999. Its weights
        as in Geskus: Cause-specific cumulative incidence estimation and the Fine and Gray model under both left
        truncation and right censoring. Biometrics 2011.
    """
    n, at_risk = len(time), AtRisk.of(time=time, event=event, competing=competing)
    middle = values.mean(axis=0) if n else np.zeros(values.shape[1])
    z, dead = values - middle, at_risk.events.sum(axis=1)
    beta, is_converged = np.zeros(z.shape[1]), False
    reached = -np.inf

    def aim(at: Float[np.ndarray, " V"]) -> float:
        return at_risk.log_likelihood(z @ at) - n * penalizer / 2 * float(at @ at)

    for _ in range(MOST_STEPS):
        relative = np.exp(z @ beta)
        total = at_risk.weights @ relative  # (U,)
        mean = (at_risk.weights @ (relative[:, None] * z)) / total[:, None]  # (U, V)
        share = (dead / total) @ at_risk.weights * relative  # (P,) expected events of each patient
        slope = (at_risk.events @ z).sum(axis=0) - dead @ mean - n * penalizer * beta
        information = (z * share[:, None]).T @ z - (mean * dead[:, None]).T @ mean
        information = information + n * penalizer * np.eye(len(beta))
        step = np.linalg.lstsq(information, slope, rcond=None)[0]
        if np.abs(step).max(initial=0.0) < 1e-9:
            is_converged = True
            break
        reached = aim(beta)
        while aim(beta + step) < reached - 1e-9 and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        if np.abs(z @ beta).max(initial=0.0) > MOST_LOG_RATIO:
            break
    relative = np.exp(z @ beta)
    total = at_risk.weights @ relative
    hazard = dead / total  # of a patient with the mean of all columns
    mean = (at_risk.weights @ (relative[:, None] * z)) / total[:, None]
    residual = at_risk.events - at_risk.weights * relative * hazard[:, None]  # (U, P) martingale increments
    scores = residual.T.sum(axis=1)[:, None] * z - residual.T @ mean  # (P, V)
    inverse = np.linalg.pinv(information) if len(beta) else np.zeros((0, 0))
    cumulative = np.cumsum(hazard) * float(np.exp(-middle @ beta))
    return SubdistributionFit(
        beta,
        inverse @ (scores.T @ scores) @ inverse,
        at_risk.log_likelihood(z @ beta),
        at_risk.times,
        cumulative,
        is_converged,
    )
