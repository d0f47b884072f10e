"""How sure a predicted survival is: how far it moves with the training patients, and a time that most outlive."""

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.distributions import t_quantile
from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.checks import checked_outcome, checked_values
from prognoscope.evaluation.curves import censoring_curve

NEAR = 1e-6  # of 0 and 1, where the log of minus the log has no end


def jackknife_interval(
    survival: Float[np.ndarray, "M P T"], centre: Float[np.ndarray, "P T"], confidence: float = 0.95
) -> tuple[Float[np.ndarray, "P T"], Float[np.ndarray, "P T"]]:
    """Low and high ends of survival, from models of which each left out another of M equal groups of patients.

    On the scale of log(-log S), the variance of what all of them come to is (M - 1) / M times the sum of squared
    deviations, the delete-a-group jackknife's; Student's t has M - 1 degrees of freedom. It says how far the number
    would move had other patients taught: nothing of what no model of this kind can see. NaN with a single model.

    Args:
        survival: What each model says.
        centre: What is reported: their mean, or what a model of all patients says.

    Source: Shao, Wu: A general theory for jackknife variance estimation. Annals of Statistics 1989.
    """
    models = len(survival)
    if models < 2:
        return np.full(centre.shape, np.nan), np.full(centre.shape, np.nan)
    each, middle = _log_log(survival), _log_log(centre)
    error = np.sqrt((models - 1) * each.var(axis=0))
    half = t_quantile(0.5 + confidence / 2, models - 1) * error
    return np.exp(-np.exp(middle + half)), np.exp(-np.exp(middle - half))


def _log_log(survival: Float[np.ndarray, "*rest"]) -> Float[np.ndarray, "*rest"]:
    return np.log(-np.log(np.clip(survival, NEAR, 1 - NEAR)))


def conformal_level(
    survival_at_time: Float[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    error: float = 0.1,
) -> float:
    """A survival such that at most a share `error` of new patients has the event while their curve is still above it.

    It is taken from held-out patients, whose models had not seen them. Each event counts 1 / G(time), for those who
    were censored before; censoring must not depend on the patient. 1, which bounds nothing, where there are too few.

    Args:
        survival_at_time: Each held-out patient's predicted chance of outliving their own time.

    Raises:
        MetricError: There is no event.

    Source: Candes, Lei, Ren: Conformalized survival analysis. JRSS B 2023; with weights for censoring that is seen
        only where it happens.
    """
    time, event = checked_outcome(time, event)
    survival = checked_values(survival_at_time, len(time), "predicted survival")
    if not event.any():
        raise MetricError(f"None of {len(event)} patients had an event, so no time can be bounded.")
    everybody = Outcome(tuple(map(str, range(len(time)))), time, event)
    chance = censoring_curve(everybody).at(time)
    counts = event & (chance > 0)
    weight = np.where(counts, 1 / np.where(counts, chance, 1), 0)
    order = np.argsort(-survival[counts], kind="stable")
    early, weights = survival[counts][order], weight[counts][order]
    share = (np.cumsum(weights) + 1) / (len(time) + 1)  # a new patient, whose time nothing cuts off, counts once
    within = int((share <= error).sum())
    return 1.0 if within == 0 else float(early[min(within, len(early) - 1)])


def lower_bounds(
    survival: Float[np.ndarray, "P K"], ends: Float[np.ndarray, " K"], level: float
) -> Float[np.ndarray, " P"]:
    """The month at which each curve, straight from 1 at time 0 between the ends of bins, falls to a level.

    Where it stays above the level, the last end: later nothing is known.
    """
    at = np.concatenate([[0.0], ends])
    curves = np.column_stack([np.ones(len(survival)), survival])
    found = np.empty(len(curves))
    for i, curve in enumerate(curves):
        below = np.flatnonzero(curve < level)
        if not len(below):
            found[i] = at[-1]
            continue
        k = below[0]
        if k == 0:
            found[i] = 0.0
            continue
        share = (curve[k - 1] - level) / (curve[k - 1] - curve[k])
        found[i] = at[k - 1] + share * (at[k] - at[k - 1])
    return found
