"""The map on its slide as a PNG that says what it shows."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from prognoscope.core.files import written_whole
from prognoscope.report.heatmap.colours import ColourScale
from prognoscope.report.heatmap.layout import QUIET, Layout, lay_out
from prognoscope.report.heatmap.lettering import font
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.report.heatmap.raster import rasterise
from prognoscope.report.heatmap.window import Window, ground_of
from prognoscope.slides.readers.base import Slide

OPACITY = 0.5  # of the map, so that nuclei and glands are seen through it
GREYED = 0.85  # of the tissue's own colour that is taken away below the map, which would read as values
LIFTED = 0.2  # how much white lies over tissue below the map, whose dark colours would hide it
PALE = 0.4  # how much white lies over what no patch with a value covers
AT_ONCE = 2**20  # pixels, of which a dozen copies are in memory
LUMA = np.asarray((0.299, 0.587, 0.114), np.float32)
FAST = 1  # of what zlib offers: four times faster than its default, and photographs hardly get smaller by more


def draw_overlay(
    slide: Slide | None, patch_map: PatchMap, window: Window, *, title: str, mpp: float | None
) -> UInt8[np.ndarray, "h w 3"]:
    """The map over the slide, or over an even ground without one, with title, bars and caption.

    Args:
        title: What the slide is called.
        mpp: um per level-0 pixel; None if unknown.

    Raises:
        SlideError: The slide is damaged.
    """
    scale = ColourScale.of(patch_map)
    layout = lay_out(patch_map, window, scale, title=title, mpp=mpp, has_pixels=slide is not None)
    page = Image.new("RGB", layout.size, "white")
    page.paste(Image.fromarray(blend(ground_of(slide, window), patch_map, window, scale)), layout.picture)
    _letter(page, layout, scale)
    return np.asarray(page)


def write_png(
    path: Path, slide: Slide | None, patch_map: PatchMap, window: Window, *, title: str, mpp: float | None
) -> None:
    """Write the picture, whole or not at all."""
    picture = Image.fromarray(draw_overlay(slide, patch_map, window, title=title, mpp=mpp))
    with written_whole(path) as beside:
        picture.save(beside, "PNG", compress_level=FAST)


def blend(
    ground: UInt8[np.ndarray, "h w 3"], patch_map: PatchMap, window: Window, scale: ColourScale
) -> UInt8[np.ndarray, "h w 3"]:
    """The ground with the map over it; paler where no patch with a value is."""
    raster = rasterise(without_seams(patch_map), window)
    mixed = np.empty_like(ground)
    step = max(1, AT_ONCE // ground.shape[1])
    for start in range(0, len(ground), step):
        rows = slice(start, start + step)
        share = OPACITY * raster.coverage[rows, :, None]
        over = toned(ground[rows], raster.coverage[rows]) * (1 - share) + scale.rgb(raster.values[rows]) * share
        mixed[rows] = np.rint(over).astype(np.uint8)
    return mixed


def without_seams(patch_map: PatchMap) -> PatchMap:
    """The map with its patches as wide as whole pixels need: corners are rounded, which would leave hairlines."""
    return replace(patch_map, side_px=float(math.ceil(patch_map.side_px)))


def toned(ground: UInt8[np.ndarray, "h w 3"], coverage: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """The ground nearly without colour where patches cover it, and pale elsewhere."""
    covered = coverage[..., None].astype(np.float32)
    ground = ground.astype(np.float32)
    grey = (ground @ LUMA)[..., None]
    below = (ground * (1 - GREYED) + grey * GREYED) * (1 - LIFTED) + 255 * LIFTED
    return below * covered + (ground * (1 - PALE) + 255 * PALE) * (1 - covered)


def colour_bar(scale: ColourScale, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """The colours as the map has them over white, high values above."""
    values = np.linspace(scale.high, scale.low, size[1])
    colours = np.rint(scale.rgb(values) * OPACITY + 255 * (1 - OPACITY)).astype(np.uint8)
    return np.repeat(colours[:, None], size[0], axis=1)


def _letter(page: Image.Image, layout: Layout, scale: ColourScale) -> None:
    draw = ImageDraw.Draw(page)
    if layout.bar is not None:
        left, top, right, bottom = (round(at) for at in layout.bar)
        page.paste(Image.fromarray(colour_bar(scale, (right - left, bottom - top))), (left, top))
        draw.rectangle((left, top, right - 1, bottom - 1), outline=QUIET, width=round(layout.rule))
    for leader in layout.leaders:
        draw.line(leader, fill=QUIET, width=round(layout.rule))
    left, top, right, bottom = layout.scale_bar
    draw.rectangle((round(left), round(top), round(right) - 1, round(bottom) - 1), fill="black")
    for line in layout.lines:
        letters = font(line.size, is_bold=line.is_bold)
        draw.text((line.left, line.middle), line.text, fill=line.colour, font=letters, anchor="lm")
