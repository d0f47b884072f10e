"""Readers for the embedding files that users have: ours and TRIDENT's, CLAM's, STAMP's.

What each tool writes was read from its sources: TRIDENT 0.3.0, CLAM 2025-04, STAMP 2.5.0. None of them is imported.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError  # only the name of what torch raises
from typing import Literal

import h5py
import numpy as np
from jaxtyping import Float, Int64

from prognoscope.core.errors import FeatureError, MissingFileError, nearest
from prognoscope.features.embeddings import Embeddings, need_finite

Layout = Literal["auto", "prognoscope", "trident", "clam", "stamp"]
OLD_STAMP_UM = 256 / 224  # um per unit of STAMP files without a unit: a tile was 224 px and 256 um wide


def read_layout(path: Path, layout: str = "auto", *, mpp: float | None = None) -> Embeddings:
    """The embeddings in one file, of the slide that the file is named after.

    Args:
        mpp: um per pixel of level 0, for files that do not say it; wins over what the file says.

    Raises:
        MissingFileError: There is no such file.
        FeatureError: The file is broken, is of another layout, or holds NaN or infinite values.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"The embeddings {path} do not exist. Correct the path, or extract the slide.")
    if layout != "auto" and layout not in READERS:
        raise FeatureError(f"There is no layout {layout!r} of embeddings; {nearest(layout, ['auto', *READERS])}")
    if path.suffix == ".pt":
        embeddings = _read_pt(path, mpp)
    else:
        with opened(path) as file:
            found = detect(file) if layout == "auto" else layout
            embeddings = READERS[found](path, file, mpp)
    need_finite(embeddings.features, path)
    return embeddings


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file open for reading, whose faults become one sentence."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as cause:
        raise FeatureError(
            f"{path} is not a whole HDF5 file (empty, truncated or damaged). Remove it and extract the slide again."
        ) from cause


def detect(file: h5py.File) -> str:
    """The layout of an open file, by what only that tool writes."""
    if "feats" in file:
        return "stamp"
    if "features" in file and "spec_hash" in file["features"].attrs:
        return "prognoscope"
    told = set(file["features"].attrs) if "features" in file else set()
    told |= set(file["coords"].attrs) if "coords" in file else set()
    return "trident" if told else "clam"


def attributes(node: h5py.HLObject) -> dict[str, object]:
    """The attributes of a dataset or file as plain values; TRIDENT's string "None" is None."""
    plain = {}
    for name, value in node.attrs.items():
        value = value.item() if isinstance(value, np.generic | np.ndarray) and np.size(value) == 1 else value
        value = value.decode() if isinstance(value, bytes) else value
        plain[name] = None if isinstance(value, h5py.Empty) or str(value) == "None" else value
    return plain


def _read_trident(path: Path, file: h5py.File, mpp: float | None) -> Embeddings:
    features, about = _features(path, file, "features")
    coords, geometry = _coords_px(path, file, len(features), whole_slide=need_dataset(path, file, "features").ndim == 1)
    return Embeddings(
        slide=path.stem,
        features=features,
        coords_px=coords,
        patch_px=_whole(geometry.get("patch_size")),
        patch_px_level0=_number(geometry.get("patch_size_level0")),
        overlap_px=_whole(geometry.get("overlap")),
        mpp=mpp or _number(geometry.get("mpp")),
        magnification=_number(geometry.get("level0_magnification")),
        encoder=_text(about.get("encoder")),
        weights_hash=_text(about.get("weights_hash")),
        spec_hash=_text(about.get("spec_hash")),
    )


def _read_clam(path: Path, file: h5py.File, mpp: float | None) -> Embeddings:
    features, _ = _features(path, file, "features")
    coords, _ = _coords_px(path, file, len(features))
    patch_px, patch_px_level0 = _clam_patch(path)
    return Embeddings(
        path.stem, features, coords_px=coords, mpp=mpp, patch_px=patch_px, patch_px_level0=patch_px_level0
    )


def _clam_patch(path: Path) -> tuple[int | None, float | None]:
    """The side of a patch as the encoder saw it and in pixels of level 0, where CLAM's coordinate file lies nearby.

    That is in `<save>/patches`.
    """
    for folder in path.parents[:3]:
        beside = folder / "patches" / f"{path.stem}.h5"
        if beside.is_file() and beside != path:
            with opened(beside) as file:
                told = attributes(file["coords"]) if "coords" in file else {}
            side, downsample = _number(told.get("patch_size")), _number(told.get("downsample"))
            if side is not None and downsample is not None:
                return int(side), side * downsample
    return None, None


def _read_pt(path: Path, mpp: float | None) -> Embeddings:
    import torch

    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)  # a tensor alone: nothing in it can run code
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, UnpicklingError) as cause:
        raise FeatureError(
            f"{path} is not a tensor that can be loaded without running code. Remove it and extract the slide again."
        ) from cause
    if not isinstance(tensor, torch.Tensor):
        raise FeatureError(f"{path} holds a {type(tensor).__name__}, not a bare tensor (N, D). Save the tensor alone.")
    tensor = tensor if tensor.dtype == torch.float16 else tensor.float()
    return Embeddings(path.stem, _rectangle(path, tensor.numpy()), mpp=mpp)


def _read_stamp(path: Path, file: h5py.File, mpp: float | None) -> Embeddings:
    features, _ = _features(path, file, "feats")
    about = attributes(file)
    coords_um, coords_px, patch_um = None, None, _number(about.get("tile_size_um", about.get("tile_size")))
    is_of_tiles = about.get("feat_type", "tile") == "tile" and need_dataset(path, file, "feats").ndim == 2
    if "coords" in file and is_of_tiles:
        scale = 1.0 if about.get("unit") == "um" or "tile_size_um" in about else OLD_STAMP_UM
        patch_um = 224 * scale if patch_um is None and scale != 1 else patch_um and patch_um * scale
        coords_um = (np.asarray(file["coords"], dtype=np.float64).reshape(-1, 2) * scale).astype(np.float32)
        coords_px = None if mpp is None else np.round(coords_um / mpp).astype(np.int64)
    return Embeddings(
        slide=path.stem,
        features=features,
        coords_um=coords_um,
        coords_px=coords_px,
        patch_um=patch_um,
        patch_px=_whole(about.get("tile_size_px")),
        patch_px_level0=patch_um / mpp if patch_um and mpp else None,
        mpp=mpp,
        encoder=_text(about.get("extractor", about.get("encoder"))),
    )


def need_dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset of this name in the open file.

    Raises:
        FeatureError: There is none.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        kind = "only coordinates" if "coords" in file else f"{', '.join(file) or 'nothing'}"
        raise FeatureError(
            f"{path} holds no dataset {name!r} but {kind}. Name the folder of the embeddings, and their layout."
        )
    return found


def _features(path: Path, file: h5py.File, name: str) -> tuple[Float[np.ndarray, "N D"], Mapping[str, object]]:
    found = need_dataset(path, file, name)
    return _rectangle(path, found[()]), attributes(found)


def _rectangle(path: Path, values: np.ndarray) -> Float[np.ndarray, "N D"]:
    """Values as (N, D): an empty list is an empty slide, one vector a bag of one."""
    if values.shape == (0,):
        values = values.reshape(0, 0)
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or values.dtype.kind != "f":
        raise FeatureError(f"{path} holds {values.dtype} values of shape {values.shape}, not float embeddings (N, D).")
    return values if values.dtype == np.float16 else values.astype(np.float32, copy=False)


def _coords_px(
    path: Path, file: h5py.File, n_patches: int, *, whole_slide: bool = False
) -> tuple[Int64[np.ndarray, "N 2"] | None, Mapping[str, object]]:
    """Top left corners in pixels of level 0, and what is said of them; a slide-level embedding has none of its own."""
    if "coords" not in file:
        return None, {}
    if whole_slide and n_patches:
        return None, attributes(file["coords"])
    coords = np.asarray(file["coords"]).reshape(-1, 2).astype(np.int64)
    if len(coords) != n_patches:
        raise FeatureError(
            f"{path} holds {n_patches} embeddings but {len(coords)} coordinates. Remove it and extract the slide again."
        )
    return coords, attributes(file["coords"])


def _number(value: object) -> float | None:
    """A number, the first of a pair (CLAM's downsample has one each way), or None for text that is none."""
    try:
        return None if value is None else float(np.asarray(value).ravel()[0])
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else round(number)


READERS = {"prognoscope": _read_trident, "trident": _read_trident, "clam": _read_clam, "stamp": _read_stamp}
