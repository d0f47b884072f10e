"""Published names of PORPOISE's parameters; the places in `attention_net` shift by one where the input drops out."""

from torch import Tensor

NAMES = {
    "attention_net.module": "attention_net",  # of a training on a machine with GPUs
    "attention_net.0": "project.0",
    "attention_net.1": "project.0",
    "attention_net.3": "attend",
    "attention_net.4": "attend",
    "attend.attention_a": "attend.tanh_branch",
    "attend.attention_b": "attend.gate_branch",
    "attend.attention_c": "attend.score",
    "rho": "narrow",
    "fc_omic": "genes",
    "mm": "fuse",
    **{
        f"mm.linear_{theirs}{i + 1}": f"fuse.{ours}.{i}"
        for theirs, ours in {"h": "narrow", "z": "gate", "o": "mix"}.items()
        for i in (0, 1)
    },
    "mm.encoder1": "fuse.widen",
    "mm.encoder2": "fuse.end",
    "classifier_mm": "head",
}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; gates, blocks of genes and rates leave no trace in them."""
    hidden_dim, embedding_dim = state["project.0.weight"].shape
    d = len(state["narrow.0.bias"])
    found = {
        "embedding_dim": embedding_dim,
        "group_sizes": (state["genes.0.0.weight"].shape[1],),
        "n_bins": len(state["head.bias"]),
        "hidden_dim": hidden_dim,
        "d": d,
    }
    if "fuse.widen.0.bias" not in state:
        return found | {"fusion": "concat"}
    fusion_hidden = len(state["fuse.widen.0.bias"])
    scales = {f"scale_dim{i + 1}": d // len(state[f"fuse.narrow.{i}.0.bias"]) for i in (0, 1)}
    return (
        found | scales | {"fusion_hidden": fusion_hidden, "skip": state["fuse.end.0.weight"].shape[1] > fusion_hidden}
    )
