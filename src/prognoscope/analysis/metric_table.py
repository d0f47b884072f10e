"""A run's predictions -> its table of metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Prediction
from prognoscope.core.words import listed
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.classification import accuracy, accuracy_of_draws, auroc, auroc_of_draws
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.summary import evaluate
from prognoscope.runs.read import Run
from prognoscope.runs.tables import ALL_FOLDS, METRICS, numbered_columns

SUBTYPE_METRICS = {"subtype_accuracy": (accuracy, accuracy_of_draws), "subtype_auroc": (auroc, auroc_of_draws)}


def metric_table(
    run: Run,
    folds: Mapping[str, Sequence[Fold]],
    *,
    draws: int,
    seed: int,
    ddof: int = 0,
    oracles: Mapping[str, pd.Series] | None = None,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Every metric of every method and fold, oracles of a simulated cohort below; and notes on what is not defined.

    Args:
        folds: Method -> its folds.
        ddof: Of the SD over folds.
        oracles: A row's name -> the risk of each patient, of those who know the truth.

    Returns:
        Columns of `METRICS`.
    """
    parts: list[pd.DataFrame] = []
    notes: dict[str, list[str]] = {}  # each once, with the methods that it is of
    for method, each in folds.items():
        table = evaluate(each, draws=draws, seed=seed, ddof=ddof)
        for note in table.attrs.get("notes", ()):
            notes.setdefault(note, []).append(method)
        subtype = _subtype_metrics(run.method(method).tested, each, draws=draws, seed=seed, ddof=ddof)
        parts += [found.assign(method=method) for found in (table, subtype) if len(found)]
    most = max(folds.values(), key=lambda each: sum(map(len, each)))
    for name, risk in (oracles or {}).items():
        told = [_with_risk(fold, risk) for fold in most]
        parts.append(evaluate(told, metrics=["c_index"], draws=draws, seed=seed, ddof=ddof).assign(method=name))
    return pd.concat(parts, ignore_index=True)[list(METRICS.columns)], tuple(
        f"{'All methods' if len(of) == len(folds) > 1 else listed(of, 30)}: {note}" for note, of in notes.items()
    )


def _with_risk(fold: Fold, risk: pd.Series) -> Fold:
    values = risk.loc[list(fold.outcome.patients)].to_numpy(float)
    return replace(fold, prediction=Prediction(fold.outcome.patients, values, fold.prediction.survival))


def _subtype_metrics(
    tested: Mapping[int, pd.DataFrame], folds: Sequence[Fold], *, draws: int, seed: int, ddof: int
) -> pd.DataFrame:
    told = [fold for fold in folds if "subtype" in tested[fold.fold]]
    rows = []
    for name, (value_of, of_draws) in SUBTYPE_METRICS.items():
        values, drawn = [], []
        for fold in told:
            table = tested[fold.fold].set_index("patient_id").loc[list(fold.outcome.patients)]
            probability = table[numbered_columns(table, "subtype_")].to_numpy(float)
            label = table["subtype"].to_numpy(np.int64)
            try:
                value = value_of(probability, label=label)
            except MetricError:  # a fold with one class has no AUROC
                value = np.nan
            of_fold = of_draws(probability, draw_counts(fold, draws, seed), label=label)
            rows.append((name, str(fold.fold), value, *percentile_interval(of_fold), np.nan))
            if np.isfinite(value):
                values.append(value)
                drawn.append(of_fold)
        if values:
            spread = percentile_interval(np.mean(drawn, axis=0))
            sd = float(np.std(values, ddof=ddof)) if len(values) > ddof else np.nan
            rows.append((name, ALL_FOLDS, float(np.mean(values)), *spread, sd))
    return pd.DataFrame(rows, columns=[name for name in METRICS.columns if name != "method"])
