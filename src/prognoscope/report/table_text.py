"""Tables of a run as rows of text for people, their first row the header."""

import pandas as pd

from prognoscope.analysis.standings import BESIDE, MAIN, is_unequal, method_table
from prognoscope.report.number_words import interval, metric_words, number, optimistic_name, p_cell, pair_name
from prognoscope.runs.read import Run


def method_rows(run: Run) -> list[tuple[str, ...]]:
    """The table of methods and oracles as text, its first row the header: what the command line prints."""
    table, common = method_table(run), method_table(run, common=True)
    shown = [metric for metric in BESIDE if metric in table]
    differ = is_unequal(run)
    on_common = (f"C-index on {len(run.common)} common patients",) if differ else ()
    header = ("Method", *(("Patients",) if differ else ()), "C-index (95 % interval)", *on_common)
    header = (*header, *(metric_words(m).label for m in shown))
    rows = []
    for row, of_common in zip(table.to_dict("records"), common.to_dict("records"), strict=True):
        others = [
            p_cell(row[metric]) if metric.endswith("_p") else number(row[metric], metric_words(metric).digits)
            for metric in shown
        ]
        own = [_with_interval(row, MAIN)]
        if differ:
            own = [number(row["patients"], 0), *own, _with_interval(of_common, MAIN)]
        rows.append((optimistic_name(row["label"], bool(row["optimistic"])), *own, *others))
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
