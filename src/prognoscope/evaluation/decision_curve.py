"""Net benefit: what acting on a predicted chance is worth, beside acting on everybody and on nobody."""

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.checks import checked_outcome, checked_values
from prognoscope.evaluation.curves import kaplan_meier


def net_benefit(
    chance: Float[np.ndarray, " P"],
    thresholds: Float[np.ndarray, " T"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    horizon: float,
) -> Float[np.ndarray, " T"]:
    """Per patient, the true positives less the false ones, each of these weighing p / (1 - p) at the threshold p.

    Acted on are those whose chance of an event by the horizon is at or above the threshold; how many of them have it by
    then is told by their own Kaplan-Meier curve, so that censored patients count for as long as they were seen; NaN
    where none of them was followed until the horizon.

    Args:
        chance: The predicted chance of an event by the horizon; ones for everybody give what acting on all is worth.

    Raises:
        MetricError: Chances or thresholds lie outside [0, 1] or [0, 1), or nobody was followed until the horizon.

    Source: Vickers et al.: Extensions to decision curve analysis. BMC Medical Informatics and Decision Making 2008.
    """
    time, event = checked_outcome(time, event)
    chance = checked_values(chance, len(time), "predicted chances")
    if chance.min() < 0 or chance.max() > 1:
        raise MetricError(f"Predicted chances must lie in [0, 1], not {chance.min():g} to {chance.max():g}.")
    if not ((thresholds >= 0) & (thresholds < 1)).all():
        raise MetricError("Thresholds of a decision must lie in [0, 1).")
    if horizon > time.max():
        raise MetricError(f"Nobody was followed until {horizon:g} months; the last time is {time.max():g}.")
    worth = np.zeros(len(thresholds))
    for k, threshold in enumerate(thresholds):
        acted_on = chance >= threshold
        if acted_on.any():
            curve = kaplan_meier(time=time[acted_on], event=event[acted_on])
            had_it = 1 - float(curve.at(np.array([horizon]))[0])
            if horizon > curve.time[-1] and had_it < 1:
                had_it = np.nan
            worth[k] = acted_on.mean() * (had_it - (1 - had_it) * threshold / (1 - threshold))
    return worth
