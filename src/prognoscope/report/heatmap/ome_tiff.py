"""The map as a pyramidal OME-TIFF: what it looks like on the slide, and its values."""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from prognoscope.core.files import written_whole
from prognoscope.report.heatmap.colours import ColourScale
from prognoscope.report.heatmap.lettering import plain
from prognoscope.report.heatmap.overlay import FAST, blend
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.report.heatmap.raster import rasterise
from prognoscope.report.heatmap.window import Window, field_of, ground_of
from prognoscope.slides.readers.base import Slide

PER_PATCH = 4  # pixels of the finest level along a side of a patch
LEAST_PX, MOST_PX = 1024, 3072  # of the longer side of the finest level
TILE_PX = 256
SMALLEST_PX = 512  # no level is made of one whose longer side is this or less


def write_ome_tiff(
    path: Path,
    slide: Slide | None,
    patch_map: PatchMap,
    *,
    title: str,
    size_px: tuple[int, int] | None,
    mpp: float | None,
) -> None:
    """Write two images of the same field, each a pyramid, whole or not at all.

    The first is RGB, the map over the slide, for looking. The second has the values as float32, NaN where there are
    none. Both cover what other programs show as the whole slide: the part that was scanned, where the slide says so,
    and else all of level 0. A pixel is a part of a patch, not of level 0, and its physical size says how large. So to
    align: both corners fall on the slide's corners; in QuPath, open both viewers and synchronise them, or take the
    ratio of the pixel sizes as the scale and no shift. Where the field's corner lies on the plane is in the planes'
    PositionX and PositionY. Without um per pixel, sizes are in level-0 pixels.

    Args:
        title: What the slide is called.
        size_px: Width and height of level 0; None if unknown: the field then ends with the patches.
        mpp: um per level-0 pixel; None if unknown.

    Raises:
        SlideError: The slide is damaged.
    """
    field = field_of(slide, patch_map, size_px)
    longest = max(field[2] - field[0], field[3] - field[1])
    finest = Window.of(field, int(np.clip(round(longest * PER_PATCH / patch_map.side_px), LEAST_PX, MOST_PX)))
    windows = list(_pyramid(finest))
    scale = ColourScale.of(patch_map)
    picture = Image.fromarray(blend(ground_of(slide, finest), patch_map, finest, scale))
    pictures = [np.asarray(picture.resize(each.size, Image.Resampling.BOX)) for each in windows]
    values = [rasterise(patch_map, each).values.astype(np.float32) for each in windows]
    with written_whole(path) as beside, tifffile.TiffWriter(beside, bigtiff=False, ome=True) as file:
        told = _told(finest, mpp) | {"UUID": f"urn:uuid:{_uuid(title, pictures[0], values[0])}"}
        _write(file, pictures, told | {"axes": "YXS", "Name": plain(f"{patch_map.words} on {title}")}, "rgb")
        told |= {"axes": "YX", "Name": plain(f"{patch_map.words} ({patch_map.unit})")}
        _write(file, values, told | {"Channel": {"Name": [patch_map.words]}}, "minisblack")


def _pyramid(finest: Window) -> Iterator[Window]:
    size = finest.size
    yield finest
    while max(size) > SMALLEST_PX:
        size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        yield Window(finest.box, size)


def _told(finest: Window, mpp: float | None) -> dict[str, object]:
    """How large a pixel is, and where the first one lies on level 0."""
    unit, each = ("µm", mpp) if mpp else ("pixel", 1.0)
    place = {
        f"Position{axis}{suffix}": [value]
        for axis, at in zip("XY", finest.box[:2], strict=True)
        for suffix, value in (("", at * each), ("Unit", unit))
    }
    sizes = {f"PhysicalSize{axis}": each / scale for axis, scale in zip("XY", finest.scale, strict=True)}
    return {**sizes, "PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit, "Plane": place}


def _uuid(title: str, *content: np.ndarray) -> uuid.UUID:
    """Of the content, so that the same map is the same file and no file tells on which machine it was made."""
    content_hash = hashlib.sha256(b"".join([title.encode("utf-8", "replace"), *(each.tobytes() for each in content)]))
    return uuid.UUID(bytes=content_hash.digest()[:16], version=4)


def _write(file: tifffile.TiffWriter, levels: list[np.ndarray], told: dict[str, object], photometric: str) -> None:
    options = {"tile": (TILE_PX, TILE_PX), "compression": "deflate", "compressionargs": {"level": FAST}}
    options |= {"photometric": photometric, "software": False}
    file.write(levels[0], subifds=len(levels) - 1, metadata=told, **options)
    for level in levels[1:]:
        file.write(level, subfiletype=1, metadata=None, **options)
