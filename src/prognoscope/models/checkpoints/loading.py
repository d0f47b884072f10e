"""A published checkpoint -> our model: names translated, sizes read from the shapes, leftovers named."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from pickle import UnpicklingError
from zipfile import is_zipfile

import torch
from torch import Tensor

from prognoscope.core.errors import ModelError, some
from prognoscope.core.files import need_file
from prognoscope.core.pickled_names import DAMAGE, names_endlessly, unpacks_beyond
from prognoscope.models.base import SurvivalModel
from prognoscope.models.checkpoints.beside import state_of, weights_beside_others
from prognoscope.models.registry import folder_of, model_class


def has_published_names(name: str) -> bool:
    """Whether published checkpoints of the method can be read."""
    return find_spec(f"{folder_of(name)}.names") is not None


def load_released(name: str, state: dict[str, Tensor], **options) -> SurvivalModel:
    """A model of the method `name` with published weights, in evaluation mode.

    Args:
        state: Published parameter names with their values.
        options: Of the method, where the shapes do not tell them.

    Raises:
        ModelError: The method has no table of published names, or parameters are missing or left over.
    """
    if not has_published_names(name):
        raise ModelError(f"No published checkpoints are known for {name}; load one of your own runs instead.")
    table = import_module(f"{folder_of(name)}.names")
    if hasattr(table, "load"):  # where one parameter of ours holds several published ones
        return table.load(state, **options)
    told = {
        "unused": table.unused(state) if hasattr(table, "unused") else getattr(table, "UNUSED", ()),
        "unpublished": getattr(table, "NOT_PUBLISHED", ()),
    }
    return load_by_names(name, state, table.NAMES, table.arguments, **told, **options)


def load_by_names(
    name: str,
    state: dict[str, Tensor],
    names: dict[str, str],
    arguments: Callable[[dict[str, Tensor]], dict[str, object]],
    *,
    unused: tuple[str, ...] = (),
    unpublished: tuple[str, ...] = (),
    **options,
) -> SurvivalModel:
    """A model with published weights under our names, in evaluation mode.

    Args:
        names: Published prefixes of names -> ours.
        arguments: Reads the constructor's arguments from parameters under our names.
        unused: How published names begin that nothing reads.
        unpublished: How names of ours begin that no checkpoint has; they are left as the constructor makes them.

    Raises:
        ModelError: Parameters are missing or left over.
    """
    ours = {rename(each, names): value for each, value in state.items() if not each.startswith(unused)}
    published = {rename(each, names): each for each in state}
    try:
        model = model_class(name)(**{**arguments(ours), **options})
    except KeyError as cause:
        lacking = _published_name(str(cause.args[0]), names, state)
        raise ModelError(f"The checkpoint is not one of {name}: it lacks {lacking!r}.") from cause
    own = model.state_dict()
    if wrong := [name for name in ours if name in own and ours[name].shape != own[name].shape]:
        shapes = (f"{published[n]} is {tuple(ours[n].shape)}, not {tuple(own[n].shape)}" for n in wrong)
        raise ModelError(f"The checkpoint does not fit {name} with these options: {some(shapes)}.")
    missing, left_over = model.load_state_dict(ours, strict=False)
    missing = [each for each in missing if not each.startswith(unpublished)]
    if missing or left_over:
        lacking = some(_published_name(each, names, state) for each in missing)
        raise ModelError(
            f"The checkpoint does not fit {name}: missing {lacking or 'nothing'}; "
            f"left over {some(published[n] for n in left_over) or 'nothing'}."
        )
    return model.eval()


def rename(name: str, names: dict[str, str]) -> str:
    """Our name of a published parameter: the longest matching prefix is replaced, until none matches."""
    for _ in names:
        matches = [prefix for prefix in names if name == prefix or name.startswith(f"{prefix}.")]
        if not matches:
            break
        longest = max(matches, key=len)
        name = names[longest] + name.removeprefix(longest)
    return name


def _published_name(name: str, names: dict[str, str], state: dict[str, Tensor]) -> str:
    """What a parameter of ours is called in checkpoints; of several names, the one most like those in this one."""
    candidates = {}  # and how near to the whole name the prefix of ours is
    for theirs, ours in names.items():
        candidate = theirs + name.removeprefix(ours)
        if (name == ours or name.startswith(f"{ours}.")) and rename(candidate, names) == name:
            candidates[candidate] = len(ours)

    def likeness(candidate: str) -> tuple[int, int]:
        alike = (takewhile(lambda pair: pair[0] == pair[1], zip(candidate, each, strict=False)) for each in state)
        return max((len(list(same)) for same in alike), default=0), candidates[candidate]

    return max(reversed(candidates), key=likeness, default=name)


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or `.pt` file by name. Nothing in the file can run code.

    Raises:
        ModelError: The file holds something else than tensors.
    """
    path = need_file(path, "The checkpoint")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as cause:
            raise ModelError(f"{path} is damaged or cut short. Download or copy it again.") from cause
    if unpacks_beyond(path):
        raise ModelError(
            f"{path} is damaged, or squeezed, which could fill the memory, and was not read. Download or copy it "
            "again, or save it again with torch.save, which squeezes nothing."
        )
    if names_endlessly(path):
        raise _more_than_tensors(path)
    try:  # tensors alone, so nothing in it can run code; what a method has no use for is never read, if mapped
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except UnpicklingError as cause:
        if (state := weights_beside_others(path)) is not None:
            return state
        raise _more_than_tensors(path) from cause
    except PermissionError:
        raise
    except DAMAGE as cause:
        raise ModelError(f"{path} is damaged or cut short. Download or copy it again.") from cause
    state = state_of(state)
    if isinstance(state, dict) and state and all(isinstance(part, dict) for part in state.values()):  # of networks
        state = {f"{part}.{name}": value for part, its in state.items() for name, value in its.items()}
    if not (isinstance(state, dict) and all(isinstance(value, Tensor) for value in state.values())):
        raise ModelError(f"{path} does not hold named tensors. Save the model's state_dict.")
    return state


def _more_than_tensors(path: Path) -> ModelError:
    return ModelError(
        f"{path} is no checkpoint, or holds more than tensors, which could run code and was not read. Save the "
        "model's state_dict."
    )
