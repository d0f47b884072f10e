"""Kaplan-Meier curves of events and of censoring, their bands and medians."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from prognoscope.core.distributions import normal_quantile
from prognoscope.core.errors import MetricError, some
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.checks import checked_outcome


@dataclass(frozen=True, slots=True)
class SurvivalCurve:
    """A Kaplan-Meier curve at its U distinct times, ascending. It is 1 before the first."""

    time: Float[np.ndarray, " U"]  # months, of events and of censorings
    survival: Float[np.ndarray, " U"]
    low: Float[np.ndarray, " U"]  # band, by the log-log transform
    high: Float[np.ndarray, " U"]
    at_risk: Int[np.ndarray, " U"]  # patients followed until then or longer
    events: Int[np.ndarray, " U"]
    censored: Int[np.ndarray, " U"]

    def at(self, times: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
        """Survival at these times, the steps taken at their left end; beyond the last time its last value."""
        return _step(self.time, self.survival, times)


@dataclass(frozen=True, slots=True)
class Median:
    """The time, in months, by which half of the patients had the event; infinite where that was not reached."""

    value: float
    low: float  # where the lower band crosses one half (Brookmeyer and Crowley)
    high: float


@dataclass(frozen=True, slots=True)
class CensoringCurve:
    """G, the chance of not being censored by a time: Kaplan-Meier with censorings as what is counted."""

    time: Float[np.ndarray, " U"]  # months, ascending
    probability: Float[np.ndarray, " U"]

    def at(self, times: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
        """G at these times; beyond the last time its last value."""
        return _step(self.time, self.probability, times)

    def weights(self, times: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
        """1 / G at these times.

        Raises:
            MetricError: A time lies after the last one that G is known for, or G is zero there.
        """
        last = self.time[-1]
        if len(beyond := times[times > last]) and self.probability[-1] > 0:
            raise MetricError(
                f"The time {some(f'{t:g}' for t in beyond)} lies beyond the last training time, {last:g} months, so "
                "its chance of censoring is unknown. Evaluate up to an earlier time (tau)."
            )
        chance = self.at(times)
        if len(zero := times[chance == 0]):
            raise MetricError(
                f"Every training patient is censored by {zero.min():g} months, so what happened then cannot be "
                "weighted. Evaluate up to an earlier time (tau)."
            )
        return 1 / chance


def kaplan_meier(
    *, time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"], confidence: float = 0.95
) -> SurvivalCurve:
    """The Kaplan-Meier curve with pointwise log-log bands (Greenwood's variance); bands meet where S is 0 or 1.

    Raises:
        MetricError: There are no patients, or a time is not finite.

    Source: Kalbfleisch, Prentice: The statistical analysis of failure time data. Wiley 1980.
    """
    at, at_risk, events, censored = _counts(*checked_outcome(time, event))
    survival = np.cumprod(1 - events / at_risk)
    inside = (survival > 0) & (survival < 1)
    remaining = np.where(at_risk > events, at_risk - events, 1)
    variance = np.cumsum(events / (at_risk * remaining))
    log_survival = np.log(survival, where=inside, out=np.full(len(at), -1.0))
    spread = normal_quantile(0.5 + confidence / 2) * np.sqrt(variance) / log_survival  # negative
    low, high = (np.where(inside, survival ** np.exp(sign * spread), survival) for sign in (-1, 1))
    return SurvivalCurve(at, survival, low, high, at_risk, events, censored)


def median_survival(curve: SurvivalCurve) -> Median:
    """The median survival time of a curve with its interval, in months; infinite where one half is not reached."""
    return Median(*(_first_at_half(curve.time, each) for each in (curve.survival, curve.low, curve.high)))


def censoring_curve(train: Outcome) -> CensoringCurve:
    """G of the training patients; at equal times events, competing ones too, come before censorings.

    Raises:
        MetricError: There are no training patients.
    """
    at, at_risk, events, censored = _counts(*checked_outcome(train.time, train.any_event))
    still = np.maximum(at_risk - events, 1)  # nobody is left to be censored where this is not at_risk - events
    return CensoringCurve(at, np.cumprod(1 - censored / still))


def _counts(time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"]) -> tuple[np.ndarray, ...]:
    """The distinct times, and at each how many were at risk, had the event, were censored."""
    at, place, total = np.unique(time, return_inverse=True, return_counts=True)
    events = np.bincount(place[event], minlength=len(at))
    return at, len(time) - np.cumsum(total) + total, events, total - events


def _step(at: Float[np.ndarray, " U"], values: Float[np.ndarray, " U"], times: Float[np.ndarray, " T"]) -> np.ndarray:
    return np.append(1.0, values)[np.searchsorted(at, times, "right")]


def _first_at_half(time: Float[np.ndarray, " U"], survival: Float[np.ndarray, " U"]) -> float:
    below = np.flatnonzero(survival <= 0.5)
    return float(time[below[0]]) if len(below) else float("inf")
