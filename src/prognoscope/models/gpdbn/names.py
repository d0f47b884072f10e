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
    has_inter, has_intra = (any(name.startswith(block) for name in state) for block in ("inter.", "intra_"))
    sources = ("intra_gene.weight", "intra_path.weight") if has_intra else ("inter.weight",) * 2  # of equal lengths
    of_genes, of_slide = (state[name] for name in sources)
    n_outputs = len(state["head.last.weight"])
    return {
        "embedding_dim": round(of_slide.shape[1] ** 0.5),
        "group_sizes": (round(of_genes.shape[1] ** 0.5),),
        "n_bins": n_outputs if n_outputs > 1 else 4,
        "inputs": "vectors",
        "bilinear_hidden": len(of_genes),
        "encoder_widths": tuple(widths),
        "use_inter": has_inter,
        "use_intra": has_intra,
        "head": "cox" if n_outputs == 1 else "discrete",
        "variant": "released",
    }
