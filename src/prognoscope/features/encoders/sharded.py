"""Weights in several safetensors files beside an index that says which file has which parameter."""

import hashlib
import json
from pathlib import Path

from torch import Tensor

from prognoscope.core.errors import FeatureError, MissingFileError, some
from prognoscope.core.files import sha256

INDEX = ".safetensors.index.json"  # how the index is called, behind a name


def is_index(path: Path) -> bool:
    """Whether a file is the index of several, by its name."""
    return path.name.endswith(INDEX)


def sum_of(path: Path) -> str:
    """The SHA-256 of a file of weights; of an index, of those of its parts, by name."""
    if not is_index(path):
        return sha256(path)
    parts = sorted(set(_places(path).values()))
    return hashlib.sha256("\n".join(f"{part.name} {sha256(part)}" for part in parts).encode()).hexdigest()


def read_parts(path: Path) -> dict[str, Tensor]:
    """All that the parts of an index hold, by name.

    Raises:
        FeatureError: The index is damaged, or its parts hold other parameters than it says.
        MissingFileError: A part is not there.
    """
    from safetensors.torch import load_file

    places = _places(path)
    found: dict[str, Tensor] = {}
    for part in sorted(set(places.values())):
        held = load_file(part)
        told = {name for name, place in places.items() if place == part}
        if differing := sorted(told ^ held.keys()):
            raise FeatureError(f"{part} and {path.name} differ in {some(differing)}. Fetch all of its files again.")
        found |= held
    return found


def _places(path: Path) -> dict[str, Path]:
    """Parameter -> the file of it."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        names = {str(name): str(part) for name, part in told.items()}
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as cause:
        raise FeatureError(f"{path} is no index of weights (it has no weight_map). Fetch it again.") from cause
    strange = sorted({part for part in names.values() if Path(part).name != part or not part.endswith(".safetensors")})
    if strange or not names:
        named = some(strange) or "no files"
        raise FeatureError(f"{path} names {named}, where safetensors beside it are meant. Fetch it again.")
    places = {name: path.with_name(part) for name, part in names.items()}
    if absent := sorted({part.name for part in places.values() if not part.is_file()}):
        raise MissingFileError(f"{path} names parts that are not beside it: {some(absent)}. Put them there.")
    return places
