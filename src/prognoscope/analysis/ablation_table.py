"""Published ablation tables in a run's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prognoscope.runs.tables import ABLATIONS, ALL_FOLDS


@dataclass(frozen=True, slots=True)
class AblationRow:
    """One row of a published table: which method of the run it is, and what its paper calls it."""

    ablation_of: str  # the title of the whole method
    row: str
    method: str


def ablation_table(rows: Sequence[AblationRow], metrics: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The rows with their numbers, in the order given.

    Args:
        metrics, pairs: The tables of metrics and of paired differences of the run.

    Returns:
        Columns of `ABLATIONS`: of each row its C-index and integrated Brier score with intervals, the SD over
        folds, and how much higher its C-index is than the whole method's, which has no difference itself.
    """
    summaries = metrics[metrics["fold"] == ALL_FOLDS].set_index(["method", "metric"])
    differences = pairs[pairs["metric"] == "c_index"].set_index(["method_a", "method_b"])
    told = []
    for each in rows:
        numbers = [_cells(summaries, (each.method, "c_index"), ("value", "low", "high", "sd"))]
        at = (each.method, each.ablation_of)
        numbers.append(_cells(differences, at, ("difference", "low", "high", "p_bootstrap", "p_t")))
        numbers.append(_cells(summaries, (each.method, "integrated_brier"), ("value", "low", "high")))
        told.append((each.ablation_of, each.row, each.method, *np.concatenate(numbers)))
    return pd.DataFrame(told, columns=list(ABLATIONS.columns))


def _cells(table: pd.DataFrame, at: tuple[str, str], columns: Sequence[str]) -> np.ndarray:
    if at not in table.index:
        return np.full(len(columns), np.nan)
    return table.loc[at, list(columns)].to_numpy(float)
