"""OME-Zarr (NGFF 0.4 and 0.5): a folder that holds a pyramid of chunks, and JSON on its axes and scales."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prognoscope.core.errors import SlideError, some
from prognoscope.slides.readers.tiles import Level, Tile, TiledSlide, on_white
from prognoscope.slides.readers.zarr_folder import is_zarr, read_object, zarr_attributes

VERSIONS = ("0.4", "0.5")
UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6, "angstrom": 1e-4}
UM |= {"inch": 25400.0}
RGB = ("FF0000", "00FF00", "0000FF")
CODECS = frozenset(  # none of which runs code of the file
    ("bytes", "transpose", "blosc", "gzip", "zlib", "zstd", "lz4", "bz2", "lzma", "crc32c", "sharding_indexed")
)
LEAST_TILE_PX = 256  # a side; smaller chunks are read several at once
LEAVE = "or leave it out of the cohort."
INSTALL = 'pip install "prognoscope[zarr]"'
OUTSIDE = re.compile(r"(^[/\\~])|(^|[/\\])\.\.([/\\]|$)|^[A-Za-z]:|://")


class OmeZarrSlide(TiledSlide):
    """A folder of OME-Zarr with one image, or the image's own folder in it.

    Chunks that were never written are white.

    Raises:
        SlideError: It is no OME-Zarr of these versions, holds several images, planes or channels, has other than 8
            bits, or zarr is not installed.
    """

    def __init__(self, path: Path, *, mpp: float | None = None):
        image, told = _image(path)
        axes = _axes(path, told)
        names = [each["name"] for each in axes]
        arrays = sorted(_arrays(path, image, told, len(axes)), key=lambda each: -each[1].size)
        for _, array in arrays:
            _need_colours(path, dict(zip(names, array.shape, strict=True)), array.dtype, told)
        levels = [_level(array, names) for _, array in arrays]
        size = _size_um(axes, told["multiscales"][0], arrays[0][0])
        super().__init__(path, levels, given=mpp, told=size, properties={"ome-zarr.version": told["version"]})

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether this is a folder of Zarr, of whatever content."""
        return is_zarr(path)


def _image(path: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of the image, and what it says: `path` itself, or the one image of a bioformats2raw folder."""
    told = zarr_attributes(path)
    if "multiscales" not in told and ("bioformats2raw.layout" in told or (path / "OME").is_dir()):
        named = sorted(each for each in path.iterdir() if each.is_dir() and each.name != "OME" and is_zarr(each))
        images = [(each, held) for each in named if "multiscales" in (held := zarr_attributes(each))]
        if len(images) > 1:
            raise SlideError(
                f"The slide {path} holds {len(images)} images: {some(each.name for each, _ in images)}. Save the one "
                f"that is meant as a folder of its own, {LEAVE}"
            )
        path, told = images[0] if images else (path, told)
    scales = told.get("multiscales")
    if not isinstance(scales, list) or not scales:
        raise SlideError(f"The folder {path} is Zarr, but no image of OME-Zarr (no multiscales). Convert it, {LEAVE}")
    if told["version"] not in VERSIONS:
        raise SlideError(
            f"The slide {path} is OME-Zarr {told['version']}; read are {' and '.join(VERSIONS)}. Convert it, {LEAVE}"
        )
    if len(scales) > 1:
        raise SlideError(
            f"The slide {path} holds {len(scales)} pyramids. Save the one that is meant as a folder of its own, {LEAVE}"
        )
    return path, told


def _axes(path: Path, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    axes = told["multiscales"][0].get("axes")
    known = isinstance(axes, list) and all(isinstance(each, dict) and "name" in each for each in axes)
    names = [str(each["name"]).lower() for each in axes] if known else []
    if not {"y", "x"} <= set(names) <= set("tczyx") or len(set(names)) < len(names):
        raise SlideError(f"The slide {path} does not say its axes as y and x, with c, z or t. Convert it, {LEAVE}")
    return [{**each, "name": name} for each, name in zip(axes, names, strict=True)]


def _arrays(path: Path, image: Path, told: Mapping[str, Any], n_axes: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each level: what is said of it, and its array, of which nothing is read."""
    try:
        import zarr
    except ImportError as cause:
        raise SlideError(f"The slide {path} is OME-Zarr, which zarr reads, and zarr is absent. {INSTALL}") from cause
    datasets = told["multiscales"][0].get("datasets")
    if not isinstance(datasets, list) or not datasets:
        raise SlideError(f"The slide {path} names no levels. Convert it again, {LEAVE}")
    for each in datasets:
        place = str(each.get("path", "")) if isinstance(each, dict) else ""
        if not place or OUTSIDE.search(place):
            raise SlideError(f"The slide {path} names a level {place!r}, which is no folder in it. Convert it, {LEAVE}")
        _need_safe(path, image / place)
        try:
            array = zarr.open_array(store=str(image / place), mode="r")
            is_whole = array.ndim == n_axes and 0 not in array.shape
        except Exception as cause:  # zarr and its codecs raise errors of every kind on damaged files
            raise _damaged(path, place, str(cause) or type(cause).__name__) from cause
        if not is_whole:
            raise _damaged(path, place, f"its shape is {array.shape} for {n_axes} axes")
        yield each, array


def _damaged(path: Path, place: str, why: str) -> SlideError:
    return SlideError(
        f"The level {place} of the slide {path} cannot be opened ({why.rstrip('.')}). Copy the whole folder again, "
        f"{LEAVE}"
    )


def _need_safe(path: Path, array: Path) -> None:
    """Refuse codecs that are not known: some of numcodecs' unpickle what a file holds."""
    name = next((name for name in ("zarr.json", ".zarray") if (array / name).is_file()), None)
    if name is None:
        raise _damaged(path, array.name, "neither zarr.json nor .zarray is in its folder")
    told = read_object(array / name)
    used = [each for key in ("codecs", "filters", "compressor") for each in _codecs(told.get(key))]
    strange = sorted({each.removeprefix("numcodecs.") for each in used} - CODECS)
    if strange:
        raise SlideError(f"The slide {path} is packed by {some(strange)}, which is not read. Convert it, {LEAVE}")


def _codecs(held: object) -> Iterator[str]:
    """The names of codecs, those in a shard too."""
    for each in held if isinstance(held, list) else [held]:
        if isinstance(each, dict):
            yield str(each.get("name", each.get("id", "")))
            configured = each.get("configuration")
            if isinstance(configured, dict):
                for key in ("codecs", "index_codecs"):
                    yield from _codecs(configured.get(key, []))
        elif each is not None:
            yield str(each)


def _need_colours(path: Path, sizes: Mapping[str, int], dtype: object, told: Mapping[str, Any]) -> None:
    """Refuse what is no picture of stained tissue."""
    why = ""
    if np.dtype(str(dtype)) != np.uint8:
        why = f"has values of {dtype}, not 8 bits, as fluorescence has"
    elif deep := [f"{sizes[axis]} along {axis}" for axis in "tz" if sizes.get(axis, 1) > 1]:
        why = f"holds a stack of {' and '.join(deep)}"
    elif sizes.get("c", 1) not in (1, 3):
        why = f"has {sizes['c']} channels, not grey or red, green and blue"
    elif sizes.get("c") == 3 and (colours := _colours(told)) and colours != RGB:
        why = f"has channels of the colours {', '.join(colours)}, as fluorescence has"
    if why:
        raise SlideError(f"The slide {path} {why}. Convert it to RGB of 8 bits and one plane, {LEAVE}")


def _colours(told: Mapping[str, Any]) -> tuple[str, ...]:
    omero = told.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    found = [str(each.get("color", "")).upper() for each in channels or () if isinstance(each, dict)]
    return tuple(found) if all(found) else ()


def _size_um(
    axes: Sequence[Mapping[str, Any]], scales: Mapping[str, Any], dataset: Mapping[str, Any]
) -> tuple[float | None, float | None]:
    """Width and height of a pixel, each None where no unit of length is said."""
    factors = [_scale(each.get("coordinateTransformations"), len(axes)) for each in (scales, dataset)]
    sizes = {}
    for i, axis in enumerate(axes):
        um = UM.get(str(axis.get("unit", "")))
        said = [each[i] for each in factors if each is not None]
        sizes[axis["name"]] = None if um is None or not said else float(np.prod(said)) * um
    return sizes["x"], sizes["y"]


def _scale(transformations: object, n_axes: int) -> list[float] | None:
    for each in transformations if isinstance(transformations, list) else []:
        scale = each.get("scale") if isinstance(each, dict) and each.get("type") == "scale" else None
        if isinstance(scale, list) and len(scale) == n_axes and all(isinstance(one, int | float) for one in scale):
            return [float(one) for one in scale]
    return None


def _level(array: Any, names: Sequence[str]) -> Level:
    sizes, chunks = dict(zip(names, array.shape, strict=True)), dict(zip(names, array.chunks, strict=True))
    wide, high = (max(1, -(-LEAST_TILE_PX // chunks[axis])) * chunks[axis] for axis in "xy")
    tile_px = min(wide, sizes["x"]), min(high, sizes["y"])
    return Level((sizes["x"], sizes["y"]), tile_px, partial(_tile, array, tuple(names), tile_px))


def _tile(array: Any, names: tuple[str, ...], tile_px: tuple[int, int], column: int, row: int) -> Tile | None:
    wide, high = tile_px
    part = {"x": slice(column * wide, (column + 1) * wide), "y": slice(row * high, (row + 1) * high), "c": slice(None)}
    pixels = np.asarray(array[tuple(part.get(name, 0) for name in names)])
    left = [name for name in names if name in part]
    pixels = pixels.transpose([left.index(name) for name in "yxc" if name in left])
    if not pixels.any() and not array.fill_value:  # never written; black all over is no tissue
        return None
    return on_white(pixels if pixels.ndim == 3 else pixels[..., None])
