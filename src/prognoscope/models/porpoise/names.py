"""Published names of PORPOISE's parameters; the places in `attention_net` shift by one where the input drops out."""

from torch import Tensor

from prognoscope.models.checkpoints.fusion_names import fusion_names

IN_SLIDE_PART = {
    "0": "project.0",
    "1": "project.0",
    **{
        f"{i}.attention_{theirs}": f"attend.{ours}"
        for i in (3, 4)
        for theirs, ours in {"a": "tanh_branch", "b": "gate_branch", "c": "score"}.items()
    },
}
NAMES = {
    **{f"attention_net.{theirs}": ours for theirs, ours in IN_SLIDE_PART.items()},
    **{f"attention_net.module.{theirs}": ours for theirs, ours in IN_SLIDE_PART.items()},  # of machines with GPUs
    "rho": "narrow",
    "fc_omic": "genes",
    **fusion_names("fuse"),
    "classifier_mm": "head",
}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; gates, blocks of genes and rates leave no trace in them."""
    hidden_dim, embedding_dim = state["project.0.weight"].shape
    d = len(state["narrow.0.bias"])
    found: dict[str, object] = {
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
