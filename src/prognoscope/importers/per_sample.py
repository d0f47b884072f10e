"""The GDC's files of one sample each -> genes x samples: STAR counts, gene level copy number."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.cohort.columns import need_column
from prognoscope.core.errors import OmicsError, some
from prognoscope.core.genes import without_version
from prognoscope.core.tables import as_text, read_table
from prognoscope.core.words import count
from prognoscope.importers.barcodes import Sample
from prognoscope.importers.measured import ABSENT, COUNTS, PAR_Y, Measured
from prognoscope.importers.sheets import Sheets

UNITS = {  # of expression, as they are asked for -> the column of a STAR file, and what it is
    "tpm": ("tpm_unstranded", "linear TPM"),
    "fpkm-uq": ("fpkm_uq_unstranded", "linear FPKM-UQ"),
    "fpkm": ("fpkm_unstranded", "linear FPKM"),
    "counts": ("unstranded", COUNTS),
}
COPIES = "copy_number"
WORKFLOW = re.compile(r"\.(ascat\w*|absolute\w*)\.|\.(gene_level\w*)\.", re.IGNORECASE)  # in the GDC's file names


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


def read_samples(
    paths: Sequence[Path], sheets: Sheets, wanted: Wanted, progress: Callable[[int, int], None] | None = None
) -> Measured:
    """Files of one sample each as one matrix, the genes of all of which are the same.

    Args:
        progress: Is told how many files are read, and of how many.

    Raises:
        CohortError: No sheet says whose a file is.
        OmicsError: Two files have other genes, as those of two versions of the annotation; or words for numbers; or
            they are of several workflows.
    """
    paths = sorted(paths, key=lambda path: (path.name, path))  # so that their order elsewhere decides nothing
    _refuse_workflows(paths, wanted)
    first = _read(paths[0], wanted)
    ids = first["gene_id"].tolist()
    columns, samples = [], []
    for i, path in enumerate(paths):
        table = _read(path, wanted)
        if table["gene_id"].tolist() != ids:
            raise OmicsError(
                f"{path.name} has other genes than {paths[0].name} ({len(table)} and {len(ids)}), as files of two "
                "versions of the annotation do. Take files of one data release."
            )
        if not pd.api.types.is_numeric_dtype(table[wanted.column]):
            raise OmicsError(f"{path} has words among the numbers of {wanted.column}. Download it again.")
        columns.append(table[wanted.column].to_numpy(np.float32))
        samples.append(sheets.sample_of(path))
        if progress is not None:
            progress(i + 1, len(paths))
    _refuse_pairs(paths, samples, wanted)
    keep = np.array([not str(name).endswith(PAR_Y) for name in ids], dtype=bool)
    values = pd.DataFrame(np.column_stack(columns)[keep], index=first["gene_name"][keep].astype(str).tolist())
    types = first["gene_type"][keep].astype(str).reset_index(drop=True) if "gene_type" in first else None
    notes = []
    source = f"{count(len(paths), 'file')} of {wanted.words} ({wanted.column})"
    if not keep.all():
        told = count(int((~keep).sum()), "copy", "copies")
        notes.append(f"{source}: left out: {told} on Y of genes that X has too ({PAR_Y}).")
    names = tuple(path.name for path in paths)
    return Measured(values, wanted.kind, source, tuple(samples), wanted.scale, types, tuple(notes), files=names)


def _refuse_workflows(paths: Sequence[Path], wanted: Wanted) -> None:
    """What two workflows call the copies of a gene is not the same."""
    names = (WORKFLOW.search(path.name) for path in paths)
    found = Counter(name[0].strip(".").lower() for name in names if name is not None)
    if len(found) > 1:
        told = some(f"{name} ({count(n, 'file')})" for name, n in found.most_common())
        raise OmicsError(f"The files of {wanted.words} are of several workflows: {told}. Take the files of one.")


def _refuse_pairs(paths: Sequence[Path], samples: Sequence[Sample], wanted: Wanted) -> None:
    """Some samples are measured twice; most of them only where workflows are mixed of which the names do not tell."""
    files = dict[Sample, list[str]]()
    for path, sample in zip(paths, samples, strict=True):
        files.setdefault(sample, []).append(path.name)
    again = [names for names in files.values() if len(names) > 1]
    if 2 * len(again) > len(files):
        raise OmicsError(
            f"{len(again)} of {count(len(files), 'sample')} have several files of {wanted.words}, such as "
            f"{some(again[0])}, as those of several workflows. Take the files of one."
        )


def _read(path: Path, wanted: Wanted) -> pd.DataFrame:
    table = read_table(path, "The file of genes")
    need_column(table, wanted.column, str(path))
    is_gene = ~table["gene_id"].astype(str).str.lower().isin(ABSENT)
    return table[is_gene.to_numpy()].reset_index(drop=True)


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
