"""Methods on the same patients: a metric of each, the paired difference, its interval, and two tests."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prognoscope.core.distributions import two_sided_t
from prognoscope.core.errors import MetricError, some
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.summary import check_folds, find_metric


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much higher a metric is for method a than for method b, as a mean over folds."""

    difference: float  # a - b
    low: float  # 95 % interval, paired bootstrap over patients within folds
    high: float
    p_bootstrap: float  # two-sided
    p_t: float  # two-sided, corrected resampled t-test over folds; NaN with one fold


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of one method; comparable with another's of the same patients, folds and seed."""

    values: Float[np.ndarray, " J"]  # by fold, mean over trainings
    drawn: Float[np.ndarray, " R"]  # the mean over folds in every draw of patients
    test_to_train: float = float("nan")  # test patients per training patient; NaN where values are not of folds
    of_trainings: tuple[float, ...] = ()  # the mean over folds of each training; empty where it is not known

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

    def sd_of_trainings(self, ddof: int = 0) -> float:
        """The standard deviation of the mean over folds, over trainings; NaN with one training, or too few of them."""
        several = len(self.of_trainings) > max(ddof, 1)
        return float(np.std(self.of_trainings, ddof=ddof)) if several else float("nan")


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
    of_trainings = tuple(float(np.mean(each)) for each in values)
    return Measured(np.mean(values, axis=0), np.mean(drawn, axis=0), float(np.mean(ratios)), of_trainings)


def difference(a: Measured, b: Measured) -> PairedDifference:
    """The paired difference a - b; without a t-test where the values are not of folds."""
    by_fold, drawn = a.values - b.values, a.drawn - b.drawn
    has_folds = np.isfinite(a.test_to_train)
    p_t = corrected_t_test(by_fold, test_to_train=a.test_to_train) if has_folds else float("nan")
    return PairedDifference(float(by_fold.mean()), *percentile_interval(drawn), p_of_draws(drawn), p_t)


def compare(
    a: Sequence[Fold], b: Sequence[Fold], *, metric: str = "c_index", draws: int = 1000, seed: int = 0
) -> PairedDifference:
    """The paired difference of two methods that were tested on the same patients of the same folds.

    Both methods see the same draws of patients. `p_bootstrap` is twice the share of draws on the rarer side of zero,
    counting one more draw on each side, so it is never 0.

    Raises:
        MetricError: Folds, patients or outcomes differ; the metric is unknown, has no mean over folds (a p-value),
            or is not defined on a fold of either.
    """
    check_paired(a, b)
    return difference(*(measure([folds], metric=metric, draws=draws, seed=seed) for folds in (a, b)))


def p_of_draws(drawn: Float[np.ndarray, " R"]) -> float:
    """The two-sided p-value of a difference from its bootstrap draws; NaN where none is defined."""
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return float("nan")
    rarer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(drawn) + 1))


def corrected_t_test(differences: Float[np.ndarray, " J"], *, test_to_train: float) -> float:
    """The two-sided p-value of a mean difference over J folds whose training parts overlap; NaN with one fold.

    The variance of the mean is (1 / J + test_to_train) times the variance over folds, with J - 1 degrees of freedom.

    Args:
        test_to_train: Test patients per training patient, 1/4 in five folds.

    Source: Nadeau, Bengio: Inference for the generalization error. Machine Learning 2003.
    """
    folds = len(differences)
    if folds < 2:
        return float("nan")
    mean, variance = differences.mean(), differences.var(ddof=1)
    if variance <= (1e-12 * np.abs(differences).max()) ** 2:  # equal in all folds but for rounding
        return 1.0 if mean == 0 else 0.0
    t = mean / np.sqrt((1 / folds + test_to_train) * variance)
    return two_sided_t(t, folds - 1)


def check_paired(a: Sequence[Fold], b: Sequence[Fold]) -> None:
    """Refuse methods that were not tested on the same patients of the same folds.

    Raises:
        MetricError: Folds, patients or outcomes differ.
    """
    check_folds(a)
    check_folds(b)
    ours, theirs = ({fold.fold: _in_order(fold) for fold in folds} for folds in (a, b))
    if odd := sorted(ours.keys() ^ theirs.keys()):
        raise MetricError(f"Only one of the two methods has fold {some(odd)}. Compare methods run on the same splits.")
    for number, fold in ours.items():
        one, other = fold.outcome, theirs[number].outcome
        if odd := sorted(set(one.patients) ^ set(other.patients)):
            raise MetricError(
                f"Fold {number} has other patients in the two methods: {some(odd)}. "
                "Compare methods run on the same splits."
            )
        same = (one.time == other.time) & (one.event == other.event)
        if not same.all():
            odd = [patient for patient, equal in zip(one.patients, same, strict=True) if not equal]
            raise MetricError(f"Fold {number}: the outcome differs between the two methods for {some(odd)}.")


def _in_order(fold: Fold) -> Fold:
    """The same fold with its patients in alphabetical order."""
    order = np.argsort(np.array(fold.outcome.patients))
    return fold if (order == np.arange(len(fold))).all() else fold.take(order)
