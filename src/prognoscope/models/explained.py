"""What a model itself says of a prediction, in one vocabulary for all methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Kind:
    """A score of patches or of gene groups that a method gives: where it is found, and what it means."""

    key: str  # in the attention, the details or the stages of a forward pass
    meaning: str  # what a high value says, as a sentence
    unit: str
    columns: tuple[str, ...] | str = ""  # names of a further axis, or "gene_groups", "bins" or "subtypes"; "": none


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of all patches or gene groups of P patients."""

    values: Float[Tensor, "..."]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Explained:
    """What came of a forward pass beside the prediction."""

    patches: Mapping[str, Scores] = field(default_factory=dict)  # (T,), or (T, C) with columns
    gene_groups: Mapping[str, Scores] = field(default_factory=dict)  # (P, S), or (P, C, S) with columns
    stages: Mapping[str, Tensor] = field(default_factory=dict)  # what lies between input and prediction


SHARE = "share of 1"
ATTENTION = {"attention": Kind("patches", "How much of the patient's attention the patch gets.", SHARE)}
GENE_TO_PATCH = {
    "gene_to_patch": Kind(
        "gene_to_patch",
        "How much of what the gene group looks for in the slides the patch gives.",
        SHARE,
        "gene_groups",
    )
}
GENE_POOL = {"pool": Kind("gene_pool", "How much the gene group counts among the genes.", SHARE)}
