"""Two methods on the same patients: the paired difference, its interval, and two tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from prognoscope.core.errors import MetricError, some
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.summary import check_folds, find_metric


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much higher a metric is for method a than for method b, as a mean over folds."""

    difference: float  # a - b
    low: float  # 95 % interval, paired bootstrap over patients within folds
    high: float
    p_bootstrap: float  # two-sided
    p_t: float  # two-sided, corrected resampled t-test over folds; NaN with one fold


def compare(
    a: Sequence[Fold], b: Sequence[Fold], *, metric: str = "c_index", draws: int = 1000, seed: int = 0
) -> Comparison:
    """The paired difference of two methods that were tested on the same patients of the same folds.

    Both methods see the same draws of patients. `p_bootstrap` is twice the share of draws on the rarer side of zero,
    counting one more draw on each side, so it is never 0.

    Raises:
        MetricError: Folds, patients or outcomes differ; the metric is unknown, has no mean over folds (a p-value),
            or is not defined on a fold of either.
    """
    return Comparer({"a": a, "b": b}, metric=metric, draws=draws, seed=seed).compare("a", "b")


class Comparer:
    """Many methods by one metric: each is measured once, however many it is compared with.

    Raises:
        MetricError: The metric is unknown or has no mean over folds (a p-value), or there are no draws.
    """

    def __init__(
        self, methods: Mapping[str, Sequence[Fold]], *, metric: str = "c_index", draws: int = 1000, seed: int = 0
    ):
        self.how = find_metric(metric)
        if self.how.pooled is not None:
            raise MetricError(
                f"{metric} has no mean over folds, so two methods cannot be compared by it. Choose another."
            )
        if draws < 1:
            raise MetricError(f"A comparison needs bootstrap draws, not {draws}.")
        self.methods, self.draws, self.seed = methods, draws, seed
        self.measured: dict[tuple, tuple[float, Float[np.ndarray, " R"]]] = {}

    def compare(self, a: str, b: str) -> Comparison:
        """As the function of that name, of two of the methods."""
        pairs = _paired(self.methods[a], self.methods[b])
        ours, theirs = (
            [self._measure(name, fold) for fold in folds]
            for name, folds in zip((a, b), zip(*pairs, strict=True), strict=True)
        )
        differences = np.array([one[0] - other[0] for one, other in zip(ours, theirs, strict=True)])
        drawn = sum((one[1] - other[1]) / len(pairs) for one, other in zip(ours, theirs, strict=True))
        ratios = [len(one) / len(one.train) for one, _ in pairs]
        return Comparison(
            float(differences.mean()),
            *percentile_interval(drawn),
            p_of_draws(drawn),
            corrected_t_test(differences, test_to_train=float(np.mean(ratios))),
        )

    def _measure(self, method: str, fold: Fold) -> tuple[float, Float[np.ndarray, " R"]]:
        """The metric of a fold and of its draws, which depend on the order of its patients."""
        key = (method, fold.fold, fold.outcome.patients)
        if key not in self.measured:
            counts = draw_counts(fold, self.draws, self.seed)
            self.measured[key] = (self.how(fold), self.how.of_draws(fold, counts))
        return self.measured[key]


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
    return float(2 * student.sf(abs(t), folds - 1))


def _paired(a: Sequence[Fold], b: Sequence[Fold]) -> list[tuple[Fold, Fold]]:
    """The folds of both by number, the patients of b in the order of a."""
    check_folds(a)
    check_folds(b)
    ours, theirs = ({fold.fold: fold for fold in folds} for folds in (a, b))
    if odd := sorted(ours.keys() ^ theirs.keys()):
        raise MetricError(f"Only one of the two methods has fold {some(odd)}. Compare methods run on the same splits.")
    return [(ours[number], _aligned(ours[number], theirs[number])) for number in sorted(ours)]


def _aligned(ours: Fold, theirs: Fold) -> Fold:
    if odd := sorted(set(ours.outcome.patients) ^ set(theirs.outcome.patients)):
        raise MetricError(
            f"Fold {ours.fold} has other patients in the two methods: {some(odd)}. "
            "Compare methods run on the same splits."
        )
    if ours.outcome.patients != theirs.outcome.patients:
        place = {patient: i for i, patient in enumerate(theirs.outcome.patients)}
        theirs = theirs.take(np.array([place[patient] for patient in ours.outcome.patients]))
    same = (ours.outcome.time == theirs.outcome.time) & (ours.outcome.event == theirs.outcome.event)
    if not same.all():
        odd = [patient for patient, equal in zip(ours.outcome.patients, same, strict=True) if not equal]
        raise MetricError(f"Fold {ours.fold}: the outcome differs between the two methods for {some(odd)}.")
    return theirs
