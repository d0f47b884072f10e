"""Published names of MCAT's parameters; MOTCat has the same ones, without the co-attention."""

from torch import Tensor

from prognoscope.models.checkpoints.fusion_names import fusion_names

IN_SUMMARY = {
    "transformer": "transformer",
    "attention_head": "attend",
    "attention_head.attention_a": "attend.tanh_branch",
    "attention_head.attention_b": "attend.gate_branch",
    "attention_head.attention_c": "attend.score",
    "rho": "narrow",
}
NAMES = {
    "wsi_net": "project",
    "sig_networks": "genes",
    "coattn": "coattend",
    **{
        f"{branch}_{theirs}": f"summaries.{side}.{ours}"
        for branch, side in {"path": "patches", "omic": "genes"}.items()
        for theirs, ours in IN_SUMMARY.items()
    },
    **fusion_names("summaries.fuse"),
    "classifier": "head",
}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; the number of heads leaves no trace in them."""
    d, embedding_dim = state["project.0.weight"].shape
    n_groups = len({name.split(".")[1] for name in state if name.startswith("genes.")})
    n_blocks = len([name for name in state if name.startswith("genes.0.") and name.endswith("weight")])
    transformer = "summaries.patches.transformer.layers."
    found = {
        "embedding_dim": embedding_dim,
        "group_sizes": tuple(state[f"genes.{k}.0.0.weight"].shape[1] for k in range(n_groups)),
        "n_bins": len(state["head.bias"]),
        "d": d,
        "layers": len({name.removeprefix(transformer).split(".")[0] for name in state if transformer in name}),
        "feed_forward": len(state[f"{transformer}0.linear1.bias"]),
        "gene_hidden": tuple(len(state[f"genes.0.{j}.0.bias"]) for j in range(n_blocks - 1)),
        "fusion": "bilinear" if "summaries.fuse.widen.0.weight" in state else "concat",
    }
    if found["fusion"] == "bilinear":
        found["fusion_hidden"] = len(state["summaries.fuse.widen.0.bias"])
        found |= {f"scale_dim{i + 1}": d // len(state[f"summaries.fuse.narrow.{i}.0.bias"]) for i in (0, 1)}
    return found
