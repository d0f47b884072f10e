"""One metric of many methods on the same patients: values by fold, and bootstrap draws that all of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.compare import Comparison, corrected_t_test, p_of_draws
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.summary import check_folds, find_metric


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of one method; comparable with another's of the same patients, folds and seed."""

    values: Float[np.ndarray, " J"]  # by fold, mean over trainings
    drawn: Float[np.ndarray, " R"]  # the mean over folds in every draw of patients
    test_to_train: float = float("nan")  # test patients per training patient; NaN where values are not of folds

    @property
    def mean(self) -> float:
        """The mean over folds."""
        return float(self.values.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean, over patients drawn with replacement within folds."""
        return percentile_interval(self.drawn)

    def sd(self, ddof: int = 0) -> float:
        """The standard deviation over folds; NaN with too few of them."""
        return float(self.values.std(ddof=ddof)) if len(self.values) > ddof else float("nan")


def measure(trainings: Sequence[Sequence[Fold]], *, metric: str, draws: int = 1000, seed: int = 0) -> Measured:
    """A metric of a method that was trained once or, with several seeds, more often on the same folds.

    Patients are put into one order, so that all methods measured with a seed see the same draws of patients.

    Raises:
        MetricError: The metric is unknown, has no mean over folds (a p-value), or is not defined on a fold.
    """
    how = find_metric(metric)
    if how.pooled is not None:
        raise MetricError(f"{metric} has no mean over folds, so two methods cannot be compared by it. Choose another.")
    if draws < 1:
        raise MetricError(f"A comparison needs bootstrap draws, not {draws}.")
    values, drawn, ratios = [], [], []
    for folds in trainings:
        check_folds(folds)
        folds = [_in_order(fold) for fold in sorted(folds, key=lambda fold: fold.fold)]
        values.append([how(fold) for fold in folds])
        drawn.append(np.mean([how.of_draws(fold, draw_counts(fold, draws, seed)) for fold in folds], axis=0))
        ratios += [len(fold) / len(fold.train) for fold in folds]
    return Measured(np.mean(values, axis=0), np.mean(drawn, axis=0), float(np.mean(ratios)))


def mean_over_cohorts(measured: Sequence[Measured]) -> Measured:
    """The mean of a method over cohorts; its values are those of the cohorts."""
    values = np.array([each.mean for each in measured])
    return Measured(values, np.mean([each.drawn for each in measured], axis=0))


def difference(a: Measured, b: Measured) -> Comparison:
    """The paired difference a - b; without a t-test where the values are not of folds."""
    by_fold, drawn = a.values - b.values, a.drawn - b.drawn
    has_folds = np.isfinite(a.test_to_train)
    p_t = corrected_t_test(by_fold, test_to_train=a.test_to_train) if has_folds else float("nan")
    return Comparison(float(by_fold.mean()), *percentile_interval(drawn), p_of_draws(drawn), p_t)


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


def _in_order(fold: Fold) -> Fold:
    """The same fold with its patients in alphabetical order."""
    order = np.argsort(np.array(fold.outcome.patients))
    return fold if (order == np.arange(len(fold))).all() else fold.take(order)
