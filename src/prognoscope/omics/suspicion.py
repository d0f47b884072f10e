"""What looks wrong in the genes of a table: another scale than is expected, names that a program changed."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from prognoscope.core.errors import some
from prognoscope.core.genes import dates_of_excel, kind_of

EXPRESSION = ("rnaseq", "")  # kinds of columns that may hold expression
LARGEST_LOGARITHM = 1000.0  # log2 of anything measured is below 64; z-scores seldom reach 100


def suspicions(values: pd.DataFrame, source: str) -> tuple[str, ...]:
    """A sentence on each thing that looks wrong; patients x genes, as in the file."""
    found = [_scale(values, source), _dates(list(values.columns), source), _numbered(list(values.columns), source)]
    return tuple(sentence for sentence in found if sentence)


def _scale(values: pd.DataFrame, source: str) -> str:
    chosen = values[[column for column in values.columns if kind_of(column) in EXPRESSION]].to_numpy()
    known = chosen[np.isfinite(chosen)]
    if not known.size or known.min() < 0 or known.max() < LARGEST_LOGARITHM:
        return ""
    are = "are whole numbers" if (known == np.floor(known)).all() else "run"
    return (
        f"{source}: the gene values {are} up to {known.max():,.0f}, as raw counts do and logarithms do not. Each gene "
        "is standardised as it is, so that a few large values rule it: give log2(1 + value). Only to choose genes by "
        "DESeq2, counts are right."
    )


def _dates(columns: Sequence[str], source: str) -> str:
    dates = dates_of_excel(columns)
    if not dates:
        return ""
    named = some(f"{name} was {' or '.join(genes)}" for name, genes in dates.items())
    return (
        f"{source}: {len(dates)} columns are dates that Excel made of genes: {named}. No group finds them: take the "
        "names from the table before it was opened in Excel."
    )


def _numbered(columns: Sequence[str], source: str) -> str:
    there = set(columns)
    copies = [column for column in columns if (found := re.fullmatch(r"(.+)\.\d", column)) and found[1] in there]
    if not copies:
        return ""
    return (
        f"{source}: {len(copies)} columns look like genes that were there twice, which a program numbered: "
        f"{some(copies)}. Leave one column a gene."
    )
