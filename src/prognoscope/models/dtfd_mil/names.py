"""Published names of DTFD-MIL's parameters: one file with the state dicts of four networks, by their names."""

from torch import Tensor

NAMES = {
    "dim_reduction.fc1": "reduce.0",
    **{f"dim_reduction.resBlocks.{i}.block": f"reduce.{i + 2}.layers" for i in range(32)},
    "attention.attention_V.0": "attend.tanh_branch.0",
    "attention.attention_U.0": "attend.gate_branch.0",
    "attention.attention_weights": "attend.score",
    "classifier.fc": "tier1_head",
    "att_classifier.attention.attention_V.0": "tier2.attend.tanh_branch.0",
    "att_classifier.attention.attention_U.0": "tier2.attend.gate_branch.0",
    "att_classifier.attention.attention_weights": "tier2.attend.score",
    "att_classifier.classifier.fc": "tier2.head",
}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; pseudo-bags and what they are distilled to leave no trace."""
    hidden_dim, embedding_dim = state["reduce.0.weight"].shape
    return {
        "embedding_dim": embedding_dim,
        "n_bins": len(state["tier2.head.bias"]),
        "hidden_dim": hidden_dim,
        "attention_dim": state["attend.score.weight"].shape[1],
        "residual_blocks": sum(name.endswith(".layers.0.weight") for name in state),
    }
