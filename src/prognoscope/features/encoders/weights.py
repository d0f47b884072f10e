"""Where the weights of an encoder lie, and what a file of them holds. Nothing is fetched unasked; no file runs code."""

import logging
import os
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError  # only the name of what torch raises

import torch

from prognoscope.core.errors import FeatureError, MissingFileError, some
from prognoscope.core.pickled_names import DAMAGE, names_endlessly, unpacks_beyond
from prognoscope.features.encoders.catalogue import CATALOGUE, Description
from prognoscope.features.encoders.sharded import INDEX, is_index, read_parts

log = logging.getLogger(__name__)

FOLDER = "PROGNOSCOPE_WEIGHTS"  # the environment variable that names the folder of weights
HUB = "hub"  # as a path: fetch; followed by @ and a revision, that one of the repository
FORMS = ("model.safetensors", "pytorch_model.bin")  # one repository may hold the same weights as both
ENDINGS = (".safetensors", ".bin", ".pth", ".pt")


def weights_home() -> Path:
    """The folder where weights are looked for: $PROGNOSCOPE_WEIGHTS, else ~/.cache/prognoscope."""
    return Path(os.environ.get(FOLDER) or os.path.expanduser("~/.cache/prognoscope"))  # a user may have no home


def place_of(told: Description) -> Path:
    """Where a user puts the published file."""
    return weights_home() / f"{told.name}{Path(told.file).suffix}"


def weights_on_disk(told: Description) -> Path | None:
    """The file of an encoder in the folder of weights or in the hub's own cache; None if there is none."""
    return _at_home(told) or _in_cache(told, told.revision) or _in_cache(told, None)


def _at_home(told: Description) -> Path | None:
    places = [f"{told.name}{ending}" for ending in ENDINGS] + [f"{told.name}/{file}" for file in _files(told)]
    for place in places:
        if (at := weights_home() / place).is_file():
            return at
    indices = _indices(weights_home() / told.name)
    return indices[0] if len(indices) == 1 else None


def _in_cache(told: Description, revision: str | None) -> Path | None:
    """What the hub's own cache holds of this revision; of None, of the newest that was fetched."""
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    for file in _files(told):
        cached = try_to_load_from_cache(told.hub, file, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    return None


def _files(told: Description) -> list[str]:
    """The published file, and its other form, which the repository may hold, too."""
    return sorted(FORMS if told.file in FORMS else [told.file], key=lambda file: file != told.file)


def find_weights(told: Description, weights: Path | str | None) -> Path:
    """The file of an encoder's weights. Only "hub" may download.

    Args:
        weights: A file, a folder that holds it, or "hub"; None for what lies on disk, be it of another revision than
            "hub" takes. "hub@REVISION", a commit or a tag of the repository, takes no other file.

    Raises:
        MissingFileError: It is not there, or cannot be fetched; says what to put where.
    """
    if weights is not None and not is_of_hub(weights):
        return _named(told, Path(weights))
    pinned = "" if weights is None else str(weights).partition("@")[2]
    if not pinned and (found := _at_home(told) or _in_cache(told, told.revision)) is not None:
        return found
    if weights is None:
        if (found := _in_cache(told, None)) is not None:
            log.warning(
                "%s is not of the revision %s of https://huggingface.co/%s, which features.weights: hub would take.",
                *(found, told.revision, told.hub),
            )
            return found
        raise MissingFileError(f"The weights of {told.name} are not on this disk. {advice(told)}")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(told.hub, told.file, revision=pinned or told.revision))
    except (OSError, ValueError, RuntimeError) as cause:  # the hub's errors are children of these
        why = f" ({type(cause).__name__}: {first_line(cause)})" if str(cause) else ""
        raise MissingFileError(
            f"The weights of {told.name} cannot be fetched from the hub{why}. {advice(told)}"
        ) from cause


def is_of_hub(weights: Path | str) -> bool:
    """Whether weights are asked of the hub: "hub" or "hub@REVISION"."""
    return str(weights) == HUB or str(weights).startswith(f"{HUB}@")


def _named(told: Description, path: Path) -> Path:
    """A file, or the one file of weights in a folder."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise MissingFileError(f"The weights {path} do not exist. {advice(told)}")
    if (published := path / told.file).is_file():
        return published
    if len(indices := _indices(path)) == 1:
        return indices[0]
    found = sorted(each for each in path.iterdir() if each.is_file() and each.suffix in ENDINGS)
    own = [each for each in found if each.stem == told.name]
    if len(own or found) == 1:
        return (own or found)[0]
    what = f"several files of weights, {some(each.name for each in found)}" if found else "no file of weights"
    raise MissingFileError(f"The folder {path} holds {what}; name the file of {told.name} itself. {advice(told)}")


def _indices(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{INDEX}"))


def advice(told: Description) -> str:
    """What to put where, and how else to give it."""
    gate = " (accept its licence there first, and set HF_TOKEN to your token)" if told.gated else ""
    return (
        f"Put {told.file} of https://huggingface.co/{told.hub}{gate} at {place_of(told)}, or name a file as "
        "features.weights, or fetch it with features.weights: hub (without a study: --weights)."
    )


def first_line(cause: BaseException) -> str:
    """What an error says first."""
    return str(cause).strip().splitlines()[0].rstrip(".")[:200]


def check_sum(told: Description, path: Path, digest: str) -> None:
    """Tell of a file that is not the published one, and refuse that of another encoder, whose names may be the same.

    Args:
        digest: The SHA-256 of the file at `path`.

    Raises:
        FeatureError: It is another encoder's.
    """
    others = {each.sha256: each.name for each in CATALOGUE.values() if each.sha256}
    if others.get(digest, told.name) != told.name:
        raise FeatureError(f"{path} is the published file of {others[digest]}, not of {told.name}, by its SHA-256.")
    if told.sha256 not in (None, digest) and path.suffix == Path(told.file).suffix:  # else it was converted
        log.warning(
            "%s is not %s of https://huggingface.co/%s in revision %s: it was saved anew, is of another release, or "
            "was damaged on its way. Its SHA-256 is %s, and not %s.",
            *(path, told.file, told.hub, told.revision, digest, told.sha256),
        )


def read_weights(path: Path) -> dict[str, object]:
    """All that a file of weights holds, by name.

    Raises:
        FeatureError: It is damaged, or would have to run code; it never does.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if unpacks_beyond(path):
        raise FeatureError(
            f"{path} is damaged, or squeezed, which could fill the memory, and was not read. Fetch it again, or save "
            "it again with torch.save, which squeezes nothing, or as safetensors."
        )
    try:
        if is_index(path):
            return dict(read_parts(path))
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        if names_endlessly(path):
            raise UnpicklingError("a class of an endless name")
        held = torch.load(path, map_location="cpu", weights_only=True)  # tensors alone: nothing in it can run code
    except (FeatureError, MissingFileError):
        raise
    except (*DAMAGE, SafetensorError, UnpicklingError) as cause:
        raise FeatureError(f"{path} does not hold weights that load without running code. Use safetensors.") from cause
    if not isinstance(held, dict):
        raise FeatureError(f"{path} holds a {type(held).__name__}, not named parameters. Save the state_dict alone.")
    return {str(name): value for name, value in held.items()}
