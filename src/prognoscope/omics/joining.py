"""Several gene tables as one: below each other where they tell of other patients, beside each other of the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np
import pandas as pd

from prognoscope.core.errors import OmicsError, some


@dataclass(frozen=True, slots=True)
class OmicsTable:
    """One row a patient, one column a measured gene, as in the files and not yet scaled."""

    values: pd.DataFrame  # index patient; float32; NaN where missing
    notes: tuple[str, ...] = ()  # what was left out or merged, in sentences
    source: str = "the gene table"  # its file or files, to name it by
    warnings: tuple[str, ...] = ()  # what looks wrong in it, in sentences


def join_tables(tables: Sequence[OmicsTable]) -> OmicsTable:
    """Any number of tables as one; their order decides that of rows and columns, never which there are.

    First, tables of the same patients are put beside each other: those that share at least half the patients of the
    smaller, or some patients but no column. A patient whom one of them lacks has NaN in its columns. What is left
    tells of other patients, and is put below each other with the columns that all have.

    Raises:
        OmicsError: Tables of other patients have no column in common, or a patient has two values for one column.
    """
    tables = list(tables)
    while pair := next((pair for pair in combinations(range(len(tables)), 2) if _same_patients(tables, pair)), None):
        second = tables.pop(pair[1])
        tables[pair[0]] = _beside(tables[pair[0]], second)
    return tables[0] if len(tables) == 1 else _below(tables)


def _same_patients(tables: list[OmicsTable], pair: tuple[int, int]) -> bool:
    one, other = (tables[i].values for i in pair)
    shared = len(one.index.intersection(other.index))
    return 2 * shared >= min(len(one), len(other)) or (shared > 0 and not len(one.columns.intersection(other.columns)))


def _beside(one: OmicsTable, other: OmicsTable) -> OmicsTable:
    values, source = _merge(one, other), f"{one.source}, {other.source}"
    here, there = set(one.values.index), set(other.values.index)
    notes = [*one.notes, *other.notes]
    if here != there:
        notes.append(
            f"{len(here & there)} patients are in both {one.source} and {other.source}, {len(here - there)} only in "
            f"the former, {len(there - here)} only in the latter; what a table does not say of a patient is missing."
        )
    if repeated := [column for column in other.values if column in one.values]:
        notes.append(f"{len(repeated)} columns are in both {one.source} and {other.source}, and were taken once.")
    return OmicsTable(values, tuple(notes), source, (*one.warnings, *other.warnings))


def _below(tables: list[OmicsTable]) -> OmicsTable:
    source = ", ".join(table.source for table in tables)
    everywhere = set.intersection(*(set(table.values.columns) for table in tables))
    common = [column for column in tables[0].values if column in everywhere]
    if not common:
        raise OmicsError(
            f"{source} tell of different patients and have no gene column in common. Use tables of the same genes, "
            "with the same names, or one table."
        )
    notes = [note for table in tables for note in table.notes]
    notes.append(
        f"{source} are tables of different patients: their {len(common)} common gene columns were kept. Values that "
        "were standardised table by table can give away the table."
    )
    for table in tables:
        if left := [column for column in table.values if column not in everywhere]:
            notes.append(f"{table.source}: {len(left)} columns that another table lacks were left out: {some(left)}.")
    patients = pd.Index([patient for table in tables for patient in table.values.index])
    if shared := sorted(set(patients[patients.duplicated()])):
        notes.append(f"{len(shared)} patients are in several of {source}, with equal values: {some(shared)}.")
    parts = [OmicsTable(table.values[common], (), table.source) for table in tables]
    joined = reduce(lambda one, other: OmicsTable(_merge(one, other), (), f"{one.source}, {other.source}"), parts)
    return OmicsTable(joined.values, tuple(notes), source, tuple(each for table in tables for each in table.warnings))


def _merge(one: OmicsTable, other: OmicsTable) -> pd.DataFrame:
    """All patients and columns of both; NaN where neither says anything."""
    index = one.values.index.append(other.values.index.difference(one.values.index, sort=False))
    columns = one.values.columns.append(other.values.columns.difference(one.values.columns, sort=False))
    first, second = (table.values.reindex(index=index, columns=columns).to_numpy(np.float32) for table in (one, other))
    rows, places = np.nonzero((first != second) & ~np.isnan(first) & ~np.isnan(second))
    if len(rows):
        who, what = index[np.unique(rows)], columns[np.unique(places)]
        raise OmicsError(
            f"{one.source} and {other.source} give {len(who)} patients different values: {some(who)}; in "
            f"{len(what)} columns: {some(what)}. Leave each patient in one table, or name what was measured, such as "
            f"{what[0]}_cnv."
        )
    return pd.DataFrame(np.where(np.isnan(first), second, first), index=index.rename("patient"), columns=columns)
