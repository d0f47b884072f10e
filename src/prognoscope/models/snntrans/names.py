"""Names of SNNTrans' parameters: nothing is published; those of the gene half of a CMTA checkpoint."""

from torch import Tensor

from prognoscope.models.cmta.names import NAMES

__all__ = ["NAMES", "arguments"]


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; landmarks and steps leave no trace in them."""
    n_groups = len({name.split(".")[1] for name in state if name.startswith("genes.")})
    n_blocks = len([name for name in state if name.startswith("genes.0.") and name.endswith("weight")])
    heads, _, kernel, _ = state["gene_encoder.layer1.attend.convolve.weight"].shape
    return {
        "group_sizes": tuple(state[f"genes.{k}.0.0.weight"].shape[1] for k in range(n_groups)),
        "n_bins": len(state["head.bias"]),
        "encoder": "transmil" if "gene_encoder.ppeg.conv7.weight" in state else "genomics",
        "d": state["head.weight"].shape[1],
        "gene_hidden": tuple(len(state[f"genes.0.{j}.0.bias"]) for j in range(n_blocks - 1)),
        "heads": heads,
        "kernel": kernel,
    }
