"""Published names of Surformer's parameters."""

from torch import Tensor

NAMES = {
    "prototype": "prototypes",
    "non_lin": "project",
    **{f"ln_{i}": f"norms.{i}" for i in range(9)},
    "ln_local": "local_norm",
    **{
        f"{theirs}.{name}": f"{ours}.{name.removesuffix('.0')}"
        for theirs, ours in {"cross_attention_0": "draw", "self_attention_0": "mix"}.items()
        for name in ("to_q.0", "to_k.0", "to_v", "to_out")
    },
    **{f"ffn_{i}.net.0": f"feed_forward.{i}.widen" for i in range(4)},
    **{f"ffn_{i}.net.2": f"feed_forward.{i}.narrow" for i in range(4)},
    "compress_local": "compress",
    "classifier_global": "global_head",
    "classifier_local": "local_head",
    "classifier_overall": "head",
}
UNUSED = ("cross_attention_1.",)  # made by the published code and never called


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes, with the published heads of 64 channels.

    Other heads leave no trace in the shapes: give both `heads` and `head_dim`.
    """
    hidden_dim, embedding_dim = state["project.0.weight"].shape
    inner = len(state["draw.to_q.weight"])
    head_dim = 64 if inner % 64 == 0 else inner // 4
    return {
        "embedding_dim": embedding_dim,
        "n_bins": len(state["head.weight"]),
        "n_prototypes": state["prototypes"].shape[1],
        "hidden_dim": hidden_dim,
        "heads": inner // head_dim,
        "head_dim": head_dim,
        "local_dim": len(state["compress.0.weight"]),
    }
