"""Published names of TransMIL's parameters: the original's, and those of its survival copy in MCTI's code."""

from torch import Tensor

from prognoscope.models.cmta.names import IN_ENCODER

NAMES = {
    "_fc1.0": "project.0",
    **{theirs: f"encoder.{ours}" for theirs, ours in IN_ENCODER.items()},
    "layer1.norm": "encoder.layer1.norm",
    "layer2.norm": "encoder.layer2.norm",
    "norm": "encoder.norm",
    "_fc2": "head",
    "classifier": "head",  # MCTI's copy
}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; landmarks, steps and alignment leave no trace in them."""
    heads, _, kernel, _ = state["encoder.layer1.attend.convolve.weight"].shape
    hidden_dim, embedding_dim = state["project.0.weight"].shape
    return {
        "embedding_dim": embedding_dim,
        "n_bins": len(state["head.bias"]),
        "hidden_dim": hidden_dim,
        "heads": heads,
        "kernel": kernel,
    }
