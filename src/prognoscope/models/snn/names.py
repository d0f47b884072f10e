"""Published names of SNN's parameters, the same in MCAT and MCTI."""

from torch import Tensor

NAMES = {"fc_omic": "blocks", "classifier": "head"}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes."""
    widths = [state[name].shape[0] for name in sorted(state) if name.startswith("blocks") and name.endswith("weight")]
    return {
        "group_sizes": (state["blocks.0.0.weight"].shape[1],),
        "n_bins": len(state["head.bias"]),
        "widths": tuple(widths),
    }
