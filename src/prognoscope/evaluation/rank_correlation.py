"""How well genes that a method tells from slides agree with the measured ones."""

from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

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
    over = 0 if axis == "gene" else 1
    if predicted.shape[over] < 2:
        return np.full(predicted.shape[1 - over], np.nan)
    a, b = (rankdata(values, axis=over) for values in (predicted, measured))
    a, b = (ranks - ranks.mean(axis=over, keepdims=True) for ranks in (a, b))
    spread = np.sqrt((a * a).sum(axis=over) * (b * b).sum(axis=over))
    return np.divide((a * b).sum(axis=over), spread, out=np.full(len(spread), np.nan), where=spread > 0)
