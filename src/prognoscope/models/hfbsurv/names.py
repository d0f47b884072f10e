"""Published names of HFBSurv's parameters. It reads vectors, and has no baseline hazard: its risks rank patients, while
its survival is that of an arbitrary baseline. Published weights were trained with both slips, so with
`variant="released"`."""

from torch import Tensor

OF_MODALITY = {"gene": "gene", "path": "path", "cona": "cna"}
NAMES = {
    **{f"encoder_{theirs}.encoder": f"encode.{ours}" for theirs, ours in OF_MODALITY.items()},
    **{f"Linear_{theirs}": f"to_square.{ours}" for theirs, ours in OF_MODALITY.items()},
    **{f"Linear_{theirs}_a": f"to_pair.{ours}" for theirs, ours in OF_MODALITY.items()},
    "attention.0": "weigh",
    "classifier.0": "head.last",
}
UNUSED = ("output_range", "output_shift")  # 6 and -3, which are no parameters here
NOT_PUBLISHED = ("head.baseline.",)


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes."""
    hidden = len(state["encode.gene.0.0.bias"])
    out_intra = state["weigh.weight"].shape[1] - hidden
    has_three = "encode.cna.0.0.weight" in state
    alterations = (state["encode.cna.0.0.weight"].shape[1],) if has_three else ()
    code_dim, cox_hidden = state["encoder.1.0.weight"].shape
    n_outputs = len(state["head.last.weight"])
    return {
        "embedding_dim": state["encode.path.0.0.weight"].shape[1],
        "group_sizes": (state["encode.gene.0.0.weight"].shape[1], *alterations),
        "n_bins": n_outputs if n_outputs > 1 else 4,
        "inputs": "vectors",
        "modalities": 3 if has_three else 2,
        "hidden": hidden,
        "rank": len(state["to_square.gene.bias"]) // out_intra,
        "out_intra": out_intra,
        "out_inter": len(state["norm.weight"]) - hidden - out_intra,
        "cox_hidden": cox_hidden,
        "code_dim": code_dim,
        "norm": "batch" if "norm.running_mean" in state else "layer",
        "head": "cox" if n_outputs == 1 else "discrete",
        "variant": "released",
    }
