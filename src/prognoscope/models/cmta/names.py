"""Published names of CMTA's parameters: both variants; the paper's has the names of its specification."""

from torch import Tensor

from prognoscope.models.checkpoints.fusion_names import fusion_names

IN_ENCODER = {
    "cls_token": "class_token",
    "pos_layer.proj": "ppeg.conv7",
    "pos_layer.proj1": "ppeg.conv5",
    "pos_layer.proj2": "ppeg.conv3",
    **{
        f"layer{i}.attn.{theirs}": f"layer{i}.attend.{ours}"
        for i in (1, 2)
        for theirs, ours in {"to_qkv": "to_qkv", "to_out.0": "to_out", "res_conv": "convolve"}.items()
    },
}
ENCODERS = {
    "pathomics_encoder": "patch_encoder",
    "pathomics_decoder": "patch_decoder",
    "genomics_encoder": "gene_encoder",
    "genomics_decoder": "gene_decoder",
    "fusion_encoder": "fuse.encoder",  # of dualtrans
}
NAMES = {
    "pathomics_fc": "project",
    "genomics_fc": "genes",
    **ENCODERS,
    **{f"{x}.{theirs}": f"{y}.{ours}" for x, y in ENCODERS.items() for theirs, ours in IN_ENCODER.items()},
    "P_in_G_Att": "cross.of_patches",
    "G_in_P_Att": "cross.of_groups",
    **{f"cross.{letter}": f"cross.{letter.lower()}" for letter in ("U", "V", "W_p", "W_g")},
    **fusion_names("fuse"),
    "classifier": "head",
}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; landmarks and steps leave no trace in them."""
    return {
        **arguments_of_encoders(state),
        "variant": "released" if "cross.of_patches.in_proj_weight" in state else "paper",
        "cross_attention": any(name.startswith("cross.") for name in state),
        "fusion": "bilinear" if "fuse.narrow.0.0.weight" in state else "concat",
        "ppeg": "patch_encoder.ppeg.conv7.weight" in state,
    }


def arguments_of_encoders(state: dict[str, Tensor]) -> dict[str, object]:
    """The arguments that CMTA shares with DualTrans."""
    n_groups = len({name.split(".")[1] for name in state if name.startswith("genes.")})
    n_blocks = len([name for name in state if name.startswith("genes.0.") and name.endswith("weight")])
    heads, _, kernel, _ = state["patch_encoder.layer1.attend.convolve.weight"].shape
    patch_hidden, embedding_dim = state["project.0.weight"].shape
    return {
        "embedding_dim": embedding_dim,
        "group_sizes": tuple(state[f"genes.{k}.0.0.weight"].shape[1] for k in range(n_groups)),
        "n_bins": len(state["head.bias"]),
        "d": state["head.weight"].shape[1],
        "patch_hidden": patch_hidden,
        "gene_hidden": tuple(len(state[f"genes.0.{j}.0.bias"]) for j in range(n_blocks - 1)),
        "heads": heads,
        "kernel": kernel,
        "final_norm": "patch_encoder.norm.weight" in state,
    }
