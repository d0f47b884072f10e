"""The ablation tables of a page: each method with its parts taken away, as its paper lists them, in our numbers."""

from typing import Any

import pandas as pd

from prognoscope.report.run_folder import RunFolder
from prognoscope.report.words import DASH, count, interval, listed, number, p_cell

HEADER = (
    *("C-index", "SD over folds (ddof 0)", "Difference to the whole", "p, bootstrap", "p, corrected t-test"),
    "Integrated Brier",
)


def ablation_tables(run: RunFolder) -> list[dict[str, Any]]:
    """A table for each method that was run with ablations: title, caption, header, rows, note."""
    return [_table(run, whole, table) for whole, table in run.ablations.groupby("ablation_of", sort=False)]


def _table(run: RunFolder, whole: str, table: pd.DataFrame) -> dict[str, Any]:
    rows = table.to_dict("records")
    return {
        "title": whole,
        "caption": (
            "Means of the folds on held-out patients, with 95 % intervals. Rows and their order are the paper's. The "
            "difference is the row's C-index minus that of the whole method, on the same patients of the same folds: "
            f"below 0, {whole} loses without what the row takes away."
        ),
        "header": HEADER,
        "rows": [_row(run, row) for row in rows],
        "note": _note(whole, [row for row in rows if row["method"] != whole]),
    }


def _row(run: RunFolder, row: dict) -> dict[str, Any]:
    is_whole = row["method"] == row["ablation_of"]
    spread = interval(row["difference_low"], row["difference_high"], sign=True)
    cells = [
        (number(row["c_index"]), interval(row["c_index_low"], row["c_index_high"])),
        (number(row["c_index_sd"]), ""),
        ("", "") if is_whole else (number(row["difference"], sign=True), spread),
        ("", "") if is_whole else (p_cell(row["p_bootstrap"]), ""),
        ("", "") if is_whole else (p_cell(row["p_t"]), ""),
        (number(row["integrated_brier"]), interval(row["integrated_brier_low"], row["integrated_brier_high"])),
    ]
    return {
        "row": row["row"],
        "method": row["method"],
        "is_whole": is_whole,
        "reason": run.optimistic.get(row["method"], ""),
        "cells": [{"text": text, "sub": sub} for text, sub in cells],
    }


def _note(whole: str, ablated: list[dict]) -> str:
    """Which differences the data support, and which way."""
    worse = [row["row"] for row in ablated if row["difference_high"] < 0]
    better = [row["row"] for row in ablated if row["difference_low"] > 0]
    said = []
    if worse:
        said.append(f"The data support that {whole} loses something in: {listed(worse, most=100)}.")
    if better:
        said.append(f"The data support that {whole} is better off in: {listed(better, most=100)}.")
    level = len(ablated) - len(worse) - len(better)
    if level:
        said.append(f"In {count(level, 'row')} of {len(ablated)} the interval includes 0: the data do not tell.")
    return " ".join(said) or DASH
