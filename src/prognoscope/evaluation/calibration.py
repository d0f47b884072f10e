"""Whether predicted chances come true: D-calibration over all times, and a table at one horizon."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from prognoscope.core.distributions import chi2_tail
from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.checks import checked_outcome, checked_values
from prognoscope.evaluation.competing import event_free


@dataclass(frozen=True, slots=True)
class DCalibration:
    """How evenly the predicted survival at each patient's own time fills [0, 1]."""

    counts: Float[np.ndarray, " B"]  # patients per interval, lowest survival first; censored ones in shares
    statistic: float  # chi squared
    p: float  # small: not calibrated


def d_calibration(
    survival_at_time: Float[np.ndarray, " P"], *, event: Bool[np.ndarray, " P"], bins: int = 10
) -> DCalibration:
    """A chi-square test that S(time of event) is uniform, with `bins` - 1 degrees of freedom.

    A patient censored at S = s has the event somewhere in [0, s] and is shared evenly over it. With many of them the
    test is conservative.

    Args:
        survival_at_time: Each patient's predicted chance of outliving their own time.

    Raises:
        MetricError: There are no events, or a chance lies outside [0, 1].

    Source: Haider et al.: Effective ways to build and evaluate individual survival distributions. JMLR 2020.
    """
    event = np.asarray(event)
    survival = checked_values(survival_at_time, len(event), "predicted survival")
    if not event.any():
        raise MetricError(f"None of {len(event)} patients had an event, so calibration cannot be judged.")
    if survival.min() < 0 or survival.max() > 1:
        raise MetricError(f"Predicted survival must lie in [0, 1], not {survival.min():g} to {survival.max():g}.")
    edges = np.linspace(0, 1, bins + 1)
    own = np.clip(np.searchsorted(edges, survival, "right") - 1, 0, bins - 1)
    counts = np.bincount(own[event], minlength=bins).astype(np.float64)
    censored = survival[~event, None]
    covered = np.clip(censored - edges[:-1], 0, 1 / bins)  # of each interval, how much lies below s
    certain = np.eye(bins)[own[~event]]  # for s = 0
    counts += np.where(censored > 0, covered / np.where(censored > 0, censored, 1), certain).sum(axis=0)
    expected = len(event) / bins
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return DCalibration(counts, statistic, chi2_tail(statistic, bins - 1))


def middle_of_events(outcome: Outcome) -> float:
    """The median time of the events, in whole months where it is one or more and follow-up does not end before it."""
    median = float(np.median(outcome.time[outcome.event]))
    return min(float(np.round(median)), float(outcome.time.max())) if median >= 1 else median


def calibration_table(
    survival_at_horizon: Float[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    horizon: float,
    groups: int = 5,
    competing: Bool[np.ndarray, " P"] | None = None,
) -> pd.DataFrame:
    """Predicted against observed survival at one time, in groups of equal size by prediction, lowest first.

    Columns: group, patients, events (until the horizon), predicted (mean), observed, low and high (Kaplan-Meier with
    its 95 % log-log band; NaN, NaN, NaN where nobody of the group was followed until the horizon and some lived).
    Where other events compete, survival is one minus the cumulative incidence, observed by Aalen and Johansen.

    Raises:
        MetricError: There are fewer patients than groups, or nobody was followed until the horizon.
    """
    time, event = checked_outcome(time, event)
    survival = checked_values(survival_at_horizon, len(time), "predicted survival")
    if len(time) < groups:
        raise MetricError(f"{len(time)} patients cannot fill {groups} groups. Ask for fewer.")
    if horizon > time.max():
        raise MetricError(f"Nobody was followed until {horizon:g} months; the last time is {time.max():g}.")
    rows = []
    for number, members in enumerate(np.array_split(np.argsort(survival, kind="stable"), groups)):
        names = tuple(map(str, members))
        rivals = None if competing is None else competing[members]
        curve = event_free(Outcome(names, time[members], event[members], rivals))
        last = np.searchsorted(curve.time, horizon, "right") - 1
        observed = (curve.survival[last], curve.low[last], curve.high[last]) if last >= 0 else (1.0, 1.0, 1.0)
        if horizon > curve.time[-1] and observed[0] > 0:
            observed = (np.nan, np.nan, np.nan)
        died = int((event[members] & (time[members] <= horizon)).sum())
        rows.append((number, len(members), died, float(survival[members].mean()), *observed))
    return pd.DataFrame(rows, columns=["group", "patients", "events", "predicted", "observed", "low", "high"])
