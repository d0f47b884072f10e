"""The weights of a checkpoint that holds other things beside them, such as options, data and metrics."""

from pathlib import Path
from pickle import UnpicklingError
from zipfile import is_zipfile

import torch
from torch import Tensor

from prognoscope.core.pickled_names import DAMAGE

STATES = ("state_dict", "model_state_dict")  # what published checkpoints call their weights


class _PassedOver:
    """Stands for whatever is no tensor: takes anything, keeps and does nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


def weights_beside_others(path: Path) -> dict[str, Tensor] | None:
    """The weights alone; None if there are none, or the file cannot be read so.

    Nothing in the file runs: the reader is torch's restricted one, and every name that it does not know becomes an
    object that does nothing. Names that could harm, such as those of the system, it refuses even then.
    """
    if not is_zipfile(path):
        return None
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        with torch.serialization.safe_globals([(_PassedOver, name) for name in names]):
            found = torch.load(path, map_location="cpu", weights_only=True)  # see above: nothing in it runs
    except (UnpicklingError, *DAMAGE):
        return None
    state = state_of(found)
    if not isinstance(state, dict) or not state:
        return None
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    return tensors if len(tensors) == len(state) else None


def state_of(checkpoint: object) -> object:
    """What a checkpoint calls its weights, or all of it."""
    if not isinstance(checkpoint, dict):
        return checkpoint
    return next((checkpoint[name] for name in STATES if name in checkpoint), checkpoint)
