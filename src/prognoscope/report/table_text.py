"""Tables of a run as rows of text for people, their first row the header."""

import pandas as pd

from prognoscope.analysis.standings import BESIDE, MAIN, method_table
from prognoscope.report.number_words import interval, metric_words, number, optimistic_name, p_cell, pair_name
from prognoscope.runs.read import Run


def method_rows(run: Run) -> list[tuple[str, ...]]:
    """The table of methods and oracles as text, its first row the header: what the command line prints."""
    table = method_table(run)
    shown = [metric for metric in BESIDE if metric in table]
    header = ("Method", "C-index (95 % interval)", *(metric_words(m).label for m in shown))
    rows = []
    for row in table.to_dict("records"):
        others = [
            p_cell(row[metric]) if metric.endswith("_p") else number(row[metric], metric_words(metric).digits)
            for metric in shown
        ]
        rows.append((optimistic_name(row["label"], bool(row["optimistic"])), _with_interval(row, MAIN), *others))
    return [header, *rows]


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


def misfits(run: Run, method: str) -> str:
    """`1 of 5 folds below 0.05`: how often predicted survival does not fit; "" where it was not measured."""
    p = run.by_fold(method, "d_calibration_p").dropna()
    return f"{int((p < 0.05).sum())} of {len(p)} folds below 0.05" if len(p) else ""
