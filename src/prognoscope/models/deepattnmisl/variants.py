"""DeepAttnMISL's two variants: what they set, and what cannot be set."""

from typing import Any

from prognoscope.core.errors import ModelError
from prognoscope.models.options import check_choices

VARIANTS = {  # option -> value, of those that are None
    "released": {
        "hidden_dim": 512,
        "attention_dim": 256,
        "dropout": 0.25,
        "shared_encoder": False,
        "mask_empty": False,
    },
    "original": {"hidden_dim": 64, "attention_dim": 32, "dropout": 0.5, "shared_encoder": True, "mask_empty": True},
}


def settled(variant: str, knows_centres: bool, **given: object) -> dict[str, Any]:
    """What the variant says, and the options that are not None over it.

    Raises:
        ModelError: There is no such variant, or it cannot have an option.
    """
    check_choices("deepattnmisl", {"variant": variant}, {"variant": VARIANTS})
    chosen: dict[str, Any] = {name: VARIANTS[variant][name] if v is None else v for name, v in given.items()}
    if variant == "original" and not (chosen["shared_encoder"] and chosen["mask_empty"] and not knows_centres):
        raise ModelError(
            "deepattnmisl's original variant clusters each bag by itself, shares one encoder and leaves empty "
            "clusters out. Take away shared_encoder, mask_empty and centres, or set variant: released."
        )
    hidden, width = chosen["hidden_dim"], chosen["attention_dim"]
    if min(hidden, width) < 1:
        raise ModelError(f"deepattnmisl needs widths of at least 1, not hidden_dim={hidden}, attention_dim={width}.")
    return chosen


def check_counts(*, num_clusters: int, sample_per_patient: int) -> None:
    """Refuse no clusters, and none to fit them to.

    Raises:
        ModelError: A count is below 1.
    """
    if min(num_clusters, sample_per_patient) < 1:
        raise ModelError(
            f"deepattnmisl needs a cluster and a patch to fit it to, not {num_clusters=}, {sample_per_patient=}."
        )
