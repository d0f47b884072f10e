"""Gene tables whose rows are genes, as portals ship them, turned: a row a patient."""

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.core.column_names import is_unnamed, plain_name
from prognoscope.core.errors import OmicsError, some
from prognoscope.core.ids import person_in
from prognoscope.core.tables import as_text

GENE_COLUMNS = (  # as `plain_name` spells them, best first
    *("hugo_symbol", "gene_symbol", "symbol", "gene_name", "gene", "genes", "gene_id", "geneid", "ensembl_id"),
    *("ensembl_gene_id", "ensembl", "entrez_gene_id", "entrezid", "entrez", "probe", "probe_id", "id_ref"),
)
ABOUT_GENES = frozenset(
    {
        *(*GENE_COLUMNS, "gene_type", "gene_biotype", "biotype", "description", "cytoband", "chromosome", "chr"),
        *("chrom", "start", "end", "strand", "length", "gene_length", "locus_id", "transcript_id", "uniprot"),
    }
)
IDS = "patient_id"  # what the turned table calls its first column
OF_STAR = {"unstranded", "tpm_unstranded"}  # columns of the GDC's gene counts, one file a sample


def rows_are_genes(ids: Iterable[str | None], columns: Sequence[str], patients: Collection[str]) -> bool:
    """Whether more columns than rows are named after patients of the cohort."""
    known = {_plain(patient) for patient in patients}
    return _count(columns, known) > _count(ids, known)


def turned(table: pd.DataFrame, path: Path, patients: Collection[str]) -> tuple[pd.DataFrame, list[str]] | None:
    """The table with a row a patient, their ids in its first column, and what was done; None if it has that already.

    Args:
        patients: Of the cohort, after whom rows or columns are named; who is meant decides, never the shape.

    Raises:
        OmicsError: Its rows are genes, and its columns no patients; or it holds one sample.
    """
    plain = {plain_name(column): column for column in reversed(table.columns)}
    if set(plain) >= OF_STAR:
        raise OmicsError(
            f"{path} is a file of the GDC's, with the genes of one sample in rows. Put the samples together into one "
            "table of genes x patients, with one of their columns, such as tpm_unstranded."
        )
    known = {_plain(patient) for patient in patients}
    names = list(map(str, table.columns))
    across = _count(names, known)
    texts = list(islice((name for name in names if not pd.api.types.is_numeric_dtype(table[name])), 8))
    down = max((_count(as_text(table[name]), known) for name in {*texts, *names[:3]}), default=0)
    gene = next((plain[name] for name in GENE_COLUMNS if name in plain), None)
    if across == down == 0:
        _refuse_unknown(table, path, patients)
    if across <= down:
        return None
    key = gene if gene is not None else next(iter(texts), names[0])
    return _turn(table, key, known, path)


def _refuse_unknown(table: pd.DataFrame, path: Path, patients: Collection[str]) -> None:
    """Nothing, unless the first column is of genes, and no column of patients of the cohort."""
    named = [column for column in table.columns if not is_unnamed(column)]
    if patients and named and plain_name(named[0]) in GENE_COLUMNS:
        others = [name for name in named if plain_name(name) not in ABOUT_GENES]
        raise OmicsError(
            f"The rows of {path} are genes ({named[0]}), and none of its columns ({some(others, 3) or 'none'}) is "
            f"named after a patient of the cohort, such as {some(sorted(patients), 2)}. Name them after patients."
        )


def _turn(table: pd.DataFrame, key: str, known: set[str], path: Path) -> tuple[pd.DataFrame, list[str]]:
    is_patient = {name: _is_known(name, known) for name in table.columns}
    samples = [
        name
        for name in table.columns
        if is_patient[name]
        or (
            name != key
            and not is_unnamed(name)
            and plain_name(name) not in ABOUT_GENES
            and pd.api.types.is_numeric_dtype(table[name])
        )
    ]
    notes = [f"{path.name}: the rows are genes ({key}) and the columns patients, so the table was turned."]
    left = [name for name in table.columns if name not in set(samples) and name != key and not is_unnamed(name)]
    if left:
        notes.append(f"{path.name}: columns that are neither genes nor patients were left out: {some(left)}.")
    values = table[samples].copy()
    values.index = pd.Index(as_text(table[key]), dtype=object)
    no_gene = np.array([name in (None, IDS) for name in values.index], dtype=bool)
    if no_gene.any():
        notes.append(f"{path.name}: {no_gene.sum()} rows without a gene's name in {key} were left out.")
        values = values[~no_gene]
    if values.index.has_duplicates:
        values = _single(values, path, notes)
    turned = values.T
    turned.attrs = {}  # its rows are those of no file
    turned.columns = [str(gene) for gene in turned.columns]
    turned.insert(0, IDS, samples)
    return turned.reset_index(drop=True), notes


def _single(values: pd.DataFrame, path: Path, notes: list[str]) -> pd.DataFrame:
    """One row a gene: of equal rows one, of rows that differ none, for nobody can tell which is meant."""
    repeated = values[values.index.duplicated(keep=False)]
    differ = repeated.groupby(level=0, sort=False).nunique(dropna=False).gt(1).any(axis=1)
    unclear = set(differ.index[differ])
    if same := len(differ) - len(unclear):
        notes.append(f"{path.name}: {same} genes are in several rows that are equal, and were taken once.")
    if unclear:
        notes.append(
            f"{path.name}: {len(unclear)} genes are in several rows that differ, and were left out: "
            f"{some(sorted(unclear))}. To use them, leave one row of each."
        )
    kept = values[~values.index.duplicated()]
    return kept[[gene not in unclear for gene in kept.index]]


def _count(names: Iterable[str | None], known: set[str]) -> int:
    return sum(name is not None and _is_known(name, known) for name in names)


def _is_known(name: str, known: set[str]) -> bool:
    """Whether this is a patient's id, as programs change it, or the barcode of a patient's sample."""
    return _plain(name) in known or _plain(person_in(name)) in known


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "-", str(name).strip().casefold())
