"""Patches that others chose: coordinates in files of TRIDENT or CLAM, and regions drawn in QuPath as GeoJSON.

What each tool writes was read from its sources: TRIDENT 0.3.0, CLAM 2025-04, QuPath 0.6. None of them is imported.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.errors import FeatureError, MissingFileError
from prognoscope.core.files import sha256
from prognoscope.features.coordinates import CoordinatesError, as_corners
from prognoscope.features.hdf5_file import attributes, find_dataset, need_values, opened, side_px_level0
from prognoscope.slides.readers.base import Slide, need_mpp, stated_bounds
from prognoscope.slides.tiling import PatchGrid

COORDS, GEOJSON = ("_patches.h5", ".h5"), (".geojson", ".json")


@dataclass(frozen=True, slots=True)
class Picks:
    """Which patches of a slide are encoded, where that is not left to its tissue alone."""

    coords: Path | None = None  # a folder of TRIDENT's or CLAM's coordinate files, whose patches are taken as they are
    regions: Path | None = None  # a folder of QuPath's annotations, <slide>.geojson or <slide's file>.geojson
    outside: bool = False  # keep what lies outside of the regions instead

    def files(self, slide: str, path: Path) -> list[Path]:
        """The files that decide on the patches of a slide, named after it or after its file at `path`.

        Raises:
            MissingFileError: One is not there.
        """
        asked = [(self.coords, COORDS)] if self.coords else []
        asked += [(self.regions, GEOJSON)] if self.regions else []
        return [_one_of(folder, slide, path.name, endings) for folder, endings in asked]

    def told(self, slide: str, path: Path) -> str:
        """What stands for these files; "" where there are none."""
        return "-".join(sha256(each)[:16] for each in self.files(slide, path))

    def kind(self) -> dict[str, object]:
        """What of them decides on all slides alike."""
        how = {"coords": self.coords is not None, "regions": self.regions is not None, "outside": self.outside}
        return {name: True for name, is_so in how.items() if is_so}


def _one_of(folder: Path, slide: str, file: str, endings: Sequence[str]) -> Path:
    names = [f"{slide}{ending}" for ending in endings]
    for name in (*names, *(f"{Path(slide).with_name(file)}{ending}" for ending in endings)):
        for place in (folder, folder / "patches"):
            if (place / name).is_file():
                return place / name
    if not folder.is_dir():
        raise MissingFileError(f"The folder {folder} does not exist. Correct features.coords or features.regions")
    raise MissingFileError(f"{folder} holds neither {' nor '.join(names)}. Put it there, or leave the slide out")


def grid_of_file(path: Path, slide: Slide) -> PatchGrid:
    """The patches of a coordinate file, at the size and the resolution that it says.

    Raises:
        FeatureError: It is damaged, does not say how large patches are, or is of another slide.
        SlideError: The slide's um per pixel is not known.
    """
    level0_mpp = need_mpp(slide)
    with opened(path) as file:
        dataset = find_dataset(path, file, "coords")
        if dataset is None:
            raise FeatureError(f"{path} has no coords, so it is no coordinate file of TRIDENT or CLAM")
        need_values(path, dataset)
        told = attributes(dataset)
        try:
            coords = as_corners(dataset[()], len(dataset))
        except CoordinatesError as cause:
            raise FeatureError(f"{path} holds {cause}; write it again") from cause
    patch_px, side = _number(told.get("patch_size")), _number(side_px_level0(told))
    if side is None and patch_px is not None:  # CLAM's patches are of a level
        downsample = _number(told.get("downsample"))
        side = None if downsample is None else patch_px * downsample
    if patch_px is None or side is None:
        raise FeatureError(
            f"{path} does not say how large its patches are: neither patch_size with patch_size_level0, as TRIDENT "
            "writes, nor with downsample, as CLAM does"
        )
    size = _told_size(told)
    if size is not None and size != slide.size_px:
        raise FeatureError(
            f"{path} is of a slide of {size[0]:g} x {size[1]:g} pixels, and {slide.path} has {slide.size_px[0]} x "
            f"{slide.size_px[1]}, so it is of another slide; give that of this one"
        )
    if len(coords) and (coords.min() < 0 or (coords >= np.array(slide.size_px)).any()):
        raise FeatureError(f"{path} has patches beyond the border of {slide.path}, so it is of another slide")
    overlap = round(_number(told.get("overlap")) or 0)
    mpp = side * level0_mpp / patch_px
    share = np.ones(len(coords), np.float32)
    return PatchGrid(coords, share, round(patch_px), overlap, mpp, level0_mpp, slide.size_px)


def _told_size(told: Mapping[str, object]) -> tuple[float, float] | None:
    """Width and height of the slide at level 0 as TRIDENT tells them, or CLAM of patches of that level."""
    size = [told.get("level0_width"), told.get("level0_height")]
    if told.get("patch_level") == 0:
        size = list(np.asarray(told.get("level_dim", size)).ravel())
    numbers = [number for each in size if (number := _number(each)) is not None]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def need_picks(picks: Picks, name: str, slide: Slide) -> None:
    """Nothing, if the files that choose the patches of a slide are there and can be read.

    Raises:
        MissingFileError: One is not there.
        FeatureError: One cannot be used.
    """
    files = picks.files(name, slide.path)
    if picks.coords is not None:
        grid_of_file(files[0], slide)
    if picks.regions is not None:
        list(_polygons(files[-1]))


def within_regions(grid: PatchGrid, path: Path, slide: Slide, *, outside: bool) -> PatchGrid:
    """The patches of a grid whose centres lie in one of the regions that a GeoJSON file draws, or in none.

    Raises:
        FeatureError: It is no GeoJSON, or draws what has no inside.
    """
    bounds = stated_bounds(slide)
    corner = np.array(bounds[:2] if bounds else (0, 0))  # QuPath counts from the part that was scanned
    centres = grid.coords + grid.patch_px_level0 / 2 - corner
    inside = np.zeros(len(centres), bool)
    for rings in _polygons(path):
        inside |= np.logical_xor.reduce([_is_in(centres, ring) for ring in rings])  # a hole is outside again
    kept = ~inside if outside else inside
    return replace(grid, coords=grid.coords[kept], tissue=grid.tissue[kept])


def _polygons(path: Path) -> Iterator[list[Float[np.ndarray, "_ 2"]]]:
    """The rings of each polygon, its outer one and its holes."""
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as cause:
        raise FeatureError(f"{path} is no GeoJSON; export the annotations from QuPath again") from cause
    for geometry in _geometries(held):
        kind, rings = geometry.get("type"), geometry.get("coordinates") or []
        if kind not in ("Polygon", "MultiPolygon"):
            raise FeatureError(f"{path} draws a {kind}, which has no inside; export areas alone")
        try:
            for polygon in [rings] if kind == "Polygon" else rings:
                yield [np.asarray(ring, np.float64)[:, :2] for ring in polygon]
        except (TypeError, ValueError, IndexError) as cause:
            raise FeatureError(f"{path} draws a {kind} whose corners are no numbers; export it again") from cause


def _geometries(held: Any) -> Iterator[dict[str, Any]]:
    """All geometries of a FeatureCollection, of features in a list, or of one feature."""
    if isinstance(held, list):
        for each in held:
            yield from _geometries(each)
    elif isinstance(held, dict) and ("features" in held or "geometries" in held):
        yield from _geometries(held.get("features", held.get("geometries")))
    elif isinstance(held, dict) and "geometry" in held:
        yield from _geometries(held["geometry"])
    else:
        yield held if isinstance(held, dict) else {"type": type(held).__name__}


def _is_in(points: Float[np.ndarray, "N 2"], ring: Float[np.ndarray, "K 2"]) -> Bool[np.ndarray, " N"]:
    """Whether a line to the right of each point crosses the ring an odd number of times."""
    inside = np.zeros(len(points), bool)
    x, y = points.T
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def _number(value: object) -> float | None:
    try:
        number = float(np.asarray(value).ravel()[0])
    except (ValueError, TypeError, IndexError):
        return None
    return number if np.isfinite(number) and number >= 0 else None
