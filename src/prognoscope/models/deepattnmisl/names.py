"""Published names of DeepAttnMISL's parameters, in the version with hazards and in the original.

Neither comes with what its clusters are: give the training's centres, or cluster ids to `predict`.
"""

import warnings

import torch
from torch import Tensor

from prognoscope.models.base import SurvivalModel
from prognoscope.models.checkpoints.loading import load_by_names

NAMES = {
    "phis": "encoders",
    "attention_net.0": "project.0",
    "attention_net.3.attention_a.0": "attend.tanh_branch.0",
    "attention_net.3.attention_b.0": "attend.gate_branch.0",
    "attention_net.3.attention_c": "attend.score",
    "rho.0": "narrow.0",
    "classifier": "head",
}
ORIGINAL = {
    "embedding_net.0": "encoders.0.0",
    "attention.0": "attend.0",
    "attention.2": "attend.2",
    "fc6.0": "narrow.0",
    "fc6.3": "head",
}
NOT_PUBLISHED = ("centres", "baseline.")  # ours are buffers


def load(state: dict[str, Tensor], *, n_bins: int = 4, **options) -> SurvivalModel:
    """A model with these weights, in evaluation mode; of the original, with a warning that only its risk has a meaning.

    Args:
        n_bins: Of the original variant, whose weights do not tell it.
        options: Of the method, where the shapes do not tell them.

    Raises:
        ModelError: Parameters are missing or left over.
    """
    if "embedding_net.0.weight" not in state:
        first = state.get("phis.0.0.weight")
        n_encoders = sum(name.startswith("phis.") and name.endswith(".0.weight") for name in state)
        if first is not None and options.get("centres") is None:
            shape = options.get("num_clusters", n_encoders), first.shape[1]
            options["centres"] = torch.full(shape, torch.nan)  # unknown, which forward says
        is_shared = n_encoders == 1 and options.get("num_clusters", 1) > 1
        options = {"num_clusters": n_encoders, "shared_encoder": is_shared, **options}
        return load_by_names("deepattnmisl", state, NAMES, arguments, unpublished=NOT_PUBLISHED, **options)
    warnings.warn(
        "Published weights of the original deepattnmisl give a risk, but no hazards: those of this model come from no "
        "data until model.baseline.start(target) is told the outcomes of its training patients.",
        stacklevel=2,
    )
    state = {name: value.flatten(1) if value.ndim == 4 else value for name, value in state.items()}
    options = {"n_bins": n_bins, "variant": "original", **options}
    return load_by_names("deepattnmisl", state, ORIGINAL, arguments, unpublished=NOT_PUBLISHED, **options)


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes."""
    hidden_dim, embedding_dim = state["encoders.0.0.weight"].shape
    sizes: dict[str, object] = {
        "embedding_dim": embedding_dim,
        "hidden_dim": hidden_dim,
        "attention_dim": len(state["narrow.0.bias"]),
    }
    return sizes if "attend.0.weight" in state else {**sizes, "n_bins": len(state["head.bias"])}
