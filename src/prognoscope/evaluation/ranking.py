"""Methods in order, and which of them paired intervals put above all others."""

from collections.abc import Mapping, Sequence

import numpy as np

from prognoscope.evaluation.paired import Measured, difference
from prognoscope.evaluation.summary import find_metric


def mean_over_cohorts(measured: Sequence[Measured]) -> Measured:
    """The mean of a method over cohorts; its values are those of the cohorts."""
    values = np.array([each.mean for each in measured])
    return Measured(values, np.mean([each.drawn for each in measured], axis=0))


def ranked(measured: Mapping[str, Measured], *, metric: str) -> list[str]:
    """The names, best first; of equals the first given."""
    higher = find_metric(metric).higher_is_better
    return sorted(measured, key=lambda name: measured[name].mean, reverse=higher)


def marks(measured: Mapping[str, Measured], *, metric: str, flattered: frozenset[str] = frozenset()) -> dict[str, str]:
    """Name -> "best" or "second", as far as paired intervals support it.

    The best is marked if its interval against every other one is in its favour; then the second, if its interval
    against every one that is left is. Intervals are not corrected for the number of pairs.

    Args:
        flattered: Whose numbers are optimistic: they are not marked as better than one that is not.
    """
    order, found = ranked(measured, metric=metric), {}
    higher = find_metric(metric).higher_is_better
    for place, mark in enumerate(("best", "second")):
        leader, others = order[place] if place < len(order) else "", order[place + 1 :]
        if not others or (leader in flattered and not flattered >= set(others)):
            break
        against = [difference(measured[leader], measured[other]) for other in others]
        if not all(each.low > 0 if higher else each.high < 0 for each in against):
            break
        found[leader] = mark
    return found
