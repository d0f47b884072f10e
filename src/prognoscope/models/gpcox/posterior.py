"""Cox regression whose coefficients are normal, with a variance for each block that the data choose (numpy).

The log hazard ratio is a Gaussian process: a sum of linear kernels, one a block. Coefficients are the posterior's mode,
and variances make the evidence, by Laplace's approximation, as large as can be.

MacKay: Bayesian interpolation. Neural Computation 1992 (the fixed point of
the variances). Ripatti, Palmgren: Estimation of multivariate frailty models using penalized partial likelihood.
Biometrics 2000 (the same for Cox's likelihood).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.models.layers.cox_likelihood import PartialLikelihood, most_likely

BELIEVED = 0.02  # the variance of a block, before the data speak: of its share of the log hazard ratio
STRENGTH = 1.0  # how many coefficients that belief is worth
FIRST = 0.4  # where the fixed point is sought from
FEWEST, MOST = 1e-5, 50.0  # of a variance
STILL = 1e-2  # change of a variance's logarithm at which the fixed point is reached
ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Posterior:
    """What patients say of the coefficients of F features, in blocks."""

    mean: Float[np.ndarray, " F"]
    covariance: Float[np.ndarray, "F F"]
    variances: Float[np.ndarray, " B"]  # of the blocks, a priori


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
        weights, information = most_likely(likelihood, features, weights, 1 / variances[owner])
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
    weights, information = most_likely(likelihood, features, weights, 1 / variances[owner])
    return Posterior(weights, np.linalg.inv(information + np.diag(1 / variances[owner])), variances)
