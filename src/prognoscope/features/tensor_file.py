"""PyTorch files from strangers: one tensor of embeddings out of them, without running code or taking much memory."""

import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # only the name of what torch raises
from typing import TYPE_CHECKING, Any

import numpy as np

from prognoscope.core.errors import some
from prognoscope.core.pickled_names import names_endlessly, unpacks_beyond
from prognoscope.features.bad_files import BadFileError
from prognoscope.features.hdf5_file import BROKEN, need_regular

if TYPE_CHECKING:
    import torch

FEATURES = ("features", "feats", "embeddings", "embedding", "feat", "x", "last_layer_embed")  # as tools name them
COORDS = ("coords", "coordinates", "coord", "coords_px")
HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"  # how files begin, whatever their names say
TENSORS = (".pt", ".pth")
NO_TENSORS = "it holds objects that cannot be loaded without running code"
NOT_WHOLE = "no whole file of tensors (truncated, damaged, or of another kind)"
SAVE_ALONE = "Save one tensor of shape (N, D) by itself: torch.save(tensor, path)."


@dataclass(frozen=True, slots=True)
class TensorFile:
    """What a file of tensors holds that is of use."""

    features: "torch.Tensor"  # float, dense, on the CPU
    coords: np.ndarray | None = None


def is_tensor_file(path: Path) -> bool:
    """Whether this is no HDF5 file but one that PyTorch wrote, by how it begins, or else by its name.

    Raises:
        BadFileError: It is no regular file, or cannot be opened.
    """
    need_regular(path)
    with path.open("rb") as file:
        begin = file.read(len(HDF5))
    return begin != HDF5 and (begin.startswith(ZIP) or path.suffix.lower() in TENSORS)


def load_tensors(path: Path) -> TensorFile:
    """The embeddings of a `.pt` file, and the coordinates beside them: a tensor, a dict, or a list.

    Raises:
        BlockedFileError: It may not be read.
        BadFileError: It is damaged, holds anything but tensors, or does not say which tensor is meant.
    """
    need_regular(path)
    content = _load(path)
    if not isinstance(content, Mapping):
        return TensorFile(_dense(path, _one(path, content)))
    name = _name_of_features(path, content)
    coords = next((content[each] for each in COORDS if each in content), None)
    return TensorFile(_dense(path, _one(path, content[name])), _as_array(coords))


def _load(path: Path) -> Any:
    import torch

    try:
        is_packed = zipfile.is_zipfile(path)
        if unpacks_beyond(path):
            raise BadFileError(path, "an archive that says it unpacks to more than it holds")
        if names_endlessly(path):
            raise BadFileError(path, NO_TENSORS, SAVE_ALONE)
        with warnings.catch_warnings():  # of kinds of tensors that torch will give up
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_packed)  # nothing in it can run code
    except UnpicklingError as cause:
        raise _unpicklable(path, cause) from cause
    except (*BROKEN, EOFError, RecursionError, zipfile.BadZipFile, struct.error, ImportError) as cause:
        if isinstance(cause, BadFileError):
            raise
        raise BadFileError(path, NOT_WHOLE) from cause


def _unpicklable(path: Path, cause: UnpicklingError) -> BadFileError:
    if "numpy" in str(cause):
        return BadFileError(
            path,
            "it holds a numpy array, which cannot be loaded from a .pt file without running code",
            "Save it as a tensor: torch.save(torch.from_numpy(array), path).",
        )
    if "nsupported global" in str(cause) or "nsupported class" in str(cause):
        return BadFileError(path, NO_TENSORS, SAVE_ALONE)
    return BadFileError(path, NOT_WHOLE)


def _name_of_features(path: Path, content: Mapping[Any, Any]) -> Any:
    """The key of the embeddings: one that tools use, or the only one with tensors besides coordinates."""
    tensors = [key for key, value in content.items() if _is_features(value) and key not in COORDS]
    known = [key for key in tensors if key in FEATURES]
    for keys in (known, tensors):
        if len(keys) == 1:
            return keys[0]
    if not tensors:
        held = some(map(_clean, content)) or "nothing"
        raise BadFileError(path, f"a dict that holds {held}, and no tensor of embeddings", SAVE_ALONE)
    raise BadFileError(
        path,
        f"a dict of several tensors ({some(map(_clean, tensors))}), none of which is known to be meant",
        SAVE_ALONE,
    )


def _is_features(value: Any) -> bool:
    import torch

    return (isinstance(value, torch.Tensor) and value.ndim > 0) or (
        isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(each, torch.Tensor) for each in value)
    )


def _one(path: Path, content: Any) -> "torch.Tensor":
    """The only tensor in a list, or vectors of equal length as rows."""
    import torch

    if isinstance(content, torch.Tensor):
        return content
    if not isinstance(content, list | tuple) or not all(isinstance(each, torch.Tensor) for each in content):
        raise BadFileError(path, f"a {_clean(type(content).__name__)}, not a tensor", SAVE_ALONE)
    if len(content) == 1:
        return content[0]
    shapes = {tuple(each.shape) for each in content}
    if len(shapes) == 1 and len(next(iter(shapes))) == 1:
        return torch.stack([_dense(path, each) for each in content])
    raise BadFileError(path, f"a list of {len(content)} tensors that are no vectors of one length", SAVE_ALONE)


def _dense(path: Path, tensor: "torch.Tensor") -> "torch.Tensor":
    """The tensor if numbers can be read from it as they are."""
    import torch

    if tensor.device.type == "meta":
        raise BadFileError(path, "a tensor without values (on the device meta)", SAVE_ALONE)
    if tensor.is_quantized:
        raise BadFileError(path, "a quantised tensor", "Save tensor.dequantize().")
    if tensor.layout != torch.strided or tensor.is_nested:
        raise BadFileError(path, "a sparse or nested tensor", "Save tensor.to_dense().")
    if not tensor.is_floating_point():
        raise BadFileError(
            path, f"a tensor of {str(tensor.dtype).removeprefix('torch.')}, not of floating point numbers", SAVE_ALONE
        )
    if min(tensor.shape, default=0) < 0:
        raise BadFileError(path, NOT_WHOLE)
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise BadFileError(
            path, "a tensor that says it has more values than the file holds", "Save tensor.contiguous()."
        )
    return tensor.detach().as_subclass(torch.Tensor)


def _as_array(coords: Any) -> np.ndarray | None:
    import torch

    if not isinstance(coords, torch.Tensor):
        return None
    is_plain = coords.device.type == "cpu" and coords.layout == torch.strided and not coords.is_quantized
    if (
        not is_plain
        or coords.is_complex()
        or min(coords.shape, default=0) < 0
        or coords.numel() * coords.element_size() > coords.untyped_storage().nbytes()
    ):
        return None
    values = coords.detach()
    return (values.double() if values.is_floating_point() else values).numpy()


def _clean(name: object) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(name)[:40])
