"""Gray's test: do groups of patients differ in cumulative incidence, where other events compete."""

import numpy as np
from jaxtyping import Bool, Float, Shaped

from prognoscope.core.distributions import chi2_tail
from prognoscope.core.errors import MetricError
from prognoscope.evaluation.checks import checked_outcome
from prognoscope.evaluation.group_tests import TestResult, groups_of


def gray_test(
    group: Shaped[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    competing: Bool[np.ndarray, " P"],
) -> TestResult:
    """Gray's test (rho = 0) that groups have the same cumulative incidence: chi-square, one degree of freedom less.

    The log-rank test of subdistribution hazards: a group counts as at risk R = Y (1 - F) / S, with Y of its patients
    left, F its cumulative incidence and S its chance of no event at all, both just before. Without competing events R
    is Y, as in the log-rank test.

    Raises:
        MetricError: There is one group only, no event, somebody has both events, or nothing tells the groups apart.

    Source: Gray: A class of K-sample tests for comparing the cumulative incidence of a competing risk. Ann Stat 1988.
        The variance is that of its martingale representation, with the pooled F of the null and each group's own S.
    """
    time, event = checked_outcome(time, event)
    names, member = groups_of(group, len(time))
    if (event & competing).any():
        raise MetricError(f"{(event & competing).sum()} patients have the event and a competing one.")
    if not event.any():
        raise MetricError(f"None of the {len(time)} patients had an event, so groups cannot be compared.")
    _, place = np.unique(time, return_inverse=True)
    everybody, own, rival = (
        _counts(rows, member, place, len(names)) for rows in (np.ones_like(event), event, competing)
    )
    left = everybody[::-1].cumsum(axis=0)[::-1]  # (U, G) Y: of each group, followed until then
    some = np.maximum(left, 1)
    free = np.cumprod(1 - (own + rival) / some, axis=0)  # S
    free_before = _before(free, 1.0)
    incidence = np.cumsum(free_before * own / some, axis=0)  # F
    weight = np.where(left > 0, left / np.where(free_before > 0, free_before, 1), 0.0)
    at_risk = weight * (1 - _before(incidence, 0.0))  # R
    events, total = own.sum(axis=1), at_risk.sum(axis=1)
    hazard = np.where(events > 0, events / np.where(events > 0, total, 1), 0.0)  # of the subdistribution, in all
    pooled = 1 - np.cumprod(1 - hazard)[:, None]  # incidence if groups do not differ, (U, 1)
    pooled_before = _before(pooled, 0.0)
    share = at_risk / np.where(total > 0, total, 1)[:, None]
    surplus = (own - share * events[:, None]).sum(axis=0)
    # what an event of interest in group r adds to the surplus of group k, by itself and through later F and S, and what
    # a competing one does: (U, G, G), k before r
    direct = np.eye(len(names)) - share[:, :, None]
    later = direct * (at_risk * hazard[:, None] / (1 - pooled_before))[:, None, :]
    later = later[::-1].cumsum(axis=0)[::-1] - later
    through = later / some[:, None, :]
    by_own = direct + (free_before - (1 - pooled))[:, None, :] * through
    by_rival = (1 - pooled)[:, None, :] * through
    ties = np.where(events > 1, 1 - (events - 1) / np.maximum(total - 1, 1), 1.0)
    covariance = np.einsum("ukr,ulr,ur->kl", by_own, by_own, weight * (1 - pooled_before) * (hazard * ties)[:, None])
    covariance += np.einsum("ukr,ulr,ur->kl", by_rival, by_rival, rival)
    surplus, covariance = surplus[:-1], covariance[:-1, :-1]
    if np.linalg.matrix_rank(covariance) < len(names) - 1:
        raise MetricError(
            f"The groups {', '.join(names)} cannot be told apart: whenever the event comes, all patients at risk are "
            "of one group or all of them have it."
        )
    statistic = float(surplus @ np.linalg.solve(covariance, surplus))
    return TestResult(statistic, chi2_tail(statistic, len(names) - 1))


def _counts(rows: np.ndarray, member: np.ndarray, place: np.ndarray, groups: int) -> np.ndarray:
    """How many of these patients end at each time, (U, G)."""
    counted = np.zeros((place.max() + 1, groups))
    np.add.at(counted, (place[rows], member[rows]), 1)
    return counted


def _before(values: np.ndarray, start: float) -> np.ndarray:
    """Each row's predecessor."""
    return np.vstack([np.full(values.shape[1], start), values[:-1]])
