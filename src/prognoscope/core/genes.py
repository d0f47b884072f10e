"""What the name of a gene column says, and which genes a method wants of each gene group."""

import re
from dataclasses import dataclass

from prognoscope.core.errors import ModelError, nearest

KINDS = ("rnaseq", "cnv", "mut")  # expression, copy number, mutation
KIND = re.compile(r"(?<=.)_(rnaseq|cnv|mut)$")
RULES = ("auto", "deseq2", "welch", "welch_resampled", "none")
ADJUSTMENTS = ("none", "bh")  # bh: Benjamini and Hochberg


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
