"""Painted tissue as pyramidal TIFF files that OpenSlide opens, and the truth about their patches."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from jaxtyping import UInt8
from PIL import Image

from prognoscope.core.files import written_whole
from prognoscope.simulation.paint import CELL_PX, PaintedSlide, paint
from prognoscope.simulation.patients import SLIDES, generator
from prognoscope.simulation.stains import site_stain
from prognoscope.simulation.tissue_classes import CLASSES, Factors, told_classes

MPP = 0.5
PATCH_PX = 256
TILE_PX = 256
SMALLEST_LEVEL_PX = 512
QUALITY = 85
APERIO_CHANCE = 0.5
JPEG = 7  # the TIFF tag's name for it


def paint_slide_file(
    path: Path, factors: Factors, side_px: int, seed: int, *, patient: int, slide: int, site: int
) -> pd.DataFrame:
    """Paint one slide of a patient and write it; returns the truth about its patches (`patch_truth`).

    About half of the files say what they are as Aperio's scanners do, with a magnification; the others are generic
    TIFFs with resolution tags alone. Both give 0.5 um per pixel.
    """
    rng = generator(seed, patient, SLIDES, slide)
    painted = paint(factors, side_px, site_stain(seed, site, rng), rng)
    write_slide(path, painted.picture, MPP, aperio=bool(rng.random() < APERIO_CHANCE))
    return patch_truth(painted)


def write_slide(path: Path, picture: UInt8[np.ndarray, "H W 3"], mpp: float, *, aperio: bool = False) -> None:
    """A tiled TIFF with JPEG tiles and levels half as large each, whole or not at all.

    Args:
        mpp: um per pixel of the picture.
        aperio: Describe it as Aperio's files are described, with the magnification that belongs to mpp.
    """
    levels = [picture]
    while max(levels[-1].shape[:2]) >= 2 * SMALLEST_LEVEL_PX:
        levels.append(np.asarray(Image.fromarray(levels[-1]).reduce(2)))
    height, width = picture.shape[:2]
    description = (
        f"Aperio Image Library\r\n{width}x{height} [0,0 {width}x{height}] ({TILE_PX}x{TILE_PX}) JPEG/RGB "
        f"Q={QUALITY}|AppMag = {10 / mpp:g}|MPP = {mpp:g}"
    )
    with written_whole(path) as beside:
        with tifffile.TiffWriter(beside) as file:
            for number, level in enumerate(levels):
                per_cm = 1e4 / (mpp * width / level.shape[1])
                file.write(
                    _jpeg_tiles(level),
                    shape=level.shape,
                    dtype="uint8",
                    tile=(TILE_PX, TILE_PX),
                    photometric="rgb",
                    compression="deflate",
                    metadata=None,
                    software=False,
                    description=description if aperio else None,
                    subfiletype=int(number > 0),  # or OpenSlide sees one level
                    resolution=(per_cm, per_cm),
                    resolutionunit="CENTIMETER",
                )
        with tifffile.TiffFile(beside, mode="r+") as file:  # tifffile alone cannot write JPEG, but its tag can say so
            for page in file.pages:
                page.aspage().tags["Compression"].overwrite(JPEG)


def patch_truth(painted: PaintedSlide) -> pd.DataFrame:
    """One row for each square of 256 pixels that fits, background included.

    Columns: `x`, `y` in level-0 pixels; `class`, that with the greatest share; what `told_classes` says; the
    share of each of CLASSES; that of
    `pen`.
    """
    across = PATCH_PX // CELL_PX
    rows, columns = (side // across for side in painted.classes.shape)
    cut = painted.classes[: rows * across, : columns * across].reshape(rows, across, columns, across)
    shares = np.stack([(cut == kind).mean(axis=(1, 3)) for kind in range(len(CLASSES))], axis=-1)
    pen = painted.pen[: rows * across, : columns * across].reshape(rows, across, columns, across).mean(axis=(1, 3))
    y, x = np.mgrid[:rows, :columns] * PATCH_PX
    table = pd.DataFrame({"x": x.ravel(), "y": y.ravel()})
    classes = shares.argmax(axis=-1).ravel()
    table["class"] = np.array(CLASSES)[classes]
    table = table.assign(**told_classes(classes))
    table[list(CLASSES)] = shares.reshape(-1, len(CLASSES)).round(4)
    return table.assign(pen=pen.ravel().round(4))


def _jpeg_tiles(level: UInt8[np.ndarray, "H W 3"]) -> Iterator[bytes]:
    for y in range(0, level.shape[0], TILE_PX):
        for x in range(0, level.shape[1], TILE_PX):
            tile = level[y : y + TILE_PX, x : x + TILE_PX]
            missing = [(0, TILE_PX - side) for side in tile.shape[:2]]
            tile = np.pad(tile, [*missing, (0, 0)], mode="edge") if tile.shape[:2] != (TILE_PX, TILE_PX) else tile
            Image.fromarray(tile).save(out := io.BytesIO(), "JPEG", quality=QUALITY, keep_rgb=True)
            yield out.getvalue()
