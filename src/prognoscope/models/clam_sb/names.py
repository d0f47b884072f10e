"""Published names of CLAM's parameters, single branch, in its own code and in the survival ports."""

from torch import Tensor

IN_ATTENTION = {
    "module.0": "attend.tanh_branch.0",  # without a gate
    "attention_a.0": "attend.tanh_branch.0",
    "attention_b.0": "attend.gate_branch.0",
    "attention_c": "attend.score",
}
SHARED = {
    "attention_net.0": "project.0",
    "attention_net.2.module.2": "attend.score",  # without a gate and without dropout layers
    "attention_net.3.module.3": "attend.score",
    **{f"attention_net.{i}.{theirs}": ours for i in (2, 3) for theirs, ours in IN_ATTENTION.items()},
    "instance_classifiers": "instances",
}
NAMES = {**SHARED, "cls_head": "heads.0", "classifiers": "heads.0"}


def unused(state: dict[str, Tensor]) -> tuple[str, ...]:
    """What begins with these is read by nothing: the head that the MCTI port makes and replaces by another."""
    return ("classifiers.",) if "cls_head.weight" in state else ()


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; options of the losses leave no trace in them."""
    hidden_dim, embedding_dim = state["project.0.weight"].shape
    heads = {name for name in state if name.startswith("heads.") and name.endswith(".bias")} or {"heads.0.bias"}
    return {
        "embedding_dim": embedding_dim,
        "n_bins": sum(len(state[name]) for name in heads),
        "hidden_dim": hidden_dim,
        "attention_dim": state["attend.score.weight"].shape[1],
        "gate": "attend.gate_branch.0.weight" in state,
    }
