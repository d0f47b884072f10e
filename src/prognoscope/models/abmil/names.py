"""Published names of ABMIL's parameters, in the family of MCAT's code."""

from torch import Tensor

NAMES = {
    "attention_net.0": "project.0",
    "attention_net.3.attention_a.0": "attend.tanh_branch.0",
    "attention_net.3.attention_b.0": "attend.gate_branch.0",
    "attention_net.3.attention_c": "attend.score",
    "attention_net.module": "attention_net",  # saved from a multi-GPU wrapper
    "rho.0": "narrow.0",
    "classifier": "head",
    "cls_head": "head",  # MCTI's copy
}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes."""
    hidden_dim, embedding_dim = state["project.0.weight"].shape
    n_bins, attention_dim = state["head.weight"].shape
    return {"embedding_dim": embedding_dim, "n_bins": n_bins, "hidden_dim": hidden_dim, "attention_dim": attention_dim}
