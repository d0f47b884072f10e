"""Risk groups: who is at high risk."""

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.checks import checked_risk


def split_by_risk(
    risk: Float[np.ndarray, " P"], *, cut: float | Float[np.ndarray, " P"] | None = None
) -> Bool[np.ndarray, " P"]:
    """True for high risk: at or above the cut, by default the median of these risks (linear interpolation).

    Args:
        cut: One for all, or one for each patient.

    Raises:
        MetricError: One of the groups is empty, for example because all risks are equal.
    """
    risk = checked_risk(risk, len(risk))
    cut = median_risk(risk) if cut is None else cut
    cuts = np.unique(cut)
    told = f"the cut {cuts[0]:g}" if len(cuts) == 1 else f"cuts from {_range(cuts)}"
    return _both(risk >= cut, f"risk, from {_range(risk)}, against {told}")


def median_risk(values: Float[np.ndarray, " P"]) -> float:
    """The median (linear interpolation).

    Raises:
        MetricError: There are no values.
    """
    if not len(values):
        raise MetricError("There are no patients to take a median of.")
    return float(np.percentile(values, 50))


def _range(values: Float[np.ndarray, " P"]) -> str:
    return f"{values.min():g} to {values.max():g}"


def _both(high: Bool[np.ndarray, " P"], by: str) -> Bool[np.ndarray, " P"]:
    if high.all() or not high.any():
        group = "high" if high.all() else "low"
        raise MetricError(f"All {len(high)} patients are at {group} risk by their {by}: there is only one group.")
    return high
