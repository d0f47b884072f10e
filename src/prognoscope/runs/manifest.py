"""The manifest of a folder: which files it holds, by their sums, and what they were made of.

It is written last, so it is what says that a fold is finished. Whoever reads a file of a run has it checked here first.
A folder without one is of a run from before there were manifests, or is not finished.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from prognoscope.core.errors import InputError
from prognoscope.core.files import digest, sha256, write_json
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import MANIFEST

VERSION = 1
TWO_WAYS = "Copy a shipped model again; of a run, put the file back, or start `prognoscope run` again to make it anew."

AGAIN = "To have them, run the study with keep_models: true into another folder (--out)."


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a finished folder says of itself."""

    files: Mapping[str, str]  # place in the folder -> SHA-256
    made_of: Fingerprint


def seal(folder: Path, paths: Iterable[Path], made_of: Fingerprint) -> None:
    """Write the manifest of those of these files that are there; from then on they are checked."""
    _write(folder, Manifest(_sums(folder, paths), made_of))


def seal_also(paths: Iterable[Path]) -> None:
    """Let the manifests beside these files, where there are any, tell of them as they are now."""
    for path in paths:
        manifest = read_manifest(path.parent)
        if manifest is not None:
            _write(path.parent, replace(manifest, files={**manifest.files, **_sums(path.parent, [path])}))


def unseal(folder: Path, paths: Iterable[Path]) -> None:
    """Let the manifest of a folder no longer tell of these files in it, and remove them."""
    paths = list(paths)
    manifest, names = read_manifest(folder), {path.relative_to(folder).as_posix() for path in paths}
    if manifest is not None and names & set(manifest.files):
        left = {name: told for name, told in manifest.files.items() if name not in names}
        _write(folder, replace(manifest, files=left))
    for path in paths:
        path.unlink(missing_ok=True)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none.

    Raises:
        InputError: It is damaged.
    """
    path = folder / MANIFEST
    try:
        value = json.loads(path.read_bytes())
        told = value.pop("sum")
        is_whole = told == digest(value) and value["version"] == VERSION
        manifest = Manifest(value["files"], Fingerprint(value["made_of"])) if is_whole else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        manifest = None
    if manifest is None:
        raise InputError(f"{path} is damaged, so nothing says whether the files beside it are. {TWO_WAYS}")
    return manifest


def checked(path: Path) -> Path:
    """The path of a file, whose content is what the manifest beside it says; without a manifest, nothing is known.

    Raises:
        InputError: It is another one, or the manifest does not tell of the file.
    """
    manifest = read_manifest(path.parent)
    if manifest is None or not path.is_file():  # that it is not there its reader says
        return path
    if path.name not in manifest.files:
        raise InputError(
            f"{path} was there before its run came to an end, so it is not of that run. Start `prognoscope run` again "
            "to make it, or remove the file."
        )
    if manifest.files[path.name] != sha256(path):
        raise InputError(f"{path} is not what the run wrote there: it was changed, cut off or replaced. {TWO_WAYS}")
    return path


def is_there(path: Path) -> bool:
    """Whether a file is to be read: the manifest beside it tells of it, or there is no manifest and the file is there.

    Raises:
        InputError: The manifest is damaged.
    """
    manifest = read_manifest(path.parent)
    return path.is_file() if manifest is None else path.name in manifest.files


def damage(folder: Path) -> list[str]:
    """The files that a finished folder has lost or that were changed in it; the manifest, if it is that itself."""
    try:
        manifest = read_manifest(folder)
    except InputError:
        return [MANIFEST]
    files = {} if manifest is None else manifest.files
    return [name for name, told in files.items() if not (folder / name).is_file() or sha256(folder / name) != told]


def _sums(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths if path.is_file()}


def _write(folder: Path, manifest: Manifest) -> None:
    value = {"version": VERSION, "files": dict(manifest.files), "made_of": dict(manifest.made_of.parts)}
    write_json(folder / MANIFEST, value | {"sum": digest(value)})
