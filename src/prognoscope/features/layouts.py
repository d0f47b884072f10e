"""Readers for the embedding files that users have: ours and TRIDENT's, CLAM's, STAMP's.

What each tool writes was read from its sources: TRIDENT 0.3.0, CLAM 2025-04, STAMP 2.5.0. None of them is imported.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from jaxtyping import Float

from prognoscope.core.errors import FeatureError, MissingFileError, nearest, some
from prognoscope.features.bad_files import AGAIN, BadFileError
from prognoscope.features.coordinates import CoordinatesError, as_corners, exact_corners
from prognoscope.features.embeddings import Embeddings, rows_not_finite
from prognoscope.features.hdf5_file import (
    BROKEN,
    EXACT_SIDE,
    attributes,
    find_dataset,
    need_dataset,
    need_values,
    opened,
    side_px_level0,
)
from prognoscope.features.tensor_file import FEATURES, is_tensor_file, load_tensors

Layout = Literal["auto", "prognoscope", "trident", "clam", "stamp"]
OLD_STAMP_UM = 256 / 224  # um per unit of STAMP files without a unit: a tile was 224 px and 256 um wide
SAMPLED_BYTES = 2**22  # of a file's values: more are looked at in some places only
PLACES = 8
GEOMETRY = (EXACT_SIDE, "patch_size_level0", "patch_size", "overlap", "mpp", "level0_magnification")  # of coordinates
LONGEST_TEXT = 200  # of what a file says of itself


@dataclass(frozen=True, slots=True)
class Found:
    """An embedding file that is open: what it says, and a function that reads rows of its values."""

    path: Path
    shape: tuple[int, int]  # N, D
    rows: Callable[[slice], np.ndarray]  # float16 or float32, (n, D)
    about: Mapping[str, Any]  # what `Embeddings` has besides


@dataclass(frozen=True, slots=True)
class Look:
    """What an embedding file says, of which values were looked at in some places only."""

    patches: int
    embedding_dim: int  # D; 0 where an empty file does not say
    encoder: str | None = None
    mpp: float | None = None  # um per pixel of level 0
    patch_um: float | None = None
    coords_fault: str | None = None  # why its coordinates are not used


def read_layout(path: Path, layout: str = "auto", *, mpp: float | None = None, slide: str | None = None) -> Embeddings:
    """The embeddings in one file.

    Args:
        mpp: um per pixel of level 0, for files that do not say it; wins over what the file says.
        slide: Its id; by default what the file is named after.

    Raises:
        MissingFileError: There is no such file.
        BadFileError: The file is broken, is of another layout, or holds NaN or infinite values.
    """
    with _found(Path(path), layout, mpp) as found:
        features = found.rows(slice(None))
        if len(bad := rows_not_finite(features)):
            raise _not_finite(found.path, f"{len(bad)} of {len(features)} embeddings: rows {some(bad)}")
    return Embeddings(slide or found.path.stem, features, **found.about)


def look_at(path: Path, layout: str = "auto", *, mpp: float | None = None) -> Look:
    """What one file says of its embeddings, read as `read_layout` does, but of many values a sample.

    Raises:
        MissingFileError: There is no such file.
        BadFileError: The file is broken, is of another layout, or holds NaN or infinite values where it was looked at.
    """
    with _found(Path(path), layout, mpp) as found:
        patches, length = found.shape
        for part in _places(patches, length):
            if len(bad := rows_not_finite(found.rows(part))):
                raise _not_finite(found.path, f"such as rows {some(bad + part.start)} of {patches}")
        known = {name: found.about.get(name) for name in ("encoder", "mpp", "coords_fault")}
        return Look(patches, length if patches else 0, **known, patch_um=_patch_um(found.about))


def _patch_um(about: Mapping[str, Any]) -> float | None:
    """The side of a patch, from the resolution or from the scanner's magnification, of which 10 is 1 um per pixel."""
    side, mpp, magnification = (about.get(name) for name in ("patch_px_level0", "mpp", "magnification"))
    if about.get("patch_um") is not None or side is None:
        return about.get("patch_um")
    return side * mpp if mpp else side * 10 / magnification if magnification else None


def _places(patches: int, length: int) -> list[slice]:
    """All rows of a small file; of a large one as many in each of some places, the first and the last among them."""
    if patches * length * 4 <= SAMPLED_BYTES:
        return [slice(0, patches)]
    rows = max(1, SAMPLED_BYTES // (4 * length * PLACES))
    starts = np.linspace(0, max(0, patches - rows), PLACES).astype(int)
    return [slice(start, start + rows) for start in sorted(set(starts.tolist()))]


def _not_finite(path: Path, detail: str) -> BadFileError:
    cure = "Extract these slides again (half precision may have overflowed), or remove the files."
    return BadFileError(path, "NaN or infinite values", cure, detail)


@contextmanager
def _found(path: Path, layout: str, mpp: float | None) -> Iterator[Found]:
    if not path.exists() and not path.is_symlink():
        raise MissingFileError(f"The embeddings {path} do not exist. Correct the path, or extract the slide.")
    if layout != "auto" and layout not in READERS:
        raise FeatureError(f"There is no layout {layout!r} of embeddings; {nearest(layout, ['auto', *READERS])}")
    if is_tensor_file(path):
        yield _read_pt(path, mpp)
        return
    with opened(path) as file:
        found = detect(path, file) if layout == "auto" else layout
        yield READERS[found](path, file, mpp)


def detect(path: Path, file: h5py.File) -> str:
    """The layout of an open file, by what only that tool writes."""
    if find_dataset(path, file, "feats") is not None:
        return "stamp"
    features, coords = find_dataset(path, file, "features"), find_dataset(path, file, "coords")
    if features is not None and "spec_hash" in features.attrs:
        return "prognoscope"
    told = set(() if features is None else features.attrs) | set(() if coords is None else coords.attrs)
    return "trident" if told else "clam"


def _read_trident(path: Path, file: h5py.File, mpp: float | None) -> Found:
    features = _features(path, file)
    about = attributes(features, ("encoder", "weights_hash", "spec_hash"))
    coords = find_dataset(path, file, "coords")
    geometry = {} if coords is None else attributes(coords, GEOMETRY)
    return _of_dataset(
        path,
        features,
        **_coords_px(path, coords, features),
        patch_px=_whole(geometry.get("patch_size")),
        patch_px_level0=_positive(side_px_level0(geometry)),
        overlap_px=_whole(geometry.get("overlap")),
        mpp=mpp or _positive(geometry.get("mpp")),
        magnification=_number(geometry.get("level0_magnification")),
        encoder=_text(about.get("encoder")),
        weights_hash=_text(about.get("weights_hash")),
        spec_hash=_text(about.get("spec_hash")),
    )


def _read_clam(path: Path, file: h5py.File, mpp: float | None) -> Found:
    features = _features(path, file)
    coords = _coords_px(path, find_dataset(path, file, "coords"), features)
    patch_px, patch_px_level0 = _clam_patch(path)
    return _of_dataset(path, features, **coords, mpp=mpp, patch_px=patch_px, patch_px_level0=patch_px_level0)


def _clam_patch(path: Path) -> tuple[int | None, float | None]:
    """The side of a patch as the encoder saw it and in pixels of level 0, where CLAM's coordinate file lies nearby.

    That is in `<save>/patches`.
    """
    for folder in path.parents[:3]:
        beside = folder / "patches" / f"{path.stem}.h5"
        if beside.is_file() and beside != path:
            with opened(beside) as file:
                coords = find_dataset(beside, file, "coords")
                told = {} if coords is None else attributes(coords)
            side, downsample = _number(told.get("patch_size")), _number(told.get("downsample"))
            if side is not None and downsample is not None:
                return round(side), side * downsample
    return None, None


def _read_pt(path: Path, mpp: float | None) -> Found:
    import torch

    held = load_tensors(path)
    tensor = held.features
    shape = need_shape(path, tuple(tensor.shape))
    square = tensor.reshape(shape)

    def rows(part: slice) -> np.ndarray:
        values = square[part]
        return np.array((values if values.dtype == torch.float16 else values.float()).numpy())  # no view of the file

    return Found(path, shape, rows, {**_corners(held.coords, shape[0], is_of_slide=tensor.ndim == 1), "mpp": mpp})


def _read_stamp(path: Path, file: h5py.File, mpp: float | None) -> Found:
    features = _features(path, file, ("feats",))
    about = attributes(file)
    told: dict[str, Any] = {}
    patch_um = _positive(about.get("tile_size_um", about.get("tile_size")))
    coords = find_dataset(path, file, "coords")
    if coords is not None and about.get("feat_type", "tile") == "tile" and features.ndim > 1:
        scale = 1.0 if about.get("unit") == "um" or "tile_size_um" in about else OLD_STAMP_UM
        patch_um = 224 * scale if patch_um is None and scale != 1 else patch_um and patch_um * scale
        try:
            corners = exact_corners(_values(path, coords), need_shape(path, features.shape)[0])
            told["coords_um"] = (corners * scale).astype(np.float32)
        except CoordinatesError as cause:
            told["coords_fault"] = str(cause)
        if mpp is not None and "coords_um" in told:
            told["coords_px"] = np.round(told["coords_um"] / mpp).astype(np.int64)
    return _of_dataset(
        path,
        features,
        **told,
        patch_um=patch_um,
        patch_px=_whole(about.get("tile_size_px")),
        patch_px_level0=patch_um / mpp if patch_um and mpp else None,
        mpp=mpp,
        encoder=_text(about.get("extractor", about.get("encoder"))),
    )


def _features(path: Path, file: h5py.File, names: Sequence[str] = FEATURES) -> h5py.Dataset:
    """The embeddings, under one of the names that tools give them."""
    there = (found for name in names if (found := find_dataset(path, file, name)) is not None)
    dataset = next(there, None) or need_dataset(path, file, names[0])
    if dataset.dtype.kind != "f":
        is_text = dataset.dtype.kind in "OSUV"
        kind = "text, references or other objects" if is_text else f"values of {dataset.dtype}"
        raise BadFileError(path, f"{kind} instead of floating point numbers", AGAIN)
    need_values(path, dataset)
    return dataset


def _of_dataset(path: Path, dataset: h5py.Dataset, **about: Any) -> Found:
    shape = need_shape(path, dataset.shape)
    return Found(path, shape, partial(_rows, dataset, shape), about)


def _rows(dataset: h5py.Dataset, shape: tuple[int, int], part: slice) -> Float[np.ndarray, "N D"]:
    if dataset.ndim == 2:
        return _half_or_single(dataset[part])
    return _half_or_single(dataset[0, part] if dataset.ndim == 3 else dataset[()].reshape(shape)[part])


def _half_or_single(values: np.ndarray) -> Float[np.ndarray, "N D"]:
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit becomes infinite, and is refused
        return values if values.dtype == np.float16 else values.astype(np.float32, copy=False)


def need_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    """N and D of values of this shape: (0,) is an empty slide, one vector a bag of one, (1, N, D) a batch of one.

    Raises:
        BadFileError: It is no shape of embeddings.
    """
    whole = shape
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    elif len(shape) == 1:
        shape = (1, *shape) if shape[0] else (0, 0)
    if len(shape) != 2 or (shape[0] and not shape[1]):
        kind = "embeddings of length 0" if len(shape) == 2 else f"values of {len(shape)} dimensions"
        raise BadFileError(path, f"{kind} instead of embeddings (N, D)", AGAIN, f"shape {whole}")
    n_patches, length = shape
    return int(n_patches), int(length)


def _coords_px(path: Path, coords: h5py.Dataset | None, features: h5py.Dataset) -> dict[str, Any]:
    """Top left corners in pixels of level 0, or why there are none."""
    if coords is None:
        return {}
    try:
        values = _values(path, coords)
    except CoordinatesError as cause:
        return {"coords_fault": str(cause)}
    return _corners(values, need_shape(path, features.shape)[0], is_of_slide=features.ndim == 1)


def _values(path: Path, coords: h5py.Dataset) -> np.ndarray:
    if coords.dtype.hasobject:
        raise CoordinatesError("coordinates that are no numbers")
    try:
        need_values(path, coords)
        return coords[()]
    except (BadFileError, *BROKEN) as cause:
        raise CoordinatesError("coordinates that are damaged") from cause


def _corners(coords: np.ndarray | None, n_patches: int, *, is_of_slide: bool) -> dict[str, Any]:
    """The same of values; those beside a slide-level embedding are its patches', so it has none."""
    if coords is None or (n_patches and is_of_slide) or (n_patches == 1 and coords.size > 4):
        return {}
    try:
        return {"coords_px": as_corners(coords, n_patches)}
    except CoordinatesError as cause:
        return {"coords_fault": str(cause)}


def _number(value: object) -> float | None:
    """A number, the first of a pair (CLAM's downsample has one each way), or None for text that is none."""
    try:
        number = float(np.asarray(value).ravel()[0])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:LONGEST_TEXT]


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else round(number)


READERS = {"prognoscope": _read_trident, "trident": _read_trident, "clam": _read_clam, "stamp": _read_stamp}
