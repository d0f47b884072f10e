"""The methods of a study that are ablations of another, in the order of the published table."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from prognoscope.models.registry import model_class
from prognoscope.report.run_folder import ABLATION_COLUMNS
from prognoscope.study.spec import MethodSection


def pairs_of(methods: Sequence[MethodSection]) -> list[tuple[str, str]]:
    """Which methods of a study are compared: every two of them, and each ablation with its whole method only."""
    wholes = [method.title for method in methods if method.ablation_of is None]
    ablated = [(method.title, method.ablation_of) for method in methods if method.ablation_of is not None]
    return [*combinations(wholes, 2), *ablated]


def ablation_table(methods: Sequence[MethodSection], metrics: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The rows of the ablation tables, each as its paper has it, the whole method first or last.

    Args:
        metrics, pairs: The tables of metrics and of paired differences of the run.

    Returns:
        ABLATION_COLUMNS: the whole method's title (ablation_of), the row's name in the paper, the entry's title
        (method), its C-index and integrated Brier score with intervals, the SD over folds with ddof 0, and how much
        higher its C-index is than the whole method's, which has no difference itself.
    """
    summaries = metrics[metrics["fold"] == "all"].set_index(["method", "metric"])
    differences = pairs[pairs["metric"] == "c_index"].set_index(["method_a", "method_b"])
    rows = []
    for whole in methods:
        ablated = [method for method in methods if method.ablation_of == whole.title]
        if not ablated:
            continue
        kind = model_class(whole.name)
        named = [(method, method.row or method.title) for method in ablated]
        named.insert(0 if kind.whole_is_first else len(named), (whole, kind.whole_row or whole.title))
        for method, row in named:
            numbers = [_cells(summaries, (method.title, "c_index"), ("value", "low", "high", "sd"))]
            at = (method.title, whole.title)
            numbers.append(_cells(differences, at, ("difference", "low", "high", "p_bootstrap", "p_t")))
            numbers.append(_cells(summaries, (method.title, "integrated_brier"), ("value", "low", "high")))
            rows.append((whole.title, row, method.title, *np.concatenate(numbers)))
    return pd.DataFrame(rows, columns=ABLATION_COLUMNS)


def _cells(table: pd.DataFrame, at: tuple[str, str], columns: Sequence[str]) -> np.ndarray:
    if at not in table.index:
        return np.full(len(columns), np.nan)
    return table.loc[at, list(columns)].to_numpy(float)
