"""The ablation tables of a page: each method with its parts taken away, as its paper lists them, in our numbers."""

from typing import Any

import pandas as pd

from prognoscope.core.words import listed
from prognoscope.report.number_words import DASH, interval, number, optimistic_name, p_cell
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

HEADER = (
    *("C-index", "SD over folds (ddof\u00a0{ddof})", "Difference to the whole", "p, bootstrap", "p, corrected t-test"),
    "Integrated Brier",
)

PRINTED = (
    "Row of the paper",
    "C-index",
    "SD (ddof\u00a0{ddof})",
    "Difference",
    "p, bootstrap",
    "p, t-test",
    "Integrated Brier",
)


def ablation_content(run: Run) -> dict[str, Any]:
    """The tables; nothing for a run without ablations."""
    tables = ablation_tables(run)
    return {"tables": tables} if tables else {}


def ablation_tables(run: Run) -> list[dict[str, Any]]:
    """A table for each method that was run with ablations: title, caption, header, rows, note."""
    return [_table(run, str(whole), table) for whole, table in run.ablations.groupby("ablation_of", sort=False)]


def ablation_rows(run: Run) -> dict[str, list[tuple[str, ...]]]:
    """Whole method -> its ablation table as text, its first row the header: what the command line prints."""
    printed = {}
    for table in ablation_tables(run):
        rows = [(_named(row), *(_joined(cell) for cell in row["cells"])) for row in table["rows"]]
        printed[table["title"]] = [_header(run, PRINTED), *rows]
    return printed


def _header(run: Run, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.format(ddof=run.provenance.ddof) for name in names)


def _named(row: dict) -> str:
    name = f"{row['row']} ({row['method']})" if row["method"] else row["row"]
    return optimistic_name(name, bool(row["reason"]))


def _joined(cell: dict) -> str:
    return f"{cell['text']} ({cell['sub']})" if cell["sub"] else cell["text"] or DASH


def _table(run: Run, whole: str, table: pd.DataFrame) -> dict[str, Any]:
    rows = table.to_dict("records")
    return {
        "title": whole,
        "caption": (
            "Means of the folds on held-out patients, with 95 % intervals. Rows are named and ordered as in the paper. "
            "The difference is the row's C-index minus that of the whole method, on the same patients of the same "
            f"folds: below 0, {whole} loses without what the row takes away."
        ),
        "header": _header(run, HEADER),
        "rows": [_row(run, row) for row in rows],
        "note": _note(whole, [row for row in rows if row["method"] != whole]),
    }


def _row(run: Run, row: dict) -> dict[str, Any]:
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
        "method": row["method"] if row["method"] != row["row"] else "",
        "is_whole": is_whole,
        "reason": run.optimistic.get(row["method"], ""),
        "cells": [{"text": text, "sub": sub} for text, sub in cells],
    }


def _note(whole: str, ablated: list[dict]) -> str:
    """Which rows the intervals tell from the whole method, and which way."""
    worse = [row["row"] for row in ablated if row["difference_high"] < 0]
    better = [row["row"] for row in ablated if row["difference_low"] > 0]
    said = [
        f"{way} than {whole}, its interval leaving 0 out: {listed(rows, most=100)}."
        for way, rows in (("Worse", worse), ("Better", better))
        if rows
    ]
    if level := len(ablated) - len(worse) - len(better):
        said.append(f"Not told apart from {whole}, because the interval includes 0: {level} of {len(ablated)} rows.")
    return " ".join([*said, "Neither the intervals nor p are corrected for the number of rows."])


SECTION = Section("ablations", "Ablations", ablation_content)
