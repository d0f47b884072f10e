"""Every metric of every fold and over all folds, with bootstrap intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from prognoscope.core.errors import MetricError, nearest, some
from prognoscope.evaluation import METRICS
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.metric import Metric

CURE = "If it was trained by gradient steps, that went wrong: look at its losses, and lower training.learning_rate."
COLUMNS = ["metric", "fold", "value", "low", "high", "sd"]


def evaluate(
    folds: Sequence[Fold], *, metrics: Sequence[str] | None = None, draws: int = 1000, seed: int = 0, ddof: int = 0
) -> pd.DataFrame:
    """A row per metric and fold, and a row "all" with the mean over folds and its SD.

    `low` and `high` are the 95 % interval over patients drawn with replacement within folds, at the times and with
    the training patients of the fold. A p-value has no interval; its "all" row is that of all patients together.
    What is not defined is NaN, and `frame.attrs["notes"]` lists why; a mean is then over the other folds.

    Args:
        metrics: Names from `METRICS`; all of them by default.
        draws: Bootstrap draws; 0 leaves the intervals empty.
        ddof: Of the SD over folds, which is NaN with no more folds than that.

    Raises:
        MetricError: There are no folds, a fold or metric is named twice or unknown, or a C-index is not defined.
    """
    check_folds(folds)
    notes = []
    held_out = [patient for fold in folds for patient in fold.outcome.patients]
    if len(set(held_out)) < len(held_out):
        notes.append("Some patients are held out in several folds; intervals take folds for independent.")
    notes += _nothing_told(folds)
    counts = {fold.fold: draw_counts(fold, draws, seed) for fold in folds}
    names = list(METRICS) if metrics is None else list(metrics)
    if any(fold.outcome.competing is not None for fold in folds):
        lost = [name for name in names if not find_metric(name).knows_causes]
        names = [name for name in names if name not in lost]
        notes += [f"Not measured, as they know no competing events: {', '.join(lost)}."] * bool(lost)
    rows = [row for name in names for row in _rows(name, find_metric(name), folds, counts, notes, ddof)]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame.attrs["notes"] = notes
    return frame


def _nothing_told(folds: Sequence[Fold]) -> list[str]:
    """Sentences on folds whose predictions tell no patient from another, or leave no chance to anybody."""
    flat = [fold.fold for fold in folds if len(fold) > 1 and np.ptp(fold.prediction.risk) == 0]
    certain = [fold.fold for fold in folds if np.isin(fold.prediction.survival, (0.0, 1.0)).all()]
    told = []
    if flat:
        told.append(f"All patients tested in fold {some(flat)} have one risk, so it tells nothing of them. {CURE}")
    if certain := [number for number in certain if number not in flat]:
        told.append(f"Every chance of survival in fold {some(certain)} is exactly 0 or 1, as no model knows. {CURE}")
    return told


def find_metric(name: str) -> Metric:
    """The metric of this name.

    Raises:
        MetricError: There is none; the message names the nearest.
    """
    if name not in METRICS:
        raise MetricError(f"There is no metric {name!r}; {nearest(name, METRICS)}")
    return METRICS[name]


def check_folds(folds: Sequence[Fold]) -> None:
    """At least one fold, and no number twice."""
    numbers = [fold.fold for fold in folds]
    if not numbers:
        raise MetricError("There are no folds to evaluate.")
    if len(set(numbers)) < len(numbers):
        raise MetricError(f"A fold appears twice among {some(numbers, 12)}. Evaluate one round of folds at a time.")


def _rows(name: str, metric: Metric, folds: Sequence[Fold], counts: dict, notes: list[str], ddof: int) -> list[tuple]:
    values, drawn, lost = [], [], {}
    for fold in folds:
        try:
            values.append(metric(fold))
        except MetricError as cause:
            if name == "c_index":
                raise
            notes.append(f"{name} is not defined. {cause}")
            values.append(np.nan)
        has_draws = metric.pooled is None and np.isfinite(values[-1])
        drawn.append(metric.of_draws(fold, counts[fold.fold]) if has_draws else np.full(len(counts[fold.fold]), np.nan))
        if has_draws and (without := int(np.isnan(drawn[-1]).sum())):
            lost[fold.fold] = without
    if lost:
        least, most = min(lost.values()), max(lost.values())
        how_many = f"{least} to {most}" if least < most else f"{most}"
        where = f"fold {some(lost, 12)}" if len(lost) < len(folds) else "each fold"
        notes.append(f"{name} is not defined in {how_many} of {len(drawn[0])} bootstrap draws of {where}.")
    rows = [
        (name, str(fold.fold), value, *percentile_interval(draw), np.nan)
        for fold, value, draw in zip(folds, values, drawn, strict=True)
    ]
    return [*rows, _over_folds(name, metric, folds, np.array(values), np.array(drawn), notes, ddof)]


def _over_folds(
    name, metric: Metric, folds, values: np.ndarray, drawn: np.ndarray, notes: list[str], ddof: int
) -> tuple:
    if metric.pooled is not None:
        try:
            return name, "all", metric.of_folds(folds), np.nan, np.nan, np.nan
        except MetricError as cause:
            notes.append(f"{name} of all folds is not defined. {cause}")
            return name, "all", np.nan, np.nan, np.nan, np.nan
    defined = np.isfinite(values)
    if not defined.any():
        return name, "all", np.nan, np.nan, np.nan, np.nan
    if not defined.all():
        notes.append(f"The mean of {name} is over {defined.sum()} of {len(values)} folds.")
    low, high = percentile_interval(drawn[defined].mean(axis=0))
    sd = float(values[defined].std(ddof=ddof)) if defined.sum() > ddof else np.nan
    return name, "all", float(values[defined].mean()), low, high, sd
