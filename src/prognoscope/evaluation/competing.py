"""Where another event may come first: cumulative incidence by Aalen and Johansen, and whether groups differ in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from prognoscope.core.distributions import normal_quantile, two_sided_normal
from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.core.subdistribution import SubdistributionFit, fit_subdistribution
from prognoscope.evaluation.checks import checked_outcome
from prognoscope.evaluation.curves import SurvivalCurve, kaplan_meier
from prognoscope.evaluation.group_tests import HazardRatio

LEAST_VARIANCE = 1e-12  # of a log ratio; below, it is what rounding left of 0


@dataclass(frozen=True, slots=True)
class IncidenceCurve:
    """The chance that the event of interest has come by each of U times, before any other, with its 95 % band."""

    time: Float[np.ndarray, " U"]  # months, ascending, each at which somebody's follow-up ended
    incidence: Float[np.ndarray, " U"]
    low: Float[np.ndarray, " U"]
    high: Float[np.ndarray, " U"]
    at_risk: Int[np.ndarray, " U"]  # just before each time
    events: Int[np.ndarray, " U"]  # of interest

    def at(self, times: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
        """The incidence by each of these times."""
        return np.append(0.0, self.incidence)[np.searchsorted(self.time, times, "right")]


def aalen_johansen(
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    competing: Bool[np.ndarray, " P"],
    confidence: float = 0.95,
) -> IncidenceCurve:
    """The cumulative incidence of the event of interest, with pointwise bands by log(-log).

    One minus Kaplan-Meier, with competing events as censored, is above it: it is the chance of the event in a world
    without the others.

    Raises:
        MetricError: There are no patients, a time is not finite, or somebody has both events.

    Source: Aalen, Johansen: An empirical transition matrix for non-homogeneous Markov chains. Scand J Stat 1978. The
        variance as in Marubini, Valsecchi: Analysing survival data from clinical trials. Wiley 1995, 10.12.
    """
    time, event = checked_outcome(time, event)
    if (event & competing).any():
        raise MetricError(f"{(event & competing).sum()} patients have the event and a competing one.")
    at, place, total = np.unique(time, return_inverse=True, return_counts=True)
    own = np.bincount(place[event], minlength=len(at))
    either = np.bincount(place[event | competing], minlength=len(at))
    at_risk = len(time) - np.cumsum(total) + total
    free = np.cumprod(1 - either / at_risk)  # of any event
    before = np.append(1.0, free[:-1])
    incidence = np.cumsum(before * own / at_risk)
    variance = _variance(incidence, before, own, either, at_risk)
    inside = (incidence > 0) & (incidence < 1 - 1e-12)  # beyond, bands meet
    safe = np.where(inside, incidence, 0.5)
    spread = normal_quantile(0.5 + confidence / 2) * np.sqrt(variance) / np.abs(safe * np.log(safe))
    low, high = (np.where(inside, safe ** np.exp(sign * spread), incidence) for sign in (1, -1))
    return IncidenceCurve(at, incidence, low, high, at_risk, own)


def event_free(outcome: Outcome) -> SurvivalCurve:
    """The chance of not having had the event of interest, with its band.

    By Kaplan and Meier; where other events compete, one minus the cumulative incidence.

    Raises:
        MetricError: There are no patients, or a time is not finite.
    """
    if outcome.competing is None:
        return kaplan_meier(time=outcome.time, event=outcome.event)
    curve = aalen_johansen(time=outcome.time, event=outcome.event, competing=outcome.competing)
    at, place = np.unique(outcome.time, return_inverse=True)
    censored = np.bincount(place[~outcome.any_event], minlength=len(at))
    survival, low, high = (1 - each for each in (curve.incidence, curve.high, curve.low))
    return SurvivalCurve(curve.time, survival, low, high, curve.at_risk, curve.events, censored)


def event_free_name(outcome: Outcome) -> str:
    """Whose estimate that is."""
    return "Kaplan-Meier" if outcome.competing is None else "Aalen-Johansen"


def _variance(incidence, before, own, either, at_risk) -> np.ndarray:
    """At each time t the sum over earlier ones of what each adds, given how far the incidence is yet to go until t."""
    left = np.where(at_risk > either, at_risk - either, np.inf)  # nobody left: nothing more can come
    a = either / (at_risk * left)
    b = before**2 * own * (at_risk - own) / np.maximum(at_risk, 1) ** 3
    c = before * own / at_risk.astype(np.float64) ** 2
    # sum_j (F(t) - F_j)^2 a_j + b_j - 2 (F(t) - F_j) c_j, as sums of powers
    first = incidence**2 * np.cumsum(a) - 2 * incidence * np.cumsum(a * incidence) + np.cumsum(a * incidence**2)
    third = incidence * np.cumsum(c) - np.cumsum(c * incidence)
    return np.maximum(first + np.cumsum(b) - 2 * third, 0.0)


def fit_subdistribution_ratio(
    values: Float[np.ndarray, "P 1"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    competing: Bool[np.ndarray, " P"],
) -> SubdistributionFit:
    """The regression on the subdistribution hazard by one column, with an error that says something.

    Raises:
        MetricError: The ratio is 0 or infinite, or nothing is known of how sure it is.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # on the way to infinity
        fit = fit_subdistribution(values, time=time, event=event, competing=competing)
    if not fit.is_converged or not fit.covariance[0, 0] > LEAST_VARIANCE:
        raise MetricError(
            f"{event.sum()} events and {competing.sum()} competing ones of {len(time)} patients tell no finite ratio "
            "of subdistribution hazards, or not how sure it is."
        )
    return fit


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """How the cumulative incidence of one group is to that of another."""

    ratio: HazardRatio  # of the subdistribution hazards
    p: float  # that they are the same


def incidence_difference(
    is_high: Bool[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    competing: Bool[np.ndarray, " P"],
    confidence: float = 0.95,
) -> GroupDifference:
    """The subdistribution hazard ratio of two groups with its robust Wald interval and test.

    Raises:
        MetricError: There is one group only, one of them has no event, or the ratio cannot be told.

    Source: Fine, Gray: A proportional hazards model for the subdistribution of a competing risk. JASA 1999.
    """
    time, event = checked_outcome(time, event)
    if not 0 < is_high.sum() < len(is_high):
        raise MetricError(f"All {len(is_high)} patients are in one group, so there is nothing to compare.")
    if not (event & is_high).any() or not (event & ~is_high).any():
        raise MetricError("One of the groups has no event, so the ratio of their hazards is 0 or infinite.")
    fit = fit_subdistribution_ratio(is_high[:, None].astype(np.float64), time=time, event=event, competing=competing)
    beta, sd = float(fit.beta[0]), float(np.sqrt(fit.covariance[0, 0]))
    half = normal_quantile(0.5 + confidence / 2) * sd
    ratio = HazardRatio(*(float(np.exp(each)) for each in (beta, beta - half, beta + half)))
    return GroupDifference(ratio, float(two_sided_normal(beta / sd)))
