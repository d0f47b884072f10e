"""The GDC's files of one sample each -> genes x samples: STAR counts, gene level copy number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.cohort.columns import need_column
from prognoscope.core.errors import OmicsError
from prognoscope.core.genes import without_version
from prognoscope.core.tables import as_text, read_table
from prognoscope.core.words import count
from prognoscope.importers.measured import PAR_Y, Measured
from prognoscope.importers.sheets import Sheets

UNITS = {  # of expression, as they are asked for -> the column of a STAR file, and what it is
    "tpm": ("tpm_unstranded", "linear TPM"),
    "fpkm-uq": ("fpkm_uq_unstranded", "linear FPKM-UQ"),
    "fpkm": ("fpkm_unstranded", "linear FPKM"),
    "counts": ("unstranded", "counts"),
}
COPIES = "copy_number"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is taken from each file."""

    column: str
    kind: str
    scale: str
    words: str


def of_unit(unit: str) -> Wanted:
    """Expression in this unit."""
    column, scale = UNITS[unit]
    return Wanted(column, "rnaseq", scale, "STAR counts")


OF_COPIES = Wanted(COPIES, "cnv", "copies of the gene, 2 being normal", "gene level copy number")


def read_samples(paths: Sequence[Path], sheets: Sheets, wanted: Wanted) -> Measured:
    """Files of one sample each as one matrix, the genes of all of which are the same.

    Raises:
        CohortError: No sheet says whose a file is.
        OmicsError: Two files have other genes, as those of two versions of the genome's annotation.
    """
    columns, samples = [], []
    first = _Genes.of(_read(paths[0], wanted))
    for path in paths:
        table = _read(path, wanted)
        genes = _Genes.of(table)
        if genes.ids != first.ids:
            raise OmicsError(
                f"{path.name} has other genes than {paths[0].name} ({len(genes.ids)} and {len(first.ids)}), as files "
                "of two versions of the annotation do. Take files of one data release."
            )
        columns.append(pd.to_numeric(table[wanted.column], errors="coerce").to_numpy(np.float32))
        samples.append(sheets.sample_of(path))
    keep = np.array([not name.endswith(PAR_Y) for name in first.ids], dtype=bool)
    names = [name for name, is_kept in zip(first.names, keep, strict=True) if is_kept]
    values = pd.DataFrame(np.column_stack(columns)[keep], index=names)
    types = None if first.types is None else pd.Series(first.types)[keep].reset_index(drop=True)
    notes = []
    source = f"{count(len(paths), 'file')} of {wanted.words} ({wanted.column})"
    if not keep.all():
        told = count(int((~keep).sum()), "copy", "copies")
        notes.append(f"{source}: left out: {told} on Y of genes that X has too ({PAR_Y}).")
    return Measured(values, wanted.kind, source, tuple(samples), wanted.scale, types, tuple(notes))


def _read(path: Path, wanted: Wanted) -> pd.DataFrame:
    table = read_table(path, "The file of genes")
    need_column(table, wanted.column, str(path))
    ids = as_text(table["gene_id"])
    is_gene = ids.notna() & ~ids.astype(str).str.startswith("N_")  # N_unmapped ... count reads, not genes
    return table[is_gene.to_numpy()].reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class _Genes:
    ids: list[str]
    names: list[str]
    types: list[str] | None

    @classmethod
    def of(cls, table: pd.DataFrame) -> "_Genes":
        types = table["gene_type"].astype(str).tolist() if "gene_type" in table else None
        return cls(table["gene_id"].astype(str).tolist(), table["gene_name"].astype(str).tolist(), types)


def symbols_in(paths: Sequence[Path]) -> Mapping[str, str]:
    """Ensembl id without version -> symbol, of tables that tell both.

    Raises:
        OmicsError: Two symbols are told of one id.
    """
    found: dict[str, str] = {}
    for path in paths:
        table = read_table(path, "The file of symbols")
        plain = {str(name).strip().lower(): str(name) for name in table.columns}
        key = next(plain[name] for name in ("ensembl_gene_id", "ensembl_id", "gene_id", "id") if name in plain)
        name = next(plain[each] for each in ("hgnc_symbol", "gene_name", "symbol", "gene") if each in plain)
        for gene, symbol in zip(as_text(table[key]), as_text(table[name]), strict=True):
            if gene is None or symbol is None:
                continue
            plain_id = without_version(gene)
            if found.setdefault(plain_id, symbol) != symbol:
                raise OmicsError(
                    f"{path} calls {plain_id} both {found[plain_id]} and {symbol}. Leave one symbol an id."
                )
    return found
