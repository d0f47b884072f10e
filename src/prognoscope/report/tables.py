"""The tables of a report: values for programs, and rows of text for people."""

import numpy as np
import pandas as pd

from prognoscope.evaluation.curves import kaplan_meier, median_survival
from prognoscope.report.run_folder import ORACLES, RunFolder
from prognoscope.report.words import (
    DASH,
    METRIC_WORDS,
    higher_is_better,
    interval,
    is_number,
    metric_words,
    number,
    optimistic_name,
    p_cell,
    pair_name,
)

MAIN = "c_index"
BESIDE = ("c_index_ipcw", "integrated_brier", "auc", "d_calibration_p")  # columns after the C-index
SUBTYPE = ("subtype_accuracy", "subtype_auroc")


def method_table(run: RunFolder) -> pd.DataFrame:
    """A row for each method, then for each oracle.

    Returns:
        Columns method, label, kind ("method" or "oracle"), optimistic (the reason, or ""), best (whether the paired
        intervals put its C-index above that of every other method), of_the_way (from 0.5 to the oracle's C-index;
        NaN without an oracle), `<metric>`, `<metric>_low`, `_high`, `_sd` (over folds, ddof 0), and `fold_<k>`, the
        C-index by fold.
    """
    ceiling = run.summary("oracle", MAIN)
    best = best_method(run, MAIN)
    metrics = [m for m in (MAIN, *BESIDE) if m == MAIN or any(run.summary(name, m) is not None for name in run.methods)]
    rows = []
    for name in [*run.methods, *run.oracles()]:
        kind = "method" if name in run.methods else "oracle"
        row = {"method": name, "label": ORACLES.get(name, name) if kind == "oracle" else name, "kind": kind}
        row |= {"optimistic": run.optimistic.get(name, ""), "best": name == best, "of_the_way": np.nan}
        for metric in metrics:
            found = run.summary(name, metric)
            keys = (metric, f"{metric}_low", f"{metric}_high", f"{metric}_sd")
            values = (np.nan,) * 4 if found is None else (found["value"], found["low"], found["high"], found["sd"])
            row |= dict(zip(keys, values, strict=True))
        if kind == "method" and ceiling is not None and ceiling["value"] > 0.5:
            row["of_the_way"] = (row[MAIN] - 0.5) / (ceiling["value"] - 0.5)
        folds = run.by_fold(name, MAIN)
        rows.append(row | {f"fold_{fold}": folds.get(fold, np.nan) for fold in run.folds})
    return pd.DataFrame(rows)


def method_rows(run: RunFolder) -> list[tuple[str, ...]]:
    """The table of methods and oracles as text, its first row the header: what the command line prints."""
    table = method_table(run)
    shown = [metric for metric in BESIDE if metric in table]
    header = ("Method", "C-index (95 % interval)", *(metric_words(m).label for m in shown))
    rows = []
    for row in table.to_dict("records"):
        digits = {metric: metric_words(metric).digits for metric in shown}
        others = [number(row[metric], digits[metric]) for metric in shown]
        rows.append((optimistic_name(row["label"], bool(row["optimistic"])), _with_interval(row, MAIN), *others))
    return [header, *rows]


def paired(run: RunFolder, metric: str, a: str, b: str) -> pd.Series | None:
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
    if row is None or not (is_number(row["low"]) and is_number(row["high"])):
        return False
    return bool(row["low"] > 0 if higher_is_better(row["metric"]) else row["high"] < 0)


def ranking(run: RunFolder, metric: str) -> list[str]:
    """The methods with a value of the metric, best first; ties in the run's order."""
    values = {name: row["value"] for name in run.methods if (row := run.summary(name, metric)) is not None}
    return sorted(values, key=values.__getitem__, reverse=higher_is_better(metric))


def is_flattered(run: RunFolder, a: str, b: str) -> bool:
    """Whether a comparison favours the first method because its numbers alone are optimistic."""
    return a in run.optimistic and b not in run.optimistic


def best_method(run: RunFolder, metric: str) -> str | None:
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


def difference_table(run: RunFolder, metric: str = MAIN) -> pd.DataFrame:
    """The paired differences of all pairs, the better method first, pairs of the leader on top.

    Returns:
        Columns of comparison.csv, then supported (the interval leaves 0 out) and optimistic (one of the two is).
    """
    ranked = ranking(run, metric)
    pairs = [(a, b) for i, a in enumerate(ranked) for b in ranked[i + 1 :]]
    rows = [row for a, b in pairs if (row := paired(run, metric, a, b)) is not None]
    table = pd.DataFrame(rows, columns=run.comparison.columns).reset_index(drop=True)
    supported = (table["low"].astype(float) > 0) | (table["high"].astype(float) < 0)
    flattered = table["method_a"].isin(list(run.optimistic)) | table["method_b"].isin(list(run.optimistic))
    return table.assign(supported=supported, optimistic=flattered)


def subtype_table(run: RunFolder) -> pd.DataFrame:
    """Metrics of the predicted subtype: method, metric, value, low, high, sd; no rows where none was predicted."""
    rows = [
        {"method": name, "metric": metric, **found[["value", "low", "high", "sd"]]}
        for name in run.methods
        for metric in SUBTYPE
        if (found := run.summary(name, metric)) is not None
    ]
    return pd.DataFrame(rows, columns=["method", "metric", "value", "low", "high", "sd"])


def other_metrics(run: RunFolder) -> pd.DataFrame:
    """Summaries of metrics that have no column of their own elsewhere: method, metric, value, low, high, sd."""
    table = run.metrics[(run.metrics["fold"] == "all") & run.metrics["method"].isin(list(run.methods))]
    table = table[~table["metric"].isin(METRIC_WORDS)]
    return table[["method", "metric", "value", "low", "high", "sd"]].reset_index(drop=True)


def fold_table(run: RunFolder) -> pd.DataFrame:
    """Patients, and in brackets events, of each part of each fold: fold, train, validation, test as text."""
    outcome = run.outcome
    events = dict(zip(outcome.patients, outcome.event, strict=True))
    rows = []
    for fold in run.folds:
        row: dict[str, object] = {"fold": fold}
        for part in ("train", "validation", "test"):
            patients = run.part(fold, part)
            row[part] = (
                f"{len(patients)} ({sum(bool(events.get(p, False)) for p in patients)})" if len(patients) else DASH
            )
        rows.append(row)
    return pd.DataFrame(rows, columns=["fold", "train", "validation", "test"])


def follow_up(run: RunFolder) -> dict[str, float]:
    """patients, events, and median_months of follow-up by the reverse Kaplan-Meier method (inf where not reached)."""
    outcome = run.outcome
    reverse = median_survival(kaplan_meier(time=outcome.time, event=~outcome.event)).value
    return {"patients": float(len(outcome)), "events": float(outcome.event.sum()), "median_months": reverse}


def misfits(run: RunFolder, method: str) -> str:
    """`1 of 5 folds below 0.05`: how often predicted survival does not fit; "" where it was not measured."""
    p = run.by_fold(method, "d_calibration_p").dropna()
    return f"{int((p < 0.05).sum())} of {len(p)} folds below 0.05" if len(p) else ""


def difference_rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Paired differences as text, its first row the header."""
    header = ("Pair", "Difference (95 % interval)", "p, bootstrap", "p, t-test", "Supported")
    rows = []
    for row in table.to_dict("records"):
        spread = interval(row["low"], row["high"], sign=True)
        text = f"{number(row['difference'], sign=True)} ({spread})" if spread else number(row["difference"], sign=True)
        pair = optimistic_name(pair_name(row["method_a"], row["method_b"]), row["optimistic"])
        rows.append((pair, text, p_cell(row["p_bootstrap"]), p_cell(row["p_t"]), "yes" if row["supported"] else "no"))
    return [header, *rows]


def _with_interval(row: dict, metric: str) -> str:
    spread = interval(row[f"{metric}_low"], row[f"{metric}_high"])
    return f"{number(row[metric])} ({spread})" if spread else number(row[metric])
