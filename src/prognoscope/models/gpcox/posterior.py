"""Cox regression whose coefficients are normal, with a variance for each block that the data choose (numpy).

The log hazard ratio is a Gaussian process: a sum of linear kernels, one a block. Coefficients are the posterior's mode,
and variances make the evidence, by Laplace's approximation, as large as can be.

Cox: Partial likelihood. Biometrika 1975. MacKay: Bayesian interpolation. Neural Computation 1992 (the fixed point of
the variances). Ripatti, Palmgren: Estimation of multivariate frailty models using penalized partial likelihood.
Biometrics 2000 (the same for Cox's likelihood).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

BELIEVED = 0.02  # the variance of a block, before the data speak: of its share of the log hazard ratio
STRENGTH = 1.0  # how many coefficients that belief is worth
FIRST = 0.4  # where the fixed point is sought from
FEWEST, MOST = 1e-5, 50.0  # of a variance
STILL = 1e-2  # change of a variance's logarithm at which the fixed point is reached
ROUNDS, NEWTON_STEPS = 60, 30


@dataclass(frozen=True, slots=True)
class Posterior:
    """What patients say of the coefficients of F features, in blocks."""

    mean: Float[np.ndarray, " F"]
    covariance: Float[np.ndarray, "F F"]
    variances: Float[np.ndarray, " B"]  # of the blocks, a priori


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


def fit_posterior(
    blocks: Sequence[Float[np.ndarray, "P _"]], time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"]
) -> Posterior:
    """The posterior of the coefficients of these features, with the variances of the blocks that the evidence wants.

    Args:
        blocks: Features of each block, centred, with a mean square length of 1 over the patients, so that a block's
            variance is that of its share of the log hazard ratio.

    Raises:
        np.linalg.LinAlgError: The features are no finite numbers.
    """
    likelihood = PartialLikelihood(time, event)
    features = np.concatenate(blocks, axis=1)
    owner = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    variances = np.full(len(blocks), FIRST)
    weights = np.zeros(features.shape[1])
    for _ in range(ROUNDS):
        weights, information = _mode(likelihood, features, weights, 1 / variances[owner])
        covariance = np.linalg.inv(information + np.diag(1 / variances[owner]))
        square = np.bincount(owner, weights**2, minlength=len(blocks))
        uncertain = np.bincount(owner, np.diag(covariance), minlength=len(blocks)) / variances
        told = np.bincount(owner, minlength=len(blocks)) - uncertain  # how many coefficients the data decide
        new = (square + STRENGTH * BELIEVED) / (told + STRENGTH)
        new = new.clip(FEWEST, MOST)
        is_still = np.max(np.abs(np.log(new / variances))) < STILL
        variances = new
        if is_still:
            break
    weights, information = _mode(likelihood, features, weights, 1 / variances[owner])
    return Posterior(weights, np.linalg.inv(information + np.diag(1 / variances[owner])), variances)


def _mode(
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
        if gain < 1e-8:
            break
    return weights, information


def _exp(linear: Float[np.ndarray, " P"]) -> tuple[Float[np.ndarray, " P"], float]:
    top = float(linear.max(initial=0.0))
    return np.exp(linear - top), top
