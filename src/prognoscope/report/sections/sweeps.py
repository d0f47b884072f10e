"""The sweeps of a page: a method at several values of its settings, each as a table and a curve."""

from typing import Any

import pandas as pd

from prognoscope.report.number_words import number
from prognoscope.report.page_section import Plate, Section
from prognoscope.report.sections.ablations import HEADER, PRINTED, header_of, note_of, printed_rows, row_beside
from prognoscope.report.style import file_stem
from prognoscope.runs.read import Run


def sweep_content(run: Run) -> dict[str, Any]:
    """The tables; nothing for a run without sweeps."""
    tables = sweep_tables(run)
    return {"tables": tables} if tables else {}


def sweep_tables(run: Run) -> list[dict[str, Any]]:
    """A table for each sweep: title, caption, header, rows, note, id of its figure."""
    return [_table(run, str(of), str(sweep), table) for (of, sweep), table in _sweeps(run)]


def sweep_rows(run: Run) -> dict[str, list[tuple[str, ...]]]:
    """Title of a sweep -> its table as text, its first row the header: what the command line prints."""
    return {table["title"]: printed_rows(table, header_of(run, ("Value", *PRINTED[1:]))) for table in sweep_tables(run)}


def sweep_plates(run: Run) -> list[Plate]:
    """The curve of each sweep."""
    return [_plate(run, str(of), str(sweep), table) for (of, sweep), table in _sweeps(run)]


def sweep_data(table: pd.DataFrame, column: str, optimistic: bool) -> pd.DataFrame:
    """The rows of one sweep of a run's `sweeps.csv` as the data of the figure "sweep".

    Args:
        column: What all of them are of, such as a cohort; "" where there is only one.
    """
    is_own = table["method"] == table["sweep_of"]
    ends = table[["difference", "difference_low", "difference_high"]].to_numpy(float)
    ends[is_own.to_numpy()] = 0.0
    data = table[["setting", "line", "value", "row"]].assign(
        column=column, metric="c_index", method=table["sweep_of"], optimistic=optimistic, is_own=is_own
    )
    return data.assign(mean=table["c_index"], difference=ends[:, 0], low=ends[:, 1], high=ends[:, 2])


def _sweeps(run: Run):
    return run.sweeps.groupby(["sweep_of", "sweep"], sort=False)


def _table(run: Run, of: str, sweep: str, table: pd.DataFrame) -> dict[str, Any]:
    rows = table.to_dict("records")
    return {
        "title": _title(of, sweep),
        "caption": (
            "Means of the folds on held-out patients, with 95 % intervals. The difference is a row's C-index minus "
            f"that of {of} with its own values, on the same patients of the same folds; all start from the same random "
            "weights, as far as shapes are the same."
        ),
        "header": header_of(run, HEADER),
        "rows": [row_beside(run, row, of) for row in rows],
        "note": note_of(f"{of} with its own values", [row for row in rows if row["method"] != of]),
        "figure": f"figure-{_stem(of, sweep)}",
    }


def _plate(run: Run, of: str, sweep: str, table: pd.DataFrame) -> Plate:
    data = sweep_data(table, "", of in run.optimistic)
    values = ", ".join(f"{row} {number(mean)}" for row, mean in data[["row", "mean"]].to_numpy().tolist())
    caption = f"{_title(of, sweep)}: C-index minus that of its own value, with 95 % paired intervals."
    return Plate("sweep", _stem(of, sweep), data, caption, f"{caption} C-index: {values}.")


def _title(of: str, sweep: str) -> str:
    return f"{of} by {sweep}"


def _stem(of: str, sweep: str) -> str:
    return f"sweep_{file_stem(of)}_{file_stem(sweep)}"


SECTION = Section("sweeps", "Sweeps", sweep_content, sweep_plates)
