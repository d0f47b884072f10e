"""Columns of users' tables, found by name: ids as text, slides merged into one row a patient, labels of classes.

A row is counted as a spreadsheet shows it: the header is row 1.
"""

import re
from collections.abc import Sequence

import pandas as pd

from prognoscope.core.errors import CohortError, nearest, some
from prognoscope.core.tables import as_text

PATIENT_NAMES = ("patient_id", "case_id", "patient", "patient id", "case", "submitter_id", "bcr_patient_barcode")
SLIDE_NAMES = ("slide_id", "slide", "filename", "file_name", "file", "slide id", "wsi", "wsi_id", "slide_name", "image")
SLIDE_NAMES += ("slide_path", "wsi_path", "file_path", "path", "image_id")
BARCODE = re.compile(r"TCGA-([A-Z0-9]{2})-[A-Z0-9]{4}")


def need_column(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    """The column of this name.

    Raises:
        CohortError: The table has none; the nearest name is suggested.
    """
    if name not in table:
        hint = nearest(name, [str(c) for c in table.columns if not str(c).startswith("Unnamed")][:12])
        raise CohortError(f"{source} has no column {name!r}; {hint}")
    return table[name]


def guess_column(table: pd.DataFrame, known: Sequence[str], source: str, what: str) -> str:
    """The first of the known names that the table has, whatever its case.

    Raises:
        CohortError: It has none of them.
    """
    lower = {str(column).lower(): column for column in reversed(list(table.columns))}
    for name in known:
        if name in lower:
            return lower[name]
    raise CohortError(f"{source} has no column for the {what}; name it {known[0]!r}. It has {some(table.columns)}.")


def patient_ids(table: pd.DataFrame, patient: str, source: str) -> pd.Series:
    """The patient of each row.

    Raises:
        CohortError: A row has none.
    """
    ids = as_text(need_column(table, patient, source))
    if ids.isna().any():
        rows = [spreadsheet_row(i) for i in range(len(ids)) if ids.iloc[i] is None]
        raise CohortError(f"{source} has no {patient} in row {some(rows)}. Fill it in, or remove the row.")
    return ids


def one_row_a_patient(
    table: pd.DataFrame, patient: str, columns: Sequence[str], source: str, *, slide: str | None = None
) -> pd.DataFrame:
    """The columns asked for, indexed by patient, with the first row of each patient as column `row`.

    Args:
        slide: The column of slides; a table that has it holds one row a slide, whose other columns must agree.

    Raises:
        CohortError: The table is empty, lacks a column, or has a patient twice.
    """
    ids = patient_ids(table, patient, source)
    if not len(table):
        raise CohortError(f"{source} has no rows. Correct the file.")
    columns = list(dict.fromkeys(columns))
    picked = pd.DataFrame({name: need_column(table, name, source).to_numpy() for name in columns}, index=ids)
    picked.insert(0, "row", [spreadsheet_row(i) for i in range(len(table))])
    repeated = picked[picked.index.duplicated(keep=False)]
    if len(repeated) and (slide is None or slide not in table):
        twice = [f"{p} (rows {some(rows['row'])})" for p, rows in repeated.groupby(level=0, sort=False)]
        raise CohortError(
            f"{source} has {len(twice)} patients in more than one row: {some(twice)}. Leave one row a patient, "
            "or name slides in a column slide_id."
        )
    for name in columns:
        differ = repeated[name].groupby(level=0, sort=False).nunique(dropna=False) > 1
        if differ.any():
            raise CohortError(
                f"{source} has different values of {name!r} in the rows of {int(differ.sum())} patients: "
                f"{some(differ.index[differ])}. The rows of one patient must agree."
            )
    return picked[~picked.index.duplicated()]


def spreadsheet_row(position: int) -> int:
    """The row that a spreadsheet shows for the data row at this position."""
    return position + 2
