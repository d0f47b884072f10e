"""What searches for settings chose in each fold, and how far folds agree."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from prognoscope.core.words import listed
from prognoscope.report.number_words import number
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

MEANING = (
    "Settings were searched in each fold anew, by trials on inner folds of its training part; the held-out patients "
    "took no part. Folds that disagree say that the setting matters little, or that the patients are too few to tell."
)


def search_content(run: Run) -> dict[str, Any]:
    """The section's sentences and its tables; nothing without a search."""
    table = run.settings
    if table.empty:
        return {}
    tables = [(method, _rows(rows)) for method, rows in table.groupby("method", sort=False)]
    failing = table[table["failed"] > 0].drop_duplicates(["method", "fold"]).groupby("method", sort=False)
    counts = [f"{rows['failed'].sum()} of {rows['trials'].sum()} for {method}" for method, rows in failing]
    note = f"Trials that failed: {listed(counts)}; search.csv of each fold says why." if counts else ""
    return {"meaning": MEANING, "tables": tables, "note": note}


def _rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    folds = sorted(table["fold"].unique())
    rows = [("Setting", *(f"Fold {fold}" for fold in folds), "Over the folds")]
    for setting, chosen in table.groupby("setting", sort=False):
        values = dict(zip(chosen["fold"], chosen["value"], strict=True))
        rows.append((str(setting), *(_short(values.get(fold, "")) for fold in folds), spread(list(values.values()))))
    first = table.drop_duplicates("fold").set_index("fold")
    losses = first["loss"].to_numpy(float)
    rows.append(("Inner loss", *(number(first["loss"][fold]) for fold in folds), f"mean {number(losses.mean())}"))
    rows.append(("Trials", *(f"{first['trials'][fold]:.0f}" for fold in folds), f"{first['trials'].sum():.0f} in all"))
    return rows


def spread(values: Sequence[str]) -> str:
    """How far the folds agree: median and range of numbers, how many chose each of other values."""
    if len(set(values)) == 1:
        return "all alike"
    try:
        numbers = np.array(values, dtype=float)
    except ValueError:
        counts = pd.Series(values).value_counts()
        return ", ".join(f"{_short(str(value))} in {n}" for value, n in counts.items())
    return f"median {np.median(numbers):.3g}, {numbers.min():.3g} to {numbers.max():.3g}"


def _short(value: str) -> str:
    """A number in three digits, unless it is a whole one."""
    try:
        return value if value.lstrip("-").isdigit() else f"{float(value):.3g}"
    except ValueError:
        return value


SECTION = Section("search", "Chosen settings", search_content)
