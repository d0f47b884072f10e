"""Cumulative/dynamic AUC: at each time, how well a score parts those who had the event from those still free of it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from prognoscope.core.errors import MetricError, some
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.brier import check_within
from prognoscope.evaluation.checks import checked_horizons, checked_outcome, checked_values
from prognoscope.evaluation.concordance import TIED_TOL
from prognoscope.evaluation.curves import censoring_curve, kaplan_meier


@dataclass(frozen=True, slots=True)
class DynamicAUC:
    """The AUC at each time, and its mean weighted by the fall of the Kaplan-Meier curve of the test patients."""

    auc: Float[np.ndarray, " T"]
    mean: float


def cumulative_dynamic_auc(
    risk: Float[np.ndarray, "P *T"],
    times: Float[np.ndarray, " T"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    train: Outcome,
    tied_tol: float = TIED_TOL,
) -> DynamicAUC:
    """The AUC at each time of events until then against patients followed longer, weighted for censoring.

    Args:
        risk: One number a patient, or one a patient and time (such as 1 - S at each of `times`), higher is worse.
        train: The patients from whom the censoring distribution is estimated.
        tied_tol: Sorted risks whose neighbours are no farther apart are one group of ties.

    Raises:
        MetricError: Shapes do not fit, times lie outside [first, last) test time, no event until one of the times,
            or weights are not defined.

    Source: Uno et al.: Evaluating prediction rules for t-year survivors. JASA 2007; the mean as in Lambert,
        Chevret: Summary measure of discrimination in survival models. Stat Methods Med Res 2016.
    """
    parts = AUCParts.of(risk, times, time=time, event=event, train=train, tied_tol=tied_tol)
    auc = parts.auc(np.ones((1, len(time))))[0]
    if len(bad := times[np.isnan(auc)]):
        raise MetricError(f"No event was observed until {some(f'{t:g}' for t in bad)} months; begin at a later time.")
    fall = -np.diff(kaplan_meier(time=time, event=event).at(times), prepend=1.0)
    return DynamicAUC(auc, float((auc * fall).sum() / fall.sum()))


@dataclass(frozen=True, slots=True)
class AUCParts:
    """All that the AUC needs but how often each patient counts, so that thousands of draws share it."""

    weight: Float[np.ndarray, " P"]  # 1 / G at the event, 0 for censored patients
    times: Float[np.ndarray, " T"]
    time: Float[np.ndarray, " P"]
    order: Int[np.ndarray, "T P"]  # by risk, ascending
    group_start: Int[np.ndarray, "T P"]  # in that order, the first position of each one's group of ties
    group_end: Int[np.ndarray, "T P"]  # and the position after its last

    @classmethod
    def of(
        cls,
        risk: Float[np.ndarray, "P *T"],
        times: Float[np.ndarray, " T"],
        *,
        time: Float[np.ndarray, " P"],
        event: Bool[np.ndarray, " P"],
        train: Outcome,
        tied_tol: float = TIED_TOL,
    ) -> "AUCParts":
        """Sort once; check everything."""
        time, event = checked_outcome(time, event)
        times = checked_horizons(times)
        risk = checked_values(risk, len(time), "risk")
        if risk.ndim > 1 and risk.shape[1:] != times.shape:
            raise MetricError(f"Risks of shape {risk.shape} do not fit {len(times)} times.")
        check_within(times, time)
        counts = event & (time <= times[-1])
        weight = np.zeros(len(time))
        weight[counts] = censoring_curve(train).weights(time[counts])
        columns = [risk] if risk.ndim == 1 else list(risk.T)
        sorted_ = [_ties(column, tied_tol) for column in columns]
        if risk.ndim == 1:
            sorted_ = sorted_ * len(times)
        return cls(weight, times, time, *(np.stack(part) for part in zip(*sorted_, strict=True)))

    def auc(self, draws: Float[np.ndarray, "R P"]) -> Float[np.ndarray, "R T"]:
        """The AUC at each time where each patient counts as often as a row of `draws` says; NaN where undefined."""
        auc = np.full((len(draws), len(self.times)), np.nan)
        for k, horizon in enumerate(self.times):
            order = self.order[k]
            drawn = draws[:, order]
            late = self.time[order] > horizon
            below = np.concatenate([np.zeros((len(draws), 1)), np.cumsum(drawn * late, axis=1)], axis=1)  # (R, P + 1)
            rows = np.flatnonzero(~late & (self.weight[order] > 0))
            case = drawn[:, rows] * self.weight[order[rows]]
            beaten = below[:, self.group_start[k, rows]] + below[:, self.group_end[k, rows]]
            pairs = case.sum(axis=1) * below[:, -1]
            np.divide(0.5 * (case * beaten).sum(axis=1), pairs, out=auc[:, k], where=pairs > 0)
        return auc


def _ties(risk: Float[np.ndarray, " P"], tied_tol: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The order of risks, and for each in that order where its group of ties begins and ends."""
    order = np.argsort(risk, kind="stable")
    begins = np.append(True, np.diff(risk[order]) > tied_tol)
    starts = np.flatnonzero(begins)
    group = np.cumsum(begins) - 1
    return order, starts[group], np.append(starts[1:], len(risk))[group]
