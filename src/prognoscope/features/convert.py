"""A folder of embeddings into the layout of another tool, slide by slide; what is there and equal is left as it is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from prognoscope.core.errors import (
    DiskFullError,
    FeatureError,
    InputError,
    MissingFileError,
    PrognoscopeError,
    UnwritableError,
    nearest,
)
from prognoscope.core.files import need_writable, why_not_there, written_whole
from prognoscope.core.resolution import LARGEST_MPP, LEAST_MPP, is_plausible
from prognoscope.features.embeddings import Embeddings
from prognoscope.features.hdf5_file import attributes, find_dataset, opened
from prognoscope.features.origin import Origin, name_here
from prognoscope.features.other_tools import TOOLS, Files, Size, files_for
from prognoscope.features.store import find_embeddings, read_embeddings
from prognoscope.features.tensor_file import is_tensor_file


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What became of each slide."""

    done: tuple[str, ...]
    already: tuple[str, ...]  # were there, equal to the last byte
    failed: dict[str, str]  # slide -> reason


def convert_embeddings(
    folder: Path | str,
    out: Path | str,
    tool: str,
    *,
    slide_mpp: float | None = None,
    encoder: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ConversionReport:
    """Write the embeddings of a folder, of any layout that is read, as another tool reads them.

    One slide is in memory at a time. Nothing is written over: where a file is there and differs, its slide fails.

    Args:
        tool: clam, stamp, torchmil or trident.
        slide_mpp: um per pixel of level 0, for files that do not say it; wins over what they say.
        encoder: Which encoder made the embeddings, for files that do not say it.
        progress: Called with how many slides were looked at, and how many there are.

    Raises:
        InputError: No such tool, an impossible resolution, or `out` lies in the folder.
        MissingFileError: There is no such folder, or no embedding file in it.
        DiskFullError: There is no room; slides written so far are kept.
    """
    folder, out = Path(folder), Path(out)
    if tool not in TOOLS:
        raise InputError(f"There is no layout {tool!r} to convert to; {nearest(tool, TOOLS)}")
    if slide_mpp is not None and not is_plausible(slide_mpp):
        raise InputError(f"A slide has {LEAST_MPP:g} to {LARGEST_MPP:g} um per pixel, not {slide_mpp:g}. Correct it.")
    if not folder.is_dir():
        raise MissingFileError(
            f"The folder of embeddings {folder} does not exist. {why_not_there(folder)}Name the folder of their files."
        )
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{out} lies in {folder}, where it would be taken for more embeddings. Name another --out.")
    found = find_embeddings(folder)
    need_writable(out, "Embeddings", "Name another folder with --out.")
    done, already, failed = [], [], dict[str, str]()
    made_by: Origin | None = None
    for at, (slide, path) in enumerate(found.items(), 1):
        try:
            one = _named(read_embeddings(path, mpp=slide_mpp, slide=slide), encoder)
            files = files_for(tool, one, _size_px(path))
            made_by = _need_alike(made_by, Origin.of(one))
            (done if _write(out, files) else already).append(slide)
        except (DiskFullError, UnwritableError):
            raise  # the next slide would not fit either
        except PrognoscopeError as reason:
            failed[slide] = str(reason)
        if progress is not None:
            progress(at, len(found))
    return ConversionReport(tuple(done), tuple(already), failed)


def _named(one: Embeddings, encoder: str | None) -> Embeddings:
    if encoder is None or name_here(one.encoder) == name_here(encoder):
        return one
    if one.encoder is not None:
        raise FeatureError(f"its file says that {one.encoder} made it, not {encoder}; leave --encoder out")
    return replace(one, encoder=encoder)


def _need_alike(first: Origin | None, this: Origin) -> Origin:
    if first is not None and first.contradicts(this):
        raise FeatureError(f"it was made by {this}, slides before it by {first}; convert one folder of each")
    return first or this


def _size_px(path: Path) -> Size:
    """Width and height of level 0, where an HDF5 file tells them."""
    if is_tensor_file(path):
        return None, None
    with opened(path) as file:
        coords = find_dataset(path, file, "coords")
        told = {} if coords is None else attributes(coords, ("level0_width", "level0_height"))
    width, height = (told.get(name) for name in ("level0_width", "level0_height"))
    return width if isinstance(width, int) else None, height if isinstance(height, int) else None


def _write(out: Path, files: Files) -> bool:
    """Write those files that are not there, and say whether there were any."""
    there = {name: out / name for name in files if (out / name).exists()}
    for name, path in there.items():
        image = files[name]()
        if not path.is_file() or path.stat().st_size != len(image) or path.read_bytes() != image:
            raise FeatureError(f"{path} is there with another content and is not written over; move it away")
    for name in files.keys() - there.keys():
        image = files[name]()
        with written_whole(out / name) as beside:
            beside.write_bytes(image)
    return len(there) < len(files)
