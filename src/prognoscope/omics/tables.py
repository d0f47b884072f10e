"""Gene tables -> one row a patient: MCAT's wide tables, plain tables, AnnData; several of them as one."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from prognoscope.core.column_names import is_unnamed, plain_name
from prognoscope.core.errors import OmicsError, nearest, some
from prognoscope.core.genes import KIND, KINDS, kind_of, without_version
from prognoscope.core.tables import MISSING_WORDS, as_text, need_plain_ids, notes_of, read_table, told_row
from prognoscope.core.words import count
from prognoscope.omics.anndata_file import read_anndata
from prognoscope.omics.columns import is_metadata
from prognoscope.omics.joining import OmicsTable, join_tables
from prognoscope.omics.orientation import turned
from prognoscope.omics.suspicion import suspicions

__all__ = ["OmicsTable", "read_omics"]

Layout = Literal["auto", "mcat", "wide", "anndata"]
Unsuffixed = Literal["refuse", "mutation", "ignore"]
PATIENT_COLUMNS = (  # as `plain_name` spells them, best first
    *("patient_id", "case_id", "patient", "patient_barcode", "bcr_patient_barcode", "submitter_id"),
    *("case_submitter_id", "case", "barcode", "sample", "sample_id"),
)
SLIDE_COLUMNS = {"slide_id", "slide"}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")


def read_omics(
    paths: Sequence[Path | str],
    layout: Layout = "auto",
    *,
    patient: str | None = None,
    unsuffixed: Unsuffixed = "ignore",
    kinds: Sequence[str] | None = None,
    exclude: Collection[str] = (),
    patients: Collection[str] = (),
) -> OmicsTable:
    """The gene tables of a cohort as one.

    A table whose columns are named after patients, and its rows after genes, is turned. Tables of other patients are
    put below each other, and keep the columns that all have; tables of the same patients are put side by side
    (`joining.join_tables` has the rule).

    Args:
        layout: "mcat": rows are slides, genes end in `_rnaseq`, `_cnv`, `_mut`. "wide": patients x genes. "anndata".
            "auto": by the file's ending and whether it has the columns case_id and slide_id.
        patient: The column of patients, in AnnData of `obs`; by default a known name, or the first column.
        unsuffixed: What columns of an MCAT table are that are neither metadata nor end in a kind: an error,
            mutations (0 or 1; their names get the ending `_mut`), or nothing, which is noted.
        kinds: Keep these kinds only, of rnaseq, cnv and mut.
        exclude: Columns that are no genes whatever they are called, such as the study's outcome and covariates.
        patients: Of the cohort, by whom rows and columns are told apart.

    Raises:
        MissingFileError: A table is not there.
        OmicsError: A column is not numeric, a patient's rows differ, or the tables do not fit together.
    """
    if not paths:
        raise OmicsError("There is no gene table to read. Name one in cohort.omics.table.")
    if strange := [kind for kind in kinds or () if kind not in KINDS]:
        raise OmicsError(f"There is no kind of genes {strange[0]!r}; {nearest(strange[0], KINDS)}")
    tables = [_read(Path(path), layout, patient, unsuffixed, exclude, patients) for path in paths]
    if kinds is not None:
        tables = _of_kinds(tables, kinds)
    return join_tables(tables)


def _of_kinds(tables: list[OmicsTable], kinds: Sequence[str]) -> list[OmicsTable]:
    kept = []
    for table in tables:
        chosen = [column for column in table.values.columns if kind_of(column) in kinds]
        if not chosen:
            raise OmicsError(
                f"{table.source} has no column of the kinds {', '.join(kinds)}. Change cohort.omics.kinds, or leave "
                "this table out."
            )
        left = len(table.values.columns) - len(chosen)
        note = f"{table.source}: {left} columns of other kinds than {', '.join(kinds)} were left out."
        notes = (*table.notes, *([note] if left else []))
        kept.append(replace(table, values=table.values[chosen], notes=notes))
    return kept


def _read(
    path: Path,
    layout: Layout,
    patient: str | None,
    unsuffixed: str,
    exclude: Collection[str],
    patients: Collection[str],
) -> OmicsTable:
    if layout == "anndata" or (layout == "auto" and path.suffix == ".h5ad"):
        table, ids, notes = read_anndata(path, patient, patients)
        return _finish(table, ids, path, notes, exclude, rows_are_slides=patient is not None)
    table = read_table(path, "The gene table", text=[] if patient is None else [patient], keep_unnamed=True)
    notes = list(notes_of(table))
    if patient is None and layout != "mcat" and (found := turned(table, path, patients)):
        table, told = found
        notes += told
    key = _patient_column(table, patient, path)
    if pd.api.types.is_numeric_dtype(table[key]):  # read again, so that 007 and 7 are two patients
        table = read_table(path, "The gene table", text=[key, *([""] if is_unnamed(key) else [])], keep_unnamed=True)
    ids = as_text(table[key])
    need_plain_ids(ids, str(path), key, table)
    table = table.drop(columns=key)
    if layout == "auto":
        layout = "mcat" if "slide_id" in table and "case_id" in {key, *table.columns} else "wide"
    rows_are_slides = layout == "mcat" or any(plain_name(column) in SLIDE_COLUMNS for column in table.columns)
    if layout == "mcat":
        table = _with_kinds(table, path, unsuffixed, exclude, notes)
    return _finish(table, ids, path, notes, exclude, rows_are_slides=rows_are_slides)


def _patient_column(table: pd.DataFrame, patient: str | None, path: Path) -> str:
    if patient is not None:
        if patient not in table:
            raise OmicsError(f"{path} has no column {patient!r}; {nearest(patient, list(table.columns[:12]))}")
        return patient
    plain = {plain_name(column): column for column in reversed(table.columns)}
    if known := next((plain[name] for name in PATIENT_COLUMNS if name in plain), None):
        return known
    first = next((column for column in table.columns if not _is_row_counter(table[column])), None)
    if first is None or (pd.api.types.is_float_dtype(table[first]) and (table[first].dropna() % 1 != 0).any()):
        counter = table.columns[0] != first and is_unnamed(str(table.columns[0]))
        cure = "Name the column in cohort.omics.patient."
        if counter:
            cure = "The column before it has no name and counts rows: if these are the patients, name it patient_id."
        raise OmicsError(f"{path} has no column of patients: the first, {first!r}, holds no ids. {cure}")
    return first


def _is_row_counter(column: pd.Series) -> bool:
    if not is_unnamed(str(column.name)) or not pd.api.types.is_integer_dtype(column):
        return False
    return len(column) == 0 or np.array_equal(column - column.iloc[0], np.arange(len(column)))


def _with_kinds(
    table: pd.DataFrame, path: Path, unsuffixed: str, exclude: Collection[str], notes: list[str]
) -> pd.DataFrame:
    """The columns that end in a kind, and mutations without that ending if they are to be had."""
    bare = [c for c in table.columns if not KIND.search(c) and not is_metadata(c) and c not in exclude]
    if bare and unsuffixed == "refuse":
        raise OmicsError(
            f"{path} has {len(bare)} columns that are neither metadata nor end in _rnaseq, _cnv or _mut: "
            f"{some(bare)}. Say what they are with cohort.omics.unsuffixed: mutation or ignore."
        )
    if bare and unsuffixed == "mutation":
        if other := [c for c in bare if not table[c].dropna().isin([0, 1]).all()]:
            raise OmicsError(
                f"{path} has {len(other)} columns without the ending of a kind that hold more than 0 and 1: "
                f"{some(other)}. They are no mutations: remove or exclude them, or use cohort.omics.unsuffixed: ignore."
            )
        if both := [c for c in bare if f"{c}_mut" in table]:
            raise OmicsError(f"{path} has mutations with and without _mut: {some(both)}. Leave one column a gene.")
        table = table.rename(columns={c: f"{c}_mut" for c in bare})
        notes.append(f"{path.name}: {len(bare)} columns without the ending of a kind were taken as mutations.")
    elif bare:
        notes.append(f"{path.name}: {len(bare)} columns without the ending of a kind were left out: {some(bare)}.")
    return table[[c for c in table.columns if KIND.search(c)]]


def _finish(
    table: pd.DataFrame,
    ids: pd.Series,
    path: Path,
    notes: list[str],
    exclude: Collection[str],
    *,
    rows_are_slides: bool,
) -> OmicsTable:
    """Genes as float32, one row a patient."""
    left = [column for column in table.columns if is_metadata(column) or column in exclude]
    if named := [column for column in left if not is_unnamed(column)]:
        notes.append(f"{path.name}: columns that are not genes were left out: {some(named)}.")
    genes = table.drop(columns=left)
    if not len(genes.columns):
        raise OmicsError(f"{path} has no gene column; it has {some(left) or 'none'}. Correct cohort.omics.layout.")
    if not len(genes):
        raise OmicsError(f"{path} has no patient: it holds a header and no row. Export it again.")
    if (missing := np.flatnonzero(ids.isna())).size:
        rows = some(told_row(table, int(row)) for row in missing)
        raise OmicsError(f"{path} has {missing.size} rows without a patient: {rows}. Fill in the ids.")
    values = _without_versions(_numbers(genes, ids, path, notes), path, notes)
    values.index = pd.Index(ids, name="patient")
    if values.index.has_duplicates:
        values = _one_row_a_patient(values, path, rows_are_slides)
    return OmicsTable(values, tuple(notes), path.name, suspicions(values, path.name))


def _without_versions(values: pd.DataFrame, path: Path, notes: list[str]) -> pd.DataFrame:
    """Columns of Ensembl ids without their versions, unless two columns would then have one name."""
    plain = {column: without_version(column) for column in values.columns}
    often = Counter(plain.values())
    renamed = {column: name for column, name in plain.items() if name != column and often[name] == 1}
    if renamed:
        first = next(iter(renamed))
        notes.append(
            f"{path.name}: the versions of {len(renamed)} Ensembl ids were left out: {first} is {renamed[first]}."
        )
    return values.rename(columns=renamed) if renamed else values


def _numbers(table: pd.DataFrame, ids: pd.Series, path: Path, notes: list[str]) -> pd.DataFrame:
    mended, words, wrong = {}, Counter(), {}
    for column in table.columns[[kind.kind not in "fiub" for kind in table.dtypes]]:
        number = pd.to_numeric(table[column], errors="coerce")
        bad = table[column][number.isna() & table[column].notna()].astype(str).str.strip()
        words.update(word for word in bad if word.lower() in MISSING_WORDS)
        bad = bad[[word.lower() not in MISSING_WORDS for word in bad]]
        if len(bad):
            wrong[column] = bad
        mended[column] = number.astype(np.float64)
    if wrong:
        column, bad = next(iter(wrong.items()))
        others = [name for name in wrong if name != column]
        more = f", nor are fields of {count(len(others), 'other column')}: {some(others)}" if others else ""
        cure = "Correct them, or remove the columns." if others else "Correct it, or remove the column."
        if all(DECIMAL_COMMA.fullmatch(value) for each in wrong.values() for value in each):
            cure = "If the comma is the decimal sign, write points, or separate the fields by semicolons."
        raise OmicsError(
            f"{path} has {bad.iloc[0]!r} in column {column!r}, patient {ids[bad.index[0]]}, which is not a "
            f"number{more}. {cure}"
        )
    if any(words):
        told = some(f"{word} ({n})" for word, n in words.items() if word)
        notes.append(f"{path.name}: words in the place of gene values were taken as missing: {told}.")
    exact = table.assign(**mended).to_numpy(dtype=np.float64)
    with np.errstate(over="ignore"):
        values = exact.astype(np.float32)
    rows, columns = np.nonzero(np.isinf(values))
    if len(rows):
        raise OmicsError(
            f"{path} has {len(rows)} infinite values, the first of patient {ids.iloc[rows[0]]} in column "
            f"{table.columns[columns[0]]!r}. Correct them, or leave them empty."
        )
    return pd.DataFrame(values, columns=table.columns)


def _one_row_a_patient(values: pd.DataFrame, path: Path, rows_are_slides: bool) -> pd.DataFrame:
    again = values.index.duplicated()
    if not rows_are_slides:
        twice = sorted(set(values.index[again]))
        raise OmicsError(f"{path} has {len(twice)} patients in more than one row: {some(twice)}. Leave one row each.")
    place, patients = pd.factorize(values.index)
    rows = values.to_numpy()
    first = rows[~again][place]  # the first row of each row's patient
    differs = ~((rows == first) | (np.isnan(rows) & np.isnan(first)))
    if differs.any():
        who, what = patients[np.unique(place[differs.any(axis=1)])], values.columns[differs.any(axis=0)]
        raise OmicsError(
            f"{path} has different genes in the rows of {len(who)} patients: {some(who)}; in {len(what)} columns: "
            f"{some(what)}. The rows of one patient must agree."
        )
    return values[~again]
