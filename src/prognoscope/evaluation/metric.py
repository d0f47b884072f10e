"""One line of the table of metrics: where its functions are, and which direction is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prognoscope.core.errors import MetricError
from prognoscope.core.loading import load

if TYPE_CHECKING:
    import numpy as np

    from prognoscope.evaluation.fold import Fold


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a fold. Functions are named as "module:function" and imported when they are first asked for."""

    function: str  # Fold -> float
    higher_is_better: bool
    draws: str | None = None  # (Fold, counts (R, P)) -> (R,): all bootstrap draws at once; None evaluates each
    pooled: str | None = None  # Sequence[Fold] -> float, for what has no mean over folds, such as a p-value
    knows_causes: bool = False  # whether it is defined where other events compete

    def __call__(self, fold: "Fold") -> float:
        """The number of one fold.

        Raises:
            MetricError: It is not defined there; the message names the fold.
        """
        try:
            return load(self.function)(fold)
        except MetricError as cause:
            raise MetricError(f"Fold {fold.fold}: {cause}") from cause

    def of_draws(self, fold: "Fold", counts: "np.ndarray") -> "np.ndarray":
        """The number of each bootstrap draw, in which each patient counts as often as `counts` (R, P) says.

        NaN where a draw leaves it undefined. Times to evaluate at, and all that comes from training, stay the fold's.
        """
        import numpy as np

        if self.draws is not None:
            return load(self.draws)(fold, counts)
        values = np.full(len(counts), np.nan)
        for i, count in enumerate(counts):
            try:
                values[i] = load(self.function)(fold.take(np.repeat(np.arange(len(fold)), count)))
            except MetricError:  # a draw without any event, say: NaN is the answer that this function promises
                continue
        return values

    def of_folds(self, folds: "Sequence[Fold]") -> float:
        """The one number of all folds together, of a metric that has no mean over folds.

        Raises:
            MetricError: It has one, or is not defined.
        """
        if self.pooled is None:
            raise MetricError(f"{self.function} is measured fold by fold; take the mean of the folds.")
        return load(self.pooled)(folds)
