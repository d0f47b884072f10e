"""How well genes that a method tells from slides agree with the measured ones."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from prognoscope.core.distributions import ranks_of
from prognoscope.core.errors import MetricError

Axis = Literal["gene", "patient"]


def spearman(
    predicted: Float[np.ndarray, "P G"], measured: Float[np.ndarray, "P G"], *, axis: Axis = "gene"
) -> Float[np.ndarray, " _"]:
    """The rank correlation of predicted and measured values: of each gene over patients, or the other way round.

    Ties have the mean of their ranks. NaN where either side is constant: leave it out of means (`np.nanmean`).

    Args:
        axis: "gene" gives (G,), a value a gene over patients; "patient" gives (P,), a value a patient over genes.

    Raises:
        MetricError: The axis has another name, or a value is not a finite number.
    """
    if axis not in ("gene", "patient"):
        raise MetricError(f"Reconstruction is measured by gene or by patient, not by {axis!r}.")
    if not (np.isfinite(predicted).all() and np.isfinite(measured).all()):
        raise MetricError("Genes that are compared must be finite numbers. Leave patients without genes out.")
    both = (predicted, measured) if axis == "gene" else (predicted.T, measured.T)
    if len(both[0]) < 2:
        return np.full(both[0].shape[1], np.nan)
    a, b = (ranks - ranks.mean(axis=0) for ranks in map(ranks_of, both))
    spread = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    return np.divide((a * b).sum(axis=0), spread, out=np.full(len(spread), np.nan), where=spread > 0)
