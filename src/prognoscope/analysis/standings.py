"""How the methods of a run stand to each other: each with its numbers, in order, and in pairs."""

from typing import Any

import numpy as np
import pandas as pd

from prognoscope.analysis.comparison import RISK_GROUP_METRICS
from prognoscope.evaluation import METRICS
from prognoscope.runs.read import Run
from prognoscope.runs.tables import ALL_FOLDS, COMPARISON, ORACLES

MAIN = "c_index"
BESIDE = ("c_index_ipcw", "integrated_brier", "auc", "d_calibration_p")  # columns after the C-index
SUBTYPE = ("subtype_accuracy", "subtype_auroc")


def method_table(run: Run, *, common: bool = False) -> pd.DataFrame:
    """A row for each method, then for each oracle.

    Args:
        common: On the patients whom all methods were tested on, not on all whom each was.

    Returns:
        Columns method, label, kind ("method" or "oracle"), patients, optimistic (the reason, or ""), best (whether the
        paired intervals put its C-index above that of every other method), of_the_way (from 0.5 to that of the oracle;
        NaN without an oracle), `<metric>`, `<metric>_low`, `_high`, `_sd` (over folds), and `fold_<k>`, the
        C-index by fold.
    """
    ceiling = run.summary("oracle", MAIN, common=common)
    best, whole = best_method(run, MAIN), len(run.common if common else run.held_out)
    tested = {name: whole if common else each.predictions["patient_id"].nunique() for name, each in run.methods.items()}
    beside = [m for m in BESIDE if any(run.summary(name, m, common=common) is not None for name in run.methods)]
    metrics = [MAIN, *beside]
    rows = []
    for name in [*run.methods, *run.oracles()]:
        kind = "method" if name in run.methods else "oracle"
        row: dict[str, Any] = {
            "method": name,
            "label": ORACLES.get(name, name) if kind == "oracle" else name,
            "kind": kind,
            "patients": tested.get(name, whole),
        }
        row |= {"optimistic": run.optimistic.get(name, ""), "best": name == best, "of_the_way": np.nan}
        for metric in metrics:
            found = run.summary(name, metric, common=common)
            keys = (metric, f"{metric}_low", f"{metric}_high", f"{metric}_sd")
            values = (np.nan,) * 4 if found is None else (found["value"], found["low"], found["high"], found["sd"])
            row |= dict(zip(keys, values, strict=True))
        if kind == "method" and ceiling is not None and ceiling["value"] > 0.5 and row["patients"] == whole:
            row["of_the_way"] = (row[MAIN] - 0.5) / (ceiling["value"] - 0.5)
        folds = run.by_fold(name, MAIN, common=common)
        rows.append(row | {f"fold_{fold}": folds.get(fold, np.nan) for fold in run.fold_numbers})
    return pd.DataFrame(rows)


def is_unequal(run: Run) -> bool:
    """Whether methods were tested on different patients, and were compared on those whom all were."""
    return run.common_metrics is not run.metrics


def higher_is_better(metric: str) -> bool:
    """The direction of a metric; of one that is not known, upwards."""
    if metric in RISK_GROUP_METRICS:
        return RISK_GROUP_METRICS[metric]
    return metric not in METRICS or METRICS[metric].higher_is_better


def paired(run: Run, metric: str, a: str, b: str) -> pd.Series | None:
    """The paired difference a - b, whichever way round the run has it; None where it has none."""
    table = run.comparison[run.comparison["metric"] == metric]
    there = table[(table["method_a"] == a) & (table["method_b"] == b)]
    if len(there):
        return there.iloc[0]
    back = table[(table["method_a"] == b) & (table["method_b"] == a)]
    if back.empty:
        return None
    row = back.iloc[0].copy()
    row["method_a"], row["method_b"], row["difference"] = a, b, -row["difference"]
    row["low"], row["high"] = -row["high"], -row["low"]
    return row


def is_better(row: pd.Series | None) -> bool:
    """Whether the whole interval of a paired difference is in favour of the first method."""
    if row is None or not (np.isfinite(row["low"]) and np.isfinite(row["high"])):
        return False
    return bool(row["low"] > 0 if higher_is_better(row["metric"]) else row["high"] < 0)


def summaries(run: Run, metric: str) -> dict[str, pd.Series]:
    """Method -> its row of the metric over all folds, of methods that have one; in the run's order.

    It is of the patients whom all methods were tested on, so that methods can be set beside each other.
    """
    return {name: row for name in run.methods if (row := run.summary(name, metric, common=True)) is not None}


def ranking(run: Run, metric: str) -> list[str]:
    """The methods with a value of the metric, best first; ties in the run's order."""
    values = {name: row["value"] for name, row in summaries(run, metric).items()}
    return sorted(values, key=values.__getitem__, reverse=higher_is_better(metric))


def is_flattered(run: Run, a: str, b: str) -> bool:
    """Whether a comparison favours the first method because its numbers alone are optimistic."""
    return a in run.optimistic and b not in run.optimistic


def best_method(run: Run, metric: str) -> str | None:
    """The method that the paired intervals put above every other one; None where they do not.

    An optimistic number is not better than one that is not, whatever the interval.
    """
    ranked = ranking(run, metric)
    if len(ranked) < 2 or len(ranked) < len(run.methods):
        return None
    leader, *others = ranked
    if any(is_flattered(run, leader, other) for other in others):
        return None
    return leader if all(is_better(paired(run, metric, leader, other)) for other in others) else None


def difference_table(run: Run, metric: str = MAIN) -> pd.DataFrame:
    """The paired differences of all pairs, the better method first, pairs of the leader on top.

    Returns:
        Columns of `COMPARISON`, then supported (the interval leaves 0 out) and optimistic (one of the two is).
    """
    ranked = ranking(run, metric)
    pairs = [(a, b) for i, a in enumerate(ranked) for b in ranked[i + 1 :]]
    rows = [row for a, b in pairs if (row := paired(run, metric, a, b)) is not None]
    table = pd.DataFrame(rows, columns=list(COMPARISON.columns)).reset_index(drop=True)
    supported = (table["low"].astype(float) > 0) | (table["high"].astype(float) < 0)
    flattered = table["method_a"].isin(list(run.optimistic)) | table["method_b"].isin(list(run.optimistic))
    return table.assign(supported=supported, optimistic=flattered)


def subtype_table(run: Run) -> pd.DataFrame:
    """Metrics of the predicted subtype: method, metric, value, low, high, sd; no rows where none was predicted."""
    rows = [
        {"method": name, "metric": metric, **found[["value", "low", "high", "sd"]]}
        for name in run.methods
        for metric in SUBTYPE
        if (found := run.summary(name, metric)) is not None
    ]
    return pd.DataFrame(rows, columns=["method", "metric", "value", "low", "high", "sd"])


def other_metrics(run: Run) -> pd.DataFrame:
    """Summaries of metrics that have no column of their own elsewhere: method, metric, value, low, high, sd."""
    table = run.metrics[(run.metrics["fold"] == ALL_FOLDS) & run.metrics["method"].isin(list(run.methods))]
    table = table[~table["metric"].isin([MAIN, *BESIDE, *SUBTYPE])]
    return table[["method", "metric", "value", "low", "high", "sd"]].reset_index(drop=True)
