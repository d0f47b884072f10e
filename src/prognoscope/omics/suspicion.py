"""What looks wrong in the genes of a table: another scale than is expected, names that a program changed."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from prognoscope.core.errors import some
from prognoscope.core.genes import dates_of_excel, kind_of, numbers_of_excel

EXPRESSION = ("rnaseq", "")  # kinds of columns that may hold expression
COPY = re.compile(r"(.+?)(?:\.{1,3}|[-_])\d{1,2}")  # as pandas, R and AnnData number a name that is there again
LARGEST_LOGARITHM = 1000.0  # log2 of anything measured is below 64; z-scores seldom reach 100


def suspicions(values: pd.DataFrame, source: str) -> tuple[str, ...]:
    """A sentence on each thing that looks wrong; patients x genes, as in the file."""
    names = list(values.columns)
    found = [_scale(values, source), *(look(names, source) for look in (_dates, _numbers, _numbered, _spelled_twice))]
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


def _numbers(columns: Sequence[str], source: str) -> str:
    numbers = numbers_of_excel(columns)
    if not numbers:
        return ""
    return (
        f"{source}: {len(numbers)} columns are numbers among names of genes: {some(numbers)}. Excel makes such of "
        "genes such as SEPT2 and 2310009E13; no group finds them: take the names from the table before that."
    )


def _spelled_twice(columns: Sequence[str], source: str) -> str:
    spelled: dict[str, list[str]] = {}
    for column in columns:
        spelled.setdefault(column.casefold(), []).append(column)
    twice = [" and ".join(each) for each in spelled.values() if len(each) > 1]
    if not twice:
        return ""
    return (
        f"{source}: {len(twice)} names differ in upper and lower case only, and count as different genes: "
        f"{some(twice)}. Leave one column a gene."
    )


def _numbered(columns: Sequence[str], source: str) -> str:
    there = set(columns)
    copies = [column for column in columns if (found := COPY.fullmatch(column)) and found[1] in there]
    if not copies:
        return ""
    return (
        f"{source}: {len(copies)} columns look like genes that were there twice, which a program numbered: "
        f"{some(copies)}. Leave one column a gene."
    )
