"""Tables of genes x samples, as Xena and cBioPortal ship them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.core.column_names import is_unnamed, plain_name
from prognoscope.core.errors import OmicsError, some
from prognoscope.core.genes import KINDS
from prognoscope.core.tables import as_text, notes_of, read_table
from prognoscope.importers.barcodes import FULL, Sample, UnfitError, as_barcode
from prognoscope.importers.measured import Measured, is_linear, samples_of
from prognoscope.omics.orientation import ABOUT_GENES, GENE_COLUMNS

COPIES = {-2.0, -1.5, -1.0, 0.0, 1.0, 2.0}  # of GISTIC; cBioPortal has -1.5 too
MOST_COPIES = 1000  # whole numbers up to this may be copies
PLACEHOLDERS = (-999, -9999)  # of missing values
SCALES = {"cnv": "from deep deletion (-2) to amplification (2)", "mut": "1: mutated, 0: not"}


def read_matrix(path: Path, known: Mapping[str, Sample], kind: str | None) -> Measured:
    """A table whose columns are samples.

    Args:
        known: Samples of which another table says whose they are.
        kind: What it holds, where that is said; otherwise its values tell, or it is refused.

    Raises:
        OmicsError: It holds what is no number.
        UnfitError: It holds no number at all, or nothing tells what it holds.
    """
    table = read_table(path, "The table of genes", keep_unnamed=True)
    names = list(map(str, table.columns))
    gene = next((name for name in names if plain_name(name) in GENE_COLUMNS), names[0])
    key = next((name for name in names if plain_name(name) == "hugo_symbol"), gene)
    columns = [name for name in names[1:] if name != key and not is_unnamed(name)]
    columns = [name for name in columns if plain_name(name) not in ABOUT_GENES or FULL.fullmatch(as_barcode(name))]
    values = table[columns].apply(pd.to_numeric, errors="coerce")
    strange = values.isna() & table[columns].notna()
    strange &= table[columns].astype(str).map(lambda cell: cell.strip().lower() not in ("na", "nan", "null", ""))
    stands = values.isin(PLACEHOLDERS)
    strange |= stands
    if strange.to_numpy().any():
        row, column = np.argwhere(strange.to_numpy())[0]
        cell = table[columns].iloc[row, column]
        told = "stands for a missing value" if stands.iloc[row, column] else "is not a number"
        is_damaged = (values.notna() & ~strange).to_numpy().any()
        raise (OmicsError if is_damaged else UnfitError)(
            f"{path} has {str(cell)!r} of {table[key].iloc[row]} in {columns[column]}, which {told}. Correct it, leave "
            "it empty, or leave the file out."
        )
    values = values.astype(np.float32).set_axis([name or "" for name in as_text(table[key])])
    found = kind or _kind_in(values, path)
    return Measured(values, found, path.name, samples_of(columns, known), _scale(values, found), notes=notes_of(table))


def _scale(values: pd.DataFrame, kind: str) -> str:
    """What values of copy number or of mutations mean; "" of expression, which is looked at later."""
    known = values.to_numpy()
    known = known[np.isfinite(known)]
    if kind not in SCALES or not known.size:
        return ""
    is_usual = np.isin(known, list(COPIES if kind == "cnv" else {0, 1})).all()
    return SCALES[kind] if is_usual else f"as the file has them, from {known.min():g} to {known.max():g}"


def _kind_in(values: pd.DataFrame, path: Path) -> str:
    known = values.to_numpy()
    known = known[np.isfinite(known)]
    there = set(np.unique(known).tolist()) if known.size else set()
    if there and there <= {0.0, 1.0}:
        return "mut"
    if there <= COPIES and any(value < 0 for value in there):
        return "cnv"
    is_whole = all(value.is_integer() for value in there)
    is_expression = there and (is_linear(known) or (min(there) >= 0 and max(there) > 2))
    if is_expression and not (is_whole and max(there) <= MOST_COPIES):
        return "rnaseq"
    told = f"from {min(there):g} to {max(there):g}" if there else "empty"
    raise UnfitError(
        f"{path.name}: its values are {told}, which may be expression that was standardised, copy number or something "
        f"else. Say which with --kind {path.name}=rnaseq, cnv or mut; or leave it out."
    )


def kinds_told(told: tuple[str, ...], names: set[str]) -> dict[str, str]:
    """File name -> kind, of words such as data_log2_cna.txt=cnv.

    Raises:
        OmicsError: There is no such kind, or no such table.
    """
    found = {}
    for word in told:
        name, _, kind = word.rpartition("=")
        if kind not in KINDS or not name:
            raise OmicsError(f"--kind {word} does not say what a table holds. Write FILE=rnaseq, FILE=cnv or FILE=mut.")
        if Path(name).name not in names:
            raise OmicsError(
                f"--kind names {name}, which is no table of genes x samples here: "
                f"{some(sorted(names)) or 'there is none'}."
            )
        found[Path(name).name] = kind
    return found
