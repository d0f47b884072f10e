"""Measures that have no place of their own on the page: of the subtype, and any other."""

from typing import Any

import pandas as pd

from prognoscope.analysis.standings import other_metrics, subtype_table
from prognoscope.report.number_words import DASH, interval, metric_words, number, optimistic_name
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run


def subtype_content(run: Run) -> dict[str, Any]:
    """The rows as text; nothing where no subtype was predicted."""
    return _content(run, subtype_table(run))


def other_content(run: Run) -> dict[str, Any]:
    """The rows as text; nothing where there are no others."""
    return _content(run, other_metrics(run))


def _content(run: Run, table: pd.DataFrame) -> dict[str, Any]:
    rows = _metric_rows(run, table)
    return {"rows": rows} if rows else {}


def _metric_rows(run: Run, table: pd.DataFrame) -> list[tuple[str, ...]]:
    if table.empty:
        return []
    rows = [
        (
            optimistic_name(row["method"], row["method"] in run.optimistic),
            metric_words(row["metric"]).label,
            number(row["value"]),
            interval(row["low"], row["high"]) or DASH,
        )
        for row in table.to_dict("records")
    ]
    return [("Method", "Measure", "Value", "95 % interval"), *rows]


SUBTYPE_SECTION = Section("subtype", "Subtype", subtype_content)
SECTION = Section("other", "Other measures", other_content)
