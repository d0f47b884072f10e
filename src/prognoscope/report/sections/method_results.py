"""The table of methods and oracles, their C-index fold by fold, and its figure."""

from collections.abc import Mapping
from typing import Any

from prognoscope.analysis.figure_data import c_index_data
from prognoscope.analysis.standings import BESIDE, MAIN, is_unequal, method_table
from prognoscope.report.number_words import interval, is_number, metric_words, number, optimistic_name, p_cell
from prognoscope.report.page_section import Plate, Section
from prognoscope.report.style import method_colours
from prognoscope.report.table_text import misfits
from prognoscope.runs.read import Run


def method_content(run: Run) -> dict[str, Any]:
    """The tables (caption, header, rows), the note below them, and values by fold as text.

    Where methods were tested on different patients, there is a second table, of the patients whom all were.
    """
    colours = method_colours(run.methods)
    tables = [_methods(run, colours)]
    if is_unequal(run):
        tables.append(_methods(run, colours, common=True))
    return {"tables": tables, "note": _note(run), "folds": _fold_values(run)}


def c_index_plates(run: Run) -> list[Plate]:
    """One figure of all methods."""
    data = c_index_data(run)
    if data.empty:
        return []
    values = [f"{row['label']} {number(row['value'])}" for row in data.to_dict("records")]
    caption = "C-index of each method on held-out patients."
    plates = [Plate("c_index", "c_index", data, caption, f"C-index: {', '.join(values)}.")]
    if is_unequal(run):
        data = c_index_data(run, common=True)
        values = [f"{row['label']} {number(row['value'])}" for row in data.to_dict("records")]
        caption = f"C-index of each method on the {len(run.common)} patients whom all methods were tested on."
        plates.append(Plate("c_index", "c_index_common", data, caption, f"{caption} {', '.join(values)}."))
    return plates


def _methods(run: Run, colours: Mapping[str, str], *, common: bool = False) -> dict[str, Any]:
    table = method_table(run, common=common)
    beside = [metric for metric in BESIDE if metric in table]
    has_oracle = table["of_the_way"].notna().any()
    has_counts = is_unequal(run) and not common
    header = [
        *(["Patients"] if has_counts else []),
        "C-index",
        f"SD over folds (ddof\u00a0{run.provenance.ddof})",
        *(["Way from 0.5 to oracle"] if has_oracle else []),
    ]
    rows, oracles = [], 0
    for row in table.to_dict("records"):
        flag, is_oracle = bool(row["optimistic"]), row["kind"] == "oracle"
        oracles += is_oracle
        cells = [_cell(row, MAIN, flag), {"text": number(row[f"{MAIN}_sd"]), "flag": flag, "sub": ""}]
        if has_counts:
            cells.insert(0, {"text": number(row["patients"], 0), "flag": False, "sub": ""})
        if has_oracle:
            share = f"{number(100 * row['of_the_way'], 0)} %" if is_number(row["of_the_way"]) else ""
            cells.append({"text": share, "flag": flag and bool(share), "sub": ""})
        for metric in beside:
            cell = {"text": "", "flag": False, "sub": ""} if is_oracle else _cell(row, metric, flag)
            if metric == "d_calibration_p" and not is_oracle and not common:
                cell["sub"] = misfits(run, row["method"])
            cells.append(cell)
        rows.append(
            {
                "label": row["label"],
                "colour": colours.get(row["method"], ""),
                "best": row["best"],
                "reason": row["optimistic"],
                "oracle": is_oracle,
                "first": is_oracle and oracles == 1,
                "cells": cells,
            }
        )
    whom = f"the {len(run.common)} patients whom all methods were tested on" if common else "held-out patients"
    return {
        "caption": f"Means of the folds on {whom}, with 95 % intervals (patients drawn anew within folds).",
        "header": [*header, *(metric_words(m).label for m in beside)],
        "rows": rows,
    }


def _note(run: Run) -> str:
    table = method_table(run)
    meanings = [f"{metric_words(m).label}: {metric_words(m).meaning}." for m in (MAIN, *BESIDE) if m in table]
    if table["best"].any():
        note = "Best: the paired intervals put its C-index above that of every other method."
    elif len(run.methods) > 1:
        note = "No method is marked best, because the paired intervals do not put one above all others"
        note += " among numbers that are equally honest." if run.optimistic else "."
    else:
        note = ""
    if is_unequal(run):
        note += " Methods were tested on all patients whom each can predict, and are compared on those of all."
    return f"{note} {' '.join(meanings)}".strip()


def _cell(row: dict, metric: str, flag: bool) -> dict[str, Any]:
    digits = metric_words(metric).digits
    if metric == "d_calibration_p":
        return {"text": p_cell(row[metric]), "flag": flag and is_number(row[metric]), "sub": ""}
    spread = interval(row[f"{metric}_low"], row[f"{metric}_high"], digits)
    return {"text": number(row[metric], digits), "flag": flag and is_number(row[metric]), "sub": spread}


def _fold_values(run: Run) -> list[tuple[str, ...]]:
    table = method_table(run)
    folds = [f"fold_{fold}" for fold in run.fold_numbers]
    if not len(folds) or not table[folds].notna().any(axis=None):
        return []
    rows = [
        (optimistic_name(row["label"], bool(row["optimistic"])), *(number(row[fold]) for fold in folds))
        for row in table.to_dict("records")
        if any(is_number(row[fold]) for fold in folds)
    ]
    return [("Method", *(f"Fold {fold}" for fold in run.fold_numbers)), *rows]


SECTION = Section("methods", "Methods", method_content, c_index_plates)
