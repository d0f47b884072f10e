"""Cox's partial likelihood, and the coefficients that make it greatest under a normal prior (numpy).

Cox: Partial likelihood. Biometrika 1975. Ties: Breslow: Covariance analysis of censored survival data. Biometrics 1974.
"""

import numpy as np
from jaxtyping import Bool, Float

NEWTON_STEPS = 50
STILL = 1e-10  # of the log-likelihood, at which it is as great as it will be


class PartialLikelihood:
    """Cox's partial likelihood of P patients, ties by Breslow's rule, as a function of linear predictors."""

    def __init__(self, time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"]):
        self.order = np.argsort(-time, kind="stable")  # whoever is at risk with a patient stands before
        descending = -time[self.order]
        self.event = event[self.order]
        self.last = np.searchsorted(descending, descending, side="right") - 1  # of those at risk
        self.first = np.searchsorted(descending, descending, side="left")

    def value(self, features: Float[np.ndarray, "P F"], weights: Float[np.ndarray, " F"]) -> float:
        """The logarithm of the likelihood."""
        linear = features[self.order] @ weights
        ratio, top = _exp(linear)
        at_risk = np.cumsum(ratio)[self.last]
        return float((linear - top - np.log(at_risk))[self.event].sum())

    def derivatives(
        self, features: Float[np.ndarray, "P F"], weights: Float[np.ndarray, " F"]
    ) -> tuple[Float[np.ndarray, " F"], Float[np.ndarray, "F F"]]:
        """The gradient, and the information: minus the second derivatives."""
        ordered = features[self.order]
        ratio, _ = _exp(ordered @ weights)
        at_risk = np.cumsum(ratio)[self.last]
        per_event = np.where(self.event, 1 / at_risk, 0.0)
        until = np.cumsum(per_event[::-1])[::-1][self.first]  # over the events at which a patient is at risk
        means = (np.cumsum(ratio[:, None] * ordered, axis=0)[self.last] / at_risk[:, None])[self.event]
        gradient = ordered[self.event].sum(axis=0) - means.sum(axis=0)
        information = (ordered * (ratio * until)[:, None]).T @ ordered - means.T @ means
        return gradient, information


def most_likely(
    likelihood: PartialLikelihood,
    features: Float[np.ndarray, "P F"],
    weights: Float[np.ndarray, " F"],
    precision: Float[np.ndarray, " F"],
) -> tuple[Float[np.ndarray, " F"], Float[np.ndarray, "F F"]]:
    """The most likely coefficients by Newton's method, whose steps are halved until they help, and the information."""

    def goal(at: Float[np.ndarray, " F"]) -> float:
        return likelihood.value(features, at) - 0.5 * float(precision @ at**2)

    best = goal(weights)
    gradient, information = likelihood.derivatives(features, weights)
    for _ in range(NEWTON_STEPS):
        step = np.linalg.solve(information + np.diag(precision), gradient - precision * weights)
        share = 1.0
        while (reached := goal(weights + share * step)) < best and share > 1e-6:
            share /= 2
        weights = weights + share * step
        gradient, information = likelihood.derivatives(features, weights)
        gain, best = reached - best, reached
        if gain < STILL:
            break
    return weights, information


def _exp(linear: Float[np.ndarray, " P"]) -> tuple[Float[np.ndarray, " P"], float]:
    top = float(linear.max(initial=0.0))
    return np.exp(linear - top), top
