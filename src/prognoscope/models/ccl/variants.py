"""CCL's variants and ablations: what they set, and what cannot be set."""

from collections.abc import Sequence
from typing import Any

from prognoscope.core.errors import ModelError
from prognoscope.models.options import check_choices

CHOICES = {  # the paper variant's first
    "swap_specific": (False, True),
    "fusion_attention": ("softmax", "nystrom"),
    "interaction_value": ("projected", "raw"),
    "lk_reduction": ("mean", "sum"),
    "lp_pool": ("component", "joint"),
    "similarity": ("elementwise", "cosine"),
    "bank_order": ("loss_first", "push_first"),
    "empty_cluster": ("farthest", "zero"),
    "center_cache": ("step", "once"),
}
DEFAULTS = {name: values[0] for name, values in CHOICES.items()}
VARIANTS = {
    "paper": DEFAULTS,
    "released": DEFAULTS
    | {
        "swap_specific": True,
        "fusion_attention": "nystrom",
        "lp_pool": "joint",
        "bank_order": "push_first",
        "empty_cluster": "zero",
    },
}
ABLATIONS = ("full", "cca_mkd", "cca")


def settled(variant: str, ablation: str, **given: object) -> dict[str, Any]:
    """What the variant says, and the options that are not None over it.

    Raises:
        ModelError: There is no such variant, ablation or choice.
    """
    check_choices("ccl", {"variant": variant, "ablation": ablation}, {"variant": VARIANTS, "ablation": ABLATIONS})
    chosen = {name: VARIANTS[variant][name] if value is None else value for name, value in given.items()}
    check_choices("ccl", chosen, CHOICES)
    return chosen


def check_sizes(
    group_sizes: Sequence[int], *, k: int, bank_length: int, groups: int | None, d: int, heads: int
) -> None:
    """Refuse sizes that no network or bank can have.

    Raises:
        ModelError: There are no gene groups, too few centres, patients or groups, or tokens that heads cannot share.
    """
    if not group_sizes:
        raise ModelError("ccl needs at least one gene group.")
    if min(k, bank_length) < 1 or (groups or 2) < 2:
        raise ModelError(
            f"ccl needs a centre, an earlier patient and two groups, not {k=}, {bank_length=} and {groups=}."
        )
    if d % heads:
        raise ModelError(f"ccl cannot cut tokens of width {d=} into {heads=} equal parts.")


def check_weights(*, tau: float, temperature: float, alpha: float) -> None:
    """Refuse numbers out of their range.

    Raises:
        ModelError: There is one.
    """
    if not (0 < tau <= 1 and temperature > 0 and alpha >= 0):
        raise ModelError(
            f"ccl needs tau in (0, 1], temperature above 0, alpha from 0, not {tau=}, {temperature=} and {alpha=}."
        )
