"""What each modality is worth to the models of a run: their C-index before and after genes or bags were shuffled."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from prognoscope.core.outcome import Prediction
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.summary import find_metric
from prognoscope.runs.read import Run
from prognoscope.runs.tables import (
    ALL_FOLDS,
    BAGS_SHUFFLED,
    GENES_SHUFFLED,
    OUTCOMES_PERMUTED,
    SURGERY,
    numbered_columns,
)

KINDS = {"genes_": GENES_SHUFFLED, "bags_": BAGS_SHUFFLED}  # columns of risks, and the table's word
Risks = Mapping[int, Sequence[np.ndarray]]  # fold -> the risks of each shuffle


def surgery_table(run: Run, folds: Mapping[str, Sequence[Fold]], *, draws: int, seed: int) -> pd.DataFrame:
    """What surgery did to the C-index: a row a method, kind of surgery and fold, and "all" with the mean of the folds.

    Intervals are of patients drawn anew within folds, paired: the same draw before and after.

    Args:
        folds: Method -> its folds as they were predicted.

    Returns:
        Columns of `SURGERY`: before and after (the mean of the shuffles), with its interval, and the drop with its own.
    """
    rows = []
    for method, each in folds.items():
        left = run.method(method)
        for prefix, word in KINDS.items():
            risks = {fold.fold: _shuffled_risks(left.operated.get(fold.fold), prefix, fold) for fold in each}
            if all(risks.values()):
                rows += _rows(method, word, each, risks, draws=draws, seed=seed)
        if left.permuted is not None:
            risk = left.permuted.set_index("patient_id")["risk"]
            operated = [fold for fold in each if set(fold.outcome.patients) == set(risk.index)]
            risks = {fold.fold: [risk.loc[list(fold.outcome.patients)].to_numpy(float)] for fold in operated}
            rows += _rows(method, OUTCOMES_PERMUTED, operated, risks, draws=draws, seed=seed)[:-1]
    return pd.DataFrame(rows, columns=list(SURGERY.columns))


def _shuffled_risks(table: pd.DataFrame | None, prefix: str, fold: Fold) -> list[np.ndarray]:
    if table is None:
        return []
    ordered = table.set_index("patient_id").loc[list(fold.outcome.patients)]
    return [ordered[name].to_numpy(float) for name in numbered_columns(ordered, prefix)]


def _rows(method: str, word: str, folds: Sequence[Fold], risks: Risks, *, draws: int, seed: int) -> list[tuple]:
    metric = find_metric("c_index")
    rows, values, drawn = [], [], []
    for fold in folds:
        counts = draw_counts(fold, draws, seed)
        after = [_with_risk(fold, risk) for risk in risks[fold.fold]]
        values.append((metric(fold), np.mean([metric(each) for each in after])))
        drawn.append(
            (metric.of_draws(fold, counts), np.mean([metric.of_draws(each, counts) for each in after], axis=0))
        )
        rows.append((method, word, str(fold.fold), *_numbers(values[-1:], drawn[-1:])))
    return [*rows, (method, word, ALL_FOLDS, *_numbers(values, drawn))] if rows else []


def _numbers(values: Sequence[tuple], drawn: Sequence[tuple]) -> tuple[float, ...]:
    before, after = np.mean(values, axis=0)
    draws_before, draws_after = np.mean(drawn, axis=0)
    spread, drop = percentile_interval(draws_after), percentile_interval(draws_before - draws_after)
    return float(before), float(after), *spread, float(before - after), *drop


def _with_risk(fold: Fold, risk: np.ndarray) -> Fold:
    prediction = Prediction(fold.prediction.patients, risk, fold.prediction.survival)
    return replace(fold, prediction=prediction)
