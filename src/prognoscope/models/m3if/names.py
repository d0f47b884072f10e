"""Published names of M3IF's parameters, in the survival form of the MCTI comparison."""

from torch import Tensor

NAMES = {
    "fc_omic": "genes",
    "feature_fine_tuning": "tune",
    "mmtm.fc_squeeze": "squeeze",
    "mmtm.fc_tab": "gate_genes",
    "mmtm.fc_img": "gate_patches",
    "instance_gate1.trans.0": "attend",
    "instance_gate1.trans.2": "score",
    "table_feature_ft.0": "end_genes",
    "classifier.0": "widen.0",
    "classifier.2": "head",
}
UNUSED = ("wsi_select_gate.",)  # made by the published code and read by nothing


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes."""
    squeezed, both = state["squeeze.weight"].shape
    d, n_genes = state["genes.0.0.weight"].shape
    return {
        "embedding_dim": both - d,
        "group_sizes": (n_genes,),
        "n_bins": len(state["head.bias"]),
        "d": d,
        "img_layers": len([name for name in state if name.startswith("tune.") and name.endswith("weight")]),
        "gate_ratio": 2 * both / (squeezed + 0.5),  # the half is cut off again, and keeps rounding away
    }
