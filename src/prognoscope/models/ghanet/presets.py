"""G-HANet's variants and the rows of its ablation: what they set, and what cannot be set."""

from collections.abc import Mapping, Sequence
from typing import Any

from prognoscope.core.errors import ModelError
from prognoscope.models.options import check_choices

WHOLE = {"cab": "cross", "branch": "hyper", "bridge": True, "pooling": "both", "differential": "auto"}
VARIANTS = {
    "paper": {"fusion": "concat", "recon_reduction": "mean"},
    "released": {"fusion": "mean", "recon_reduction": "sum"},
}
PRESETS = {  # the rows of the paper's ablation; the first, model0, is the method abmil
    "model1": {"cab": "gated", "branch": "cross"},
    "model2": {"branch": "cross"},
    "model3": {"cab": "gated"},
    "model4": {"bridge": False},
    "model5": {"pooling": "genomic"},
    "model6": {"differential": "none"},
    "model7": {},
}
CHOICES = {
    "variant": tuple(VARIANTS),
    "preset": tuple(PRESETS),
    "cab": ("cross", "gated"),
    "branch": ("hyper", "cross"),
    "bridge": (True, False),
    "pooling": ("both", "genomic"),
    "fusion": ("concat", "mean"),
    "recon_reduction": ("mean", "sum"),
}


def settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """What variant and preset say, and the options that were given over it.

    Raises:
        ModelError: An option has no such value.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if given.get("preset") == "model0":
        raise ModelError("ghanet's model0 is the method abmil. Take abmil instead.")
    check_choices("ghanet", {name: value for name, value in given.items() if name in CHOICES}, CHOICES)
    variant, preset = VARIANTS[given.get("variant", "paper")], PRESETS[given.get("preset", "model7")]
    return {**WHOLE, **variant, **preset, **given}


def check_sizes(group_sizes: Sequence[int], num_tokens: int | None, dim: int, heads: int) -> None:
    """Refuse sizes that do not go together.

    Raises:
        ModelError: There are no genes, other numbers of tokens and groups, or tokens that the heads cannot share.
    """
    if not any(group_sizes):
        raise ModelError("ghanet learns to tell genes from slides, but there are no genes. Give cohort.omics.")
    if num_tokens not in (None, len(group_sizes)):
        raise ModelError(
            f"ghanet has one token per gene group, of which there are {len(group_sizes)}, not num_tokens={num_tokens}."
        )
    if dim % heads:
        raise ModelError(f"ghanet cannot cut tokens of width hidden_dim={dim} into heads={heads} equal parts.")
