"""Do groups of patients differ: log-rank test and hazard ratio."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from prognoscope.core.distributions import chi2_tail, normal_quantile
from prognoscope.core.errors import MetricError
from prognoscope.evaluation.checks import checked_outcome


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test statistic and its two-sided p-value."""

    __test__ = False  # pytest takes classes of this name for its own

    statistic: float
    p: float


@dataclass(frozen=True, slots=True)
class HazardRatio:
    """How many times the hazard of one group is that of another, with its 95 % interval."""

    value: float
    low: float
    high: float


def log_rank(
    group: Shaped[np.ndarray, " P"], *, time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"]
) -> TestResult:
    """The unweighted log-rank test between two or more groups: chi-square with one degree of freedom less.

    Raises:
        MetricError: There is one group only, no event, or nothing to tell the groups apart by.

    Source: Mantel: Evaluation of survival data and two new rank order statistics. Cancer Chemother Rep 1966.
    """
    time, event = checked_outcome(time, event)
    names, member = groups_of(group, len(time))
    at, died, at_risk = _deaths(member, len(names), time, event)
    total, dead = at_risk.sum(axis=1), died.sum(axis=1)
    share = at_risk / total[:, None]  # (U, G)
    surplus = (died - dead[:, None] * share).sum(axis=0)[:-1]
    spread = dead * (total - dead) / np.maximum(total - 1, 1)
    covariance = np.diag(spread @ share) - share.T @ (spread[:, None] * share)
    covariance = covariance[:-1, :-1]
    if np.linalg.matrix_rank(covariance) < len(names) - 1:
        raise MetricError(
            f"The groups {', '.join(names)} cannot be told apart: at each of {len(at)} event times all patients at "
            "risk are of one group or all of them die."
        )
    statistic = float(surplus @ np.linalg.solve(covariance, surplus))
    return TestResult(statistic, chi2_tail(statistic, len(names) - 1))


def hazard_ratio(
    is_high: Bool[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    confidence: float = 0.95,
) -> HazardRatio:
    """The hazard of the high-risk group over that of the low-risk group: Cox's model with Efron's ties, Wald interval.

    Raises:
        MetricError: There is one group only, no event, or one group has all events while both are at risk, so that
            the ratio is 0 or infinite.
    """
    time, event = checked_outcome(time, event)
    names, member = groups_of(np.asarray(is_high), len(time))
    _, died, at_risk = _deaths(member, len(names), time, event)
    # Efron: of d deaths at one time, the l-th (from 0) sees the dying weighted by 1 - l / d
    dead = died.sum(axis=1)
    step = np.repeat(np.arange(len(dead)), dead)
    nth = np.arange(len(step)) - np.repeat(np.cumsum(dead) - dead, dead)
    low, high = (at_risk[step] - (nth / dead[step])[:, None] * died[step]).T
    contested = (low > 0) & (high > 0)
    observed = died[:, 1].sum() - (high[~contested] > 0).sum()
    if not 0 < observed < contested.sum():
        raise MetricError("Whenever both groups are at risk, all events are in one: the hazard ratio is 0 or infinite.")
    log_ratio = 0.0
    low, high = low[contested], high[contested]
    for _ in range(100):  # Newton on a concave likelihood of one number
        chance = 1 / (1 + low / high * np.exp(-log_ratio))
        information = (chance * (1 - chance)).sum()
        move = (observed - chance.sum()) / information
        log_ratio += np.clip(move, -1, 1)
        if abs(move) < 1e-12:
            break
    half = normal_quantile(0.5 + confidence / 2) / np.sqrt(information)
    return HazardRatio(*(float(np.exp(each)) for each in (log_ratio, log_ratio - half, log_ratio + half)))


def groups_of(group: Shaped[np.ndarray, " P"], patients: int) -> tuple[list[str], np.ndarray]:
    """The names of groups, and the number of each patient's.

    Raises:
        MetricError: There is one group only, or labels are too few or too many.
    """
    if group.shape != (patients,):
        raise MetricError(f"{len(group)} group labels do not fit {patients} patients.")
    names, member = np.unique(group, return_inverse=True)
    if len(names) < 2:
        raise MetricError(f"All {patients} patients are in one group ({names[0]}), so there is nothing to compare.")
    return [str(name) for name in names], member


def _deaths(member: np.ndarray, groups: int, time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, ...]:
    """The U distinct event times, and at each the events (U, G) and the patients at risk (U, G) of each group."""
    if not event.any():
        raise MetricError(f"None of the {len(time)} patients had an event, so groups cannot be compared.")
    at = np.unique(time[event])
    died = np.zeros((len(at), groups), dtype=np.int64)
    np.add.at(died, (np.searchsorted(at, time[event]), member[event]), 1)
    sorted_times = [np.sort(time[member == each]) for each in range(groups)]
    at_risk = np.stack([len(times) - np.searchsorted(times, at, "left") for times in sorted_times], axis=1)
    return at, died, at_risk
