"""Columns of users' tables, found by name: ids as text, slides merged into one row a patient, labels of classes.

A row is counted as a spreadsheet shows it: the header is row 1, or a later one below lines of comment.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from prognoscope.core.errors import CohortError, nearest, some
from prognoscope.core.ids import person_in
from prognoscope.core.tables import as_text, need_plain_ids, row_of

PATIENT_NAMES = ("patient_id", "case_id", "patient", "patient id", "case", "submitter_id", "bcr_patient_barcode")
SLIDE_NAMES = ("slide_id", "slide", "filename", "file_name", "file", "slide id", "wsi", "wsi_id", "slide_name", "image")
SLIDE_NAMES += ("slide_path", "wsi_path", "file_path", "path", "image_id")


def need_column(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    """The column of this name.

    Raises:
        CohortError: The table has none; the nearest name is suggested.
    """
    if name not in table:
        hint = nearest(name, [str(c) for c in table.columns if not str(c).startswith("Unnamed")])
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
    """The patient of each row; of the barcode of a TCGA sample, the person.

    Raises:
        CohortError: A row has none.
        InputError: An id holds a control character.
    """
    ids = as_text(need_column(table, patient, source))
    if ids.isna().any():
        rows = [row_of(table, i) for i in range(len(ids)) if ids.iloc[i] is None]
        raise CohortError(f"{source} has no {patient} in row {some(rows)}. Fill it in, or remove the row.")
    need_plain_ids(ids, source, patient, table)
    return ids.map(person_in)


def one_row_a_patient(
    table: pd.DataFrame, patient: str, columns: Sequence[str], source: str, *, slide: str | None = None
) -> pd.DataFrame:
    """The columns asked for, indexed by patient, with the first row of each patient as column `row`.

    A patient may have several rows, as of slides or of treatments, where they say the same in these columns. Barcodes
    of TCGA samples are their patients.

    Args:
        slide: The column of slides, if the table may hold one row a slide.

    Raises:
        CohortError: The table is empty, lacks a column, or rows of a patient differ.
    """
    ids = patient_ids(table, patient, source)
    if not len(table):
        raise CohortError(f"{source} has no rows. Correct the file.")
    columns = list(dict.fromkeys(columns))
    picked = pd.DataFrame({name: need_column(table, name, source).to_numpy() for name in columns}, index=ids)
    picked.insert(0, "row", [row_of(table, i) for i in range(len(table))])
    repeated = picked[picked.index.duplicated(keep=False)]
    of_slides = slide is not None and slide in table
    for name in columns:
        differ = as_text(repeated[name]).groupby(level=0, sort=False).nunique(dropna=False) > 1
        if not differ.any():
            continue
        rows_of = {p: repeated[repeated.index == p] for p in differ.index[differ]}
        twice = [f"{p} (rows {some(rows['row'])}: {some(as_text(rows[name]).unique())})" for p, rows in rows_of.items()]
        cure = "The rows of one patient must agree." if of_slides else "Leave one row a patient, or make them agree."
        raise CohortError(
            f"{source} has different values of {name!r} in the rows of {int(differ.sum())} patients: {some(twice)}. "
            f"{cure}"
        )
    return picked[~picked.index.duplicated()]


def numbers_in(words: Iterable[str | None]) -> np.ndarray:
    """Each as a number, to its last digit; NaN where it is missing or none."""
    return np.array([_number(word) for word in words], dtype=np.float64)


def _number(word: str | None) -> float:
    try:
        return float("nan") if word is None or "_" in word else float(word)
    except ValueError:
        return float("nan")
