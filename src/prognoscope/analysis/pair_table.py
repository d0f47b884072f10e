"""Methods of one run against each other, in pairs."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.paired import Measured, check_paired, difference, measure
from prognoscope.runs.tables import COMPARISON

COMPARED = ("c_index", "integrated_brier")  # metrics


def pair_table(
    folds: Mapping[str, Sequence[Fold]],
    pairs: Iterable[tuple[str, str]],
    *,
    metrics: Iterable[str] = COMPARED,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """The paired differences of pairs of methods for each metric.

    Args:
        folds: Method -> its folds.

    Returns:
        Columns of `COMPARISON`.
    """
    rows, pairs = [], list(pairs)
    methods = list(dict.fromkeys(method for pair in pairs for method in pair))
    for method in methods[1:]:
        check_paired(folds[methods[0]], folds[method])
    for metric in metrics:
        measured: dict[str, Measured] = {}
        for method in methods:
            try:
                measured[method] = measure([folds[method]], metric=metric, draws=draws, seed=seed)
            except MetricError:
                if metric == COMPARED[0]:
                    raise
                continue  # the metric's own row says that and why it is not defined
        for a, b in pairs:
            if a in measured and b in measured:
                found = difference(measured[a], measured[b])
                row = (found.difference, found.low, found.high, found.p_bootstrap, found.p_t)
                rows.append((metric, a, b, *row))
    return pd.DataFrame(rows, columns=list(COMPARISON.columns))
