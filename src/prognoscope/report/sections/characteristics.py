"""Table 1: who the patients are."""

from typing import Any

import numpy as np

from prognoscope.analysis.characteristics import characteristics
from prognoscope.report.number_words import DASH, is_number, number
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

GROUPS = {"all": "All patients", "event": "With an event", "other": "Another event first", "censored": "Censored"}
WAYS = {"count": "n (%)", "quartiles": "median (quartiles)", "median": "median (95 % interval)", "total": "in all"}
NOTE = "Patients whom at least one method was tested on. Follow-up is the median by the reverse Kaplan-Meier method"
SURVIVAL = ", survival the Kaplan-Meier median"


def table_one_content(run: Run) -> dict[str, Any]:
    """Rows as text, each with whether it begins a variable, and a note."""
    table, rows = characteristics(run), []
    heads = {group: head for group, head in GROUPS.items() if group in set(table["group"])}
    for (variable, level), cells in table.groupby(["variable", "level"], sort=False):
        shown = {row["group"]: _cell(row) for row in cells.to_dict("records")}
        is_first = not rows or rows[-1]["variable"] != variable
        way = WAYS[cells["kind"].iloc[0]]
        rows.append(
            {
                "variable": variable,
                "is_first": is_first,
                "label": str(variable)[:1].upper() + str(variable)[1:],
                "way": way,
                "level": level,
                "cells": [shown.get(group, "") for group in heads],
            }
        )
    return {"header": list(heads.values()), "rows": rows, "note": NOTE + SURVIVAL * (not run.has_competing) + "."}


def _cell(row: dict) -> str:
    if row["kind"] == "count":
        return f"{row['value']:.0f} ({100 * row['low']:.0f} %)" if is_number(row["low"]) else f"{row['value']:.0f}"
    if row["kind"] == "total":
        return f"{row['value']:.0f}"
    if not is_number(row["value"]):
        return "not reached" if np.isinf(row["value"]) else DASH
    ends = [number(end, _digits(end)) if is_number(end) else "not reached" for end in (row["low"], row["high"])]
    return f"{number(row['value'], _digits(row['value']))} ({ends[0]} to {ends[1]})"


def _digits(value: float) -> int:
    return 0 if float(value).is_integer() else 1 if abs(value) >= 1 else 3


SECTION = Section("tableone", "Table 1", table_one_content)
