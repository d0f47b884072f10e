"""Published names of MeanMIL's parameters: MCTI's `AvgPoolMLP`, and CMTA's patch projection."""

from torch import Tensor

NAMES = {"pathomics_fc.0": "embed.0.0", "pathomics_fc.3": "embed.1.0", "emb": "embed", "classifier": "head"}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; MCTI's has three layers, CMTA's projection two."""
    shapes = [state[name].shape for name in sorted(state) if name.startswith("embed") and name.endswith("weight")]
    return {
        "embedding_dim": shapes[0][1],
        "n_bins": len(state["head.bias"]),
        "widths": tuple(shape[0] for shape in shapes),
        "variant": "released" if len(shapes) == 3 else "paper",
    }
