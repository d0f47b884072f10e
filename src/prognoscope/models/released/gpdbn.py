"""Names of GPDBN's parameters in its Cox code. It reads vectors, and has no baseline hazard: its risks rank patients,
while its survival is that of an arbitrary baseline."""

from torch import Tensor

NAMES = {
    "gene_path.0": "inter",
    "gene_gene.0": "intra_gene",
    "path_path.0": "intra_path",
    "classifier.0": "head.last",
}
UNUSED = ("output_range", "output_shift")  # 6 and -3, which are no parameters here
NOT_PUBLISHED = ("head.baseline.",)


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes."""
    widths = [len(state[name]) for name in sorted(state) if name.startswith("encoder.") and name.endswith("bias")]
    k, gene_squared = state["intra_gene.weight"].shape
    return {
        "embedding_dim": round(state["intra_path.weight"].shape[1] ** 0.5),
        "group_sizes": (round(gene_squared**0.5),),
        "n_bins": 4,
        "inputs": "vectors",
        "bilinear_hidden": k,
        "encoder_widths": tuple(widths),
        "head": "cox",
        "variant": "released",
    }
