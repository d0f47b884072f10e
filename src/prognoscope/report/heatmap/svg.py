"""The map on its slide as one SVG file: text stays text, few patches stay squares, and nothing is fetched."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from prognoscope.core.files import write_text
from prognoscope.report.heatmap.colours import ColourScale
from prognoscope.report.heatmap.layout import QUIET, Layout, lay_out
from prognoscope.report.heatmap.lettering import FAMILY, plain
from prognoscope.report.heatmap.overlay import OPACITY, colour_bar, toned, without_seams
from prognoscope.report.heatmap.patch_map import PatchMap, overlaps
from prognoscope.report.heatmap.raster import Raster, rasterise
from prognoscope.report.heatmap.window import Window, ground_of
from prognoscope.slides.readers.base import Slide

MOST_SQUARES = 3000  # more are one picture: a browser would crawl, and the file would be larger
QUALITY = 85
BAR_STEPS = 128


def write_svg(
    path: Path, slide: Slide | None, patch_map: PatchMap, window: Window, *, title: str, mpp: float | None
) -> None:
    """Write the picture, whole or not at all. Each square names its patch when it is pointed at.

    Args:
        title: What the slide is called.
        mpp: um per level-0 pixel; None if unknown.

    Raises:
        SlideError: The slide is damaged.
    """
    scale = ColourScale.of(patch_map)
    layout = lay_out(patch_map, window, scale, title=title, mpp=mpp, has_pixels=slide is not None)
    write_text(path, "\n".join(_elements(slide, patch_map, window, scale, layout, title)) + "\n")


def _elements(
    slide: Slide | None, patch_map: PatchMap, window: Window, scale: ColourScale, layout: Layout, title: str
) -> Iterator[str]:
    width, height = layout.size
    yield (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="{FAMILY}, Verdana, sans-serif">'
    )
    yield f"<title>{_safe(f'{patch_map.words}: {title}')}</title>"
    yield f"<desc>{_safe(f'{patch_map.meaning} Unit: {patch_map.unit}. {scale.note}')}</desc>"
    yield f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    raster = rasterise(without_seams(patch_map), window)
    ground = np.rint(toned(ground_of(slide, window), raster.coverage)).astype(np.uint8)
    place = (*layout.picture, *window.size)
    yield _image(ground, "JPEG", place)
    if patch_map.has_value.sum() <= MOST_SQUARES and not overlaps(patch_map):
        yield from _squares(patch_map, window, scale, layout)
    else:
        yield _image(_coloured(raster, scale), "PNG", place)
    if layout.bar is not None:
        left, top, right, bottom = layout.bar
        yield _image(colour_bar(scale, (1, BAR_STEPS)), "PNG", (left, top, right - left, bottom - top))
        yield _rectangle(layout.bar, f'fill="none" stroke="{_hex(QUIET)}" stroke-width="{layout.rule:g}"')
    for x0, y0, x1, y1 in layout.leaders:
        yield f'<path d="M{x0:.2f} {y0:.2f}L{x1:.2f} {y1:.2f}" stroke="{_hex(QUIET)}" stroke-width="{layout.rule:g}"/>'
    yield _rectangle(layout.scale_bar, 'fill="#000000"')
    for line in layout.lines:
        weight = ' font-weight="bold"' if line.is_bold else ""
        base = line.middle + 0.35 * line.size  # of the letters, whose middle is given
        yield (
            f'<text x="{line.left:.2f}" y="{base:.2f}" font-size="{line.size:g}"{weight} '
            f'fill="{_hex(line.colour)}">{_safe(line.text)}</text>'
        )
    yield "</svg>"


def _squares(patch_map: PatchMap, window: Window, scale: ColourScale, layout: Layout) -> Iterator[str]:
    """Each patch with a value, clipped by the inner picture, with its value as a tool tip."""
    known = np.flatnonzero(patch_map.has_value)
    (sx, sy), side = window.scale, without_seams(patch_map).side_px
    colours = scale.rgb(patch_map.values[known])
    left, top = layout.picture
    yield (
        f'<svg x="{left}" y="{top}" width="{window.size[0]}" height="{window.size[1]}" overflow="hidden">'
        f'<g opacity="{OPACITY}" shape-rendering="crispEdges">'
    )
    for row, colour in zip(known.tolist(), colours.tolist(), strict=True):
        x, y = patch_map.coords_px[row].tolist()
        yield (
            f'<rect x="{(x - window.box[0]) * sx:.3f}" y="{(y - window.box[1]) * sy:.3f}" width="{side * sx:.3f}" '
            f'height="{side * sy:.3f}" fill="{_hex(colour)}">'
            f"<title>{patch_map.values[row]:.4g} at x {x}, y {y}</title></rect>"
        )
    yield "</g></svg>"


def _coloured(raster: Raster, scale: ColourScale) -> UInt8[np.ndarray, "h w 4"]:
    alpha = np.rint(raster.coverage * OPACITY * 255).astype(np.uint8)
    return np.dstack([scale.rgb(raster.values), alpha])


def _image(pixels: UInt8[np.ndarray, "h w c"], kind: str, place: tuple[float, float, float, float]) -> str:
    Image.fromarray(pixels).save(out := io.BytesIO(), kind, quality=QUALITY)
    data = base64.b64encode(out.getvalue()).decode("ascii")
    x, y, width, height = place
    return (
        f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" preserveAspectRatio="none" '
        f'xlink:href="data:image/{kind.lower()};base64,{data}"/>'
    )


def _rectangle(edges: tuple[float, float, float, float], look: str) -> str:
    left, top, right, bottom = edges
    return f'<rect x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" height="{bottom - top:.2f}" {look}/>'


def _hex(colour: tuple[int, ...] | list[int]) -> str:
    return "#" + "".join(f"{each:02x}" for each in colour)


def _safe(text: str) -> str:
    return escape(plain(text))
