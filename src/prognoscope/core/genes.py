"""What the name of a gene column says, and which genes a method wants of each gene group."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from prognoscope.core.errors import ModelError, nearest

KINDS = ("rnaseq", "cnv", "mut")  # expression, copy number, mutation
KIND = re.compile(r"(?<=.)_(rnaseq|cnv|mut)$")
RULES = ("auto", "deseq2", "welch", "welch_resampled", "none")
ADJUSTMENTS = ("none", "bh")  # bh: Benjamini and Hochberg

ENSEMBL_VERSION = re.compile(r"^(ENS[A-Z]{0,5}[GTP]\d{11})\.\d+")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
GENES_OF_MONTHS = {  # families that Excel takes for dates, with the names they were given because of it
    3: (("MARCH{}", 11), ("MARCHF{}", 11), ("MARC{}", 2), ("MTARC{}", 2)),
    9: (("SEPT{}", 14), ("SEPTIN{}", 14)),
    10: (("OCT{}", 11),),
    12: (("DEC{}", 2), ("DELEC{}", 1)),
}
DAY_MONTH = re.compile(r"(\d{1,2})[-. /]{0,2}([^\W\d_]{3})[a-z]*\.?([-. /]\d{2,4})?")
MONTH_DAY = re.compile(r"([^\W\d_]{3})[a-z]*[-. /](\d{1,2})")
ISO_DAY = re.compile(r"\d{4}[-/](\d{1,2})[-/](\d{1,2})([ T]00:00(:00)?(\.0+)?)?")
TWO_NUMBERS = re.compile(r"(\d{1,2})([./])(\d{1,2})\2(\d{4}|\d{2})")  # day and month, or month and day
OF_EXCEL = re.compile(r"[34]\d{4}|\d+(\.\d+)?E[+-]?\d+", re.IGNORECASE)  # days from 1900, and 2310009E13 as a number


def dates_of_excel(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of these names, those that Excel made of genes, such as 1-Mar, and the genes each may have been."""
    found = {name: _genes_of_date(gene_of(name.strip())) for name in names}
    return {name: genes for name, genes in found.items() if genes}


def numbers_of_excel(names: Iterable[str]) -> list[str]:
    """Of the names of genes, those that are numbers as Excel makes them of names; none where most names are numbers."""
    names = list(names)
    found = [name for name in names if OF_EXCEL.fullmatch(gene_of(name.strip()))]
    return found if 2 * sum(gene_of(name).replace(".", "").isdigit() for name in names) <= len(names) else []


def _genes_of_date(name: str) -> tuple[str, ...]:
    if day := DAY_MONTH.fullmatch(name):
        number, month = int(day[1]), _month(day[2])
    elif day := MONTH_DAY.fullmatch(name):
        number, month = int(day[2]), _month(day[1])
    elif day := ISO_DAY.fullmatch(name):
        number, month = int(day[2]), int(day[1])
    elif day := TWO_NUMBERS.fullmatch(name):
        orders = [(int(day[1]), int(day[3])), (int(day[3]), int(day[1]))][: 2 if day[2] == "/" else 1]
        return tuple(gene for order in orders if order[1] in GENES_OF_MONTHS for gene in _genes_of_day(*order))
    else:
        return ()
    return _genes_of_day(number, month)


def _genes_of_day(number: int, month: int) -> tuple[str, ...]:
    if not 1 <= month <= 12 or not 1 <= number <= 31:
        return ()
    families = GENES_OF_MONTHS.get(month, ((f"{MONTHS[month - 1].upper()}{{}}", 31),))
    return tuple(family.format(number) for family, most in families if number <= most)


def _month(word: str) -> int:
    """1 to 12, also where Excel spoke German, French or Spanish; 0 for another word."""
    others = {
        "mrz": 3,
        "mär": 3,
        "déc": 12,
        "fév": 2,
        "aoû": 8,
        "mai": 5,
        "okt": 10,
        "dez": 12,
        "ene": 1,
        "abr": 4,
        "ago": 8,
        "dic": 12,
        "set": 9,
    }
    return others.get(word.lower(), MONTHS.index(word.lower()) + 1 if word.lower() in MONTHS else 0)


def without_version(column: str) -> str:
    """The column of an Ensembl id without its version: ENSG00000000003 for ENSG00000000003.15; others as they are."""
    return ENSEMBL_VERSION.sub(r"\1", column)


def gene_of(column: str) -> str:
    """The gene of a column: its name without the ending of a kind (`_rnaseq`, `_cnv`, `_mut`)."""
    return KIND.sub("", column)


def kind_of(column: str) -> str:
    """The kind that a column's ending says, "" where it has none."""
    found = KIND.search(column)
    return found.group(1) if found else ""


@dataclass(frozen=True, slots=True)
class GeneSelection:
    """How genes are chosen by the difference between training patients of low and of high risk.

    Raises:
        ModelError: There is no such rule or adjustment, or a number is out of range.
    """

    rule: str = "auto"  # of RULES; auto: deseq2 where every value is a count, welch elsewhere
    adjust: str = "none"  # of ADJUSTMENTS, for the p-values of the welch rules; deseq2 always has its own
    alpha: float = 0.05  # genes with a smaller p-value are kept
    min_genes: int = 2  # of a group that would keep fewer, those with the smallest p-values
    round_counts: bool = False  # fractional counts, such as expected ones, are rounded for deseq2 instead of refused

    def __post_init__(self):
        for what, value, known in (("rule", self.rule, RULES), ("adjust", self.adjust, ADJUSTMENTS)):
            if value not in known:
                raise ModelError(f"Genes cannot be chosen with {what} {value!r}; {nearest(value, known)}")
        if not 0 < self.alpha < 1:
            raise ModelError(f"Genes cannot be chosen with alpha {self.alpha!r}. Give a number between 0 and 1.")
        if self.min_genes < 0:
            raise ModelError(f"A gene group cannot keep {self.min_genes} genes. Give min_genes from 0 on.")
