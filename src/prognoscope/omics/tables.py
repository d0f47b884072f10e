"""Gene tables -> one row a patient: MCAT's wide tables, plain tables, AnnData; several of them as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from prognoscope.core.errors import OmicsError, nearest, some
from prognoscope.core.files import need_file
from prognoscope.core.tables import read_table
from prognoscope.omics.groups import KIND, kind_of

Layout = Literal["auto", "mcat", "wide", "anndata"]
METADATA = frozenset(  # of MCAT's tables and its relatives; never a gene, wherever it stands
    {
        *("case_id", "slide_id", "site", "is_female", "oncotree_code", "age", "train", "patient_id", "disc_label"),
        *("survival_months", "censorship", "survival_months_dss", "survival_months_pfi", "censorship_dss"),
        *("censorship_pfi", "label", "survival_days", "vital_status", "event", "status", "Patient ID"),
    }
)
PATIENT_COLUMNS = ("patient_id", "case_id", "Patient ID", "patient", "PATIENT", "sample", "Unnamed: 0")
KINDS = ("rnaseq", "cnv", "mut")


@dataclass(frozen=True, slots=True)
class OmicsTable:
    """One row a patient, one column a measured gene, as in the files and not yet scaled."""

    values: pd.DataFrame  # index patient; float32; NaN where missing
    notes: tuple[str, ...] = ()  # what was left out or merged, in sentences


def read_omics(
    paths: Sequence[Path | str],
    layout: Layout = "auto",
    *,
    patient: str | None = None,
    unsuffixed: Literal["refuse", "mutation", "ignore"] = "ignore",
    kinds: Sequence[str] | None = None,
) -> OmicsTable:
    """The gene tables of a cohort as one.

    Tables of other patients are put below each other, and keep the columns that all have; tables of the same patients
    are put side by side.

    Args:
        layout: "mcat": rows are slides, genes end in `_rnaseq`, `_cnv`, `_mut`. "wide": patients x genes. "anndata".
        patient: The column of patients; by default a known name, or the first column.
        unsuffixed: What columns of an MCAT table are that are neither metadata nor end in a kind.
        kinds: Keep these kinds only, of rnaseq, cnv and mut.

    Raises:
        MissingFileError: A table is not there.
        OmicsError: A column is not numeric, a patient's rows differ, or the tables do not fit together.
    """
    if strange := [kind for kind in kinds or () if kind not in KINDS]:
        raise OmicsError(f"There is no kind of genes {strange[0]!r}; {nearest(strange[0], KINDS)}")
    tables = [_read(Path(path), layout, patient, unsuffixed) for path in paths]
    if kinds is not None:
        tables = [OmicsTable(t.values[[c for c in t.values if kind_of(c) in kinds]], t.notes) for t in tables]
        if empty := [str(path) for path, t in zip(paths, tables, strict=True) if not len(t.values.columns)]:
            raise OmicsError(f"{some(empty)} has no column of the kinds {', '.join(kinds)}. Change cohort.omics.kinds.")
    joined = tables[0]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        joined = _join(joined, table, Path(path).name)
    return joined


def _read(path: Path, layout: Layout, patient: str | None, unsuffixed: str) -> OmicsTable:
    if layout == "anndata" or (layout == "auto" and path.suffix == ".h5ad"):
        return _read_anndata(path)
    table = read_table(path, "The gene table")
    if layout == "auto":
        layout = "mcat" if {"case_id", "slide_id"} <= set(table.columns) else "wide"
    key = patient or next((name for name in PATIENT_COLUMNS if name in table), table.columns[0])
    if key not in table:
        raise OmicsError(f"{path} has no column {key!r}; {nearest(key, list(map(str, table.columns[:12])))}")
    ids = table[key].astype(str)
    notes: list[str] = []
    if layout == "mcat":
        genes = [c for c in table if KIND.search(c)]
        bare = [c for c in table if c not in METADATA and not KIND.search(c) and c != key]
        if bare and unsuffixed == "refuse":
            raise OmicsError(
                f"{path} has {len(bare)} columns that are neither metadata nor end in _rnaseq, _cnv or _mut: "
                f"{some(bare)}. Say what they are with cohort.omics.unsuffixed: mutation or ignore."
            )
        if bare and unsuffixed == "mutation":
            table = table.rename(columns={c: f"{c}_mut" for c in bare})
            genes = [c for c in table if KIND.search(c)]
        elif bare:
            notes.append(f"{path.name}: {len(bare)} columns without the ending of a kind were left out: {some(bare)}.")
    else:
        genes = [c for c in table if c != key and c not in METADATA]
        if left := [c for c in table if c != key and c in METADATA]:
            notes.append(f"{path.name}: columns that are not genes were left out: {some(left)}.")
    if not genes:
        raise OmicsError(f"{path} has no gene column; it has {some(table.columns)}. Correct cohort.omics.layout.")
    values = _numbers(table[genes], path)
    values.index = pd.Index(ids, name="patient")
    if layout == "mcat":
        values = _one_row_a_patient(values, path)
    elif values.index.has_duplicates:
        twice = sorted(set(values.index[values.index.duplicated()]))
        raise OmicsError(f"{path} has {len(twice)} patients in more than one row: {some(twice)}. Leave one row each.")
    return OmicsTable(values, tuple(notes))


def _numbers(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    for column in table.columns[[kind not in "fiub" for kind in (d.kind for d in table.dtypes)]]:
        number = pd.to_numeric(table[column], errors="coerce")
        bad = table[column][number.isna() & table[column].notna()]
        if len(bad):
            raise OmicsError(f"{path} has {bad.iloc[0]!r} in column {column!r}, which is not a number. Correct it.")
        table = table.assign(**{column: number})
    values = table.to_numpy(dtype=np.float32)
    rows, columns = np.nonzero(np.isinf(values))
    if len(rows):
        raise OmicsError(
            f"{path} has {len(rows)} infinite values, the first in row {rows[0] + 2}, column "
            f"{table.columns[columns[0]]!r}. Correct them, or leave them empty."
        )
    return pd.DataFrame(values, columns=table.columns)


def _one_row_a_patient(values: pd.DataFrame, path: Path) -> pd.DataFrame:
    first = values[~values.index.duplicated()]
    again = values[values.index.duplicated()]
    if len(again):
        same = first.loc[again.index].to_numpy()
        differs = ~((same == again.to_numpy()) | (np.isnan(same) & np.isnan(again.to_numpy()))).all(axis=1)
        if differs.any():
            raise OmicsError(
                f"{path} has different genes in the rows of one patient: {some(sorted(set(again.index[differs])))}. "
                "The rows of one patient must agree."
            )
    return first


def _read_anndata(path: Path) -> OmicsTable:
    path = need_file(path, "The gene table")
    try:
        from anndata import read_h5ad
    except ImportError as cause:
        raise OmicsError(f'{path} is AnnData: install "prognoscope[anndata]" -c constraints.txt to read it.') from cause
    try:
        data = read_h5ad(path)
    except (OSError, KeyError, ValueError) as cause:
        raise OmicsError(f"{path} cannot be read as AnnData: {cause}") from cause
    table = data.to_df()
    if twice := sorted(set(table.index[table.index.duplicated()])):
        raise OmicsError(f"{path} has {len(twice)} observations of one name: {some(twice)}. Name them after patients.")
    values = _numbers(table.reset_index(drop=True), path)
    values.index = pd.Index(table.index.astype(str), name="patient")
    return OmicsTable(values)


def _join(one: OmicsTable, other: OmicsTable, name: str) -> OmicsTable:
    here, there = set(one.values.index), set(other.values.index)
    notes = [*one.notes, *other.notes]
    if not here & there:
        common = [c for c in one.values if c in set(other.values.columns)]
        if not common:
            raise OmicsError(f"{name} has no gene column in common with the tables before it. Check their gene names.")
        lost = [[c for c in table.values if c not in set(common)] for table in (one, other)]
        notes.append(
            f"{len(common)} gene columns are in all tables; left out were {len(lost[0])} that {name} lacks "
            f"({some(lost[0], 3) or 'none'}) and {len(lost[1])} that only {name} has ({some(lost[1], 3) or 'none'})."
        )
        return OmicsTable(pd.concat([one.values[common], other.values[common]]), tuple(notes))
    shared = [c for c in one.values if c in set(other.values.columns)]
    both = sorted(here & there)
    if shared:
        a, b = (t.values.loc[both, shared].to_numpy() for t in (one, other))
        differs = ~((a == b) | np.isnan(a) | np.isnan(b)).all(axis=1)
        if differs.any():
            who = [patient for patient, differ in zip(both, differs, strict=True) if differ]
            raise OmicsError(
                f"{name} gives {len(who)} patients other values than the tables before it: {some(who)}. "
                "Leave each patient in one table."
            )
    if here != there:
        notes.append(
            f"{len(both)} patients are in both {name} and the tables before it, {len(here - there)} only in those, "
            f"{len(there - here)} only in {name}; what a table does not say of a patient is missing."
        )
    return OmicsTable(one.values.combine_first(other.values)[_ordered(one, other)].astype(np.float32), tuple(notes))


def _ordered(one: OmicsTable, other: OmicsTable) -> list[str]:
    return list(dict.fromkeys([*one.values.columns, *other.values.columns]))
