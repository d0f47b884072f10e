"""`prognoscope import`: files of portals -> a folder with tables, their account, and the study that fits them."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from prognoscope.core.errors import InputError
from prognoscope.core.files import need_writable, write_table, write_text, written_whole
from prognoscope.core.processes import PART, is_left, part_beside
from prognoscope.importers.cohort import Imported, ImportSpec, read_portal_files
from prognoscope.omics.group_files import gmt_text
from prognoscope.study.start.from_folder import folder_study
from prognoscope.study.start.template import write_start

MOST_CELLS = 1_000_000  # of a gene table in CSV; a larger one is Parquet, which is read in a tenth of the time


def import_cohort(
    paths: Sequence[Path], folder: Path, spec: ImportSpec, progress: Callable[[int, int], None] | None = None
) -> tuple[Imported, list[str]]:
    """Write the folder of a cohort, whole or not at all.

    Args:
        progress: Is told how many files of one sample each are read, and of how many.

    Returns:
        What is in it, and the questions that its study file asks.

    Raises:
        InputError: The folder holds something, or the files cannot be used.
        UnwritableError: The folder cannot be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty. Name another folder with --out, or move it away.")
    need_writable(folder.parent, "The cohort", "Name another folder with --out.")
    imported = read_portal_files(paths, spec, progress)
    folder.parent.mkdir(parents=True, exist_ok=True)
    name = folder.resolve().name or "cohort"
    for left in folder.parent.glob(f".{name}.*{PART}"):
        if left.is_dir() and is_left(left):  # of an import that was killed
            shutil.rmtree(left, ignore_errors=True)
    beside = part_beside(folder.parent / name)
    beside.mkdir()
    try:
        made = beside / name
        made.mkdir()
        questions = _write(imported, made)
        if folder.exists():
            folder.rmdir()
        os.replace(made, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return imported, questions


def _write(imported: Imported, folder: Path) -> list[str]:
    write_table(folder / "clinical.csv", imported.clinical)
    if imported.genes is not None:
        _write_genes(folder, imported.genes)
    if imported.groups:
        write_text(folder / "groups.gmt", gmt_text(imported.groups))
    if len(imported.slides):
        write_table(folder / "slides.csv", imported.slides)
    text, questions = folder_study(folder, folder, is_ours=True)
    write_start(folder, text)
    if len(imported.conflicts):
        write_table(folder / "conflicts.csv", imported.conflicts)
    if len(imported.samples):
        write_table(folder / "samples.csv", imported.samples)
    if len(imported.coverage):
        write_table(folder / "coverage.csv", imported.coverage)
    write_text(folder / "account.md", imported.account)
    return questions


def _write_genes(folder: Path, genes: pd.DataFrame) -> None:
    if genes.size <= MOST_CELLS:
        write_text(folder / "genes.csv", genes.to_csv(index=False, lineterminator="\n", float_format=_shown))
        return
    with written_whole(folder / "genes.parquet") as beside:
        parquet.write_table(pa.Table.from_pandas(genes, preserve_index=False), beside)


def _shown(value: Any) -> str:
    """A number to the digits that single precision has, and counts to the last."""
    return f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
