"""CCL's variants and ablations: what they set, and what cannot be set."""

from collections.abc import Sequence
from typing import Any

from prognoscope.core.errors import ModelError
from prognoscope.models.options import check_choices

CHOICES = {  # the paper variant's first
    "swap_specific": (False, True),
    "fusion_attention": ("softmax", "nystrom"),
    "interaction_value": ("projected", "raw"),
    "interaction_gate": ("sigmoid", "linear"),
    "matching": ("l1", "cosine"),
    "feed_forward": (False, True),
    "lk_reduction": ("mean", "sum"),
    "lp_pool": ("component", "joint"),
    "lp_reduction": ("mean", "sum"),
    "similarity": ("elementwise", "cosine"),
    "bank_order": ("loss_first", "push_first"),
    "empty_cluster": ("farthest", "zero"),
    "center_cache": ("step", "once"),
    "groups_by": ("bins", "event_times", "all_times"),
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
    "printed": DEFAULTS
    | {
        "interaction_value": "raw",
        "matching": "cosine",
        "feed_forward": True,
        "lk_reduction": "sum",
        "lp_reduction": "sum",
        "center_cache": "once",
        "groups_by": "all_times",
    },
}
INTERACTIONS = {name: {"interaction_value": VARIANTS[name]["interaction_value"]} for name in ("released", "printed")}
ABLATIONS = ("full", "cca_mkd", "cca")


def settled(variant: str, ablation: str, interaction: str | None, **given: object) -> dict[str, Any]:
    """What the variant says, over it the form of eq. 2, and over both the options that are not None.

    Raises:
        ModelError: There is no such variant, ablation, form or choice.
    """
    named = {"variant": variant, "ablation": ablation} | ({} if interaction is None else {"interaction": interaction})
    check_choices("ccl", named, {"variant": VARIANTS, "ablation": ABLATIONS, "interaction": INTERACTIONS})
    said = VARIANTS[variant] | INTERACTIONS.get(interaction or "", {})
    chosen = {name: said[name] if value is None else value for name, value in given.items()}
    check_choices("ccl", chosen, CHOICES)
    return chosen


def rule_of_groups(groups_by: str | None, chosen: str, groups: int | None, n_bins: int) -> str:
    """How survival groups are cut: as chosen; where their number alone is given, it cannot be the time bins.

    Args:
        groups_by: What was asked for, if anything was.
        chosen: What it settled to, with the variant.

    Raises:
        ModelError: The time bins are asked for, in another number than there are.
    """
    if chosen != "bins" or groups in (None, n_bins):
        return chosen
    if groups_by == "bins":
        raise ModelError(
            f"ccl cannot have {groups=} that are its {n_bins} time bins. Leave out groups, or cut them by other times: "
            "groups_by='all_times' or 'event_times'."
        )
    return "event_times"


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
