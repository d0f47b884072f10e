"""Where everything stands in a picture of a map: the same for the PNG and the SVG."""

import math
from dataclasses import dataclass

import numpy as np

from prognoscope.report.heatmap.colours import ColourScale
from prognoscope.report.heatmap.lettering import font, wrapped
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.report.heatmap.window import Window

INK, QUIET = (26, 26, 26), (90, 90, 90)
PAD, GAP = 18, 24  # around all, and between the picture and its colour bar
TITLE, TEXT, SMALL = 18, 14, 13  # letter heights where the picture's longer side has 1000 pixels or less
LEADING = 1.35
BAR_WIDTH, BAR_HEIGHT, LEAST_BAR = 20, 300, 150
COLUMN = 165  # of the colour bar and its ticks
LEADER = 14  # from the bar to the label of a tick
LEAST_WIDTH = 560  # of the texts
SHARE = 5  # the scale bar is at most this part of the picture's width

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text."""

    left: float
    middle: float  # of its height
    text: str
    size: float
    colour: Rgb = INK
    is_bold: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of a picture, in pixels."""

    size: tuple[int, int]
    picture: tuple[int, int]  # left, top
    bar: tuple[float, float, float, float] | None  # left, top, right, bottom; none without values
    scale_bar: tuple[float, float, float, float]
    leaders: tuple[tuple[float, float, float, float], ...]  # from the bar to a label: x, y, x, y
    lines: tuple[Line, ...]
    rule: float  # how thick lines are


def lay_out(
    patch_map: PatchMap, window: Window, scale: ColourScale, *, title: str, mpp: float | None, has_pixels: bool
) -> Layout:
    """Title, picture with its colour bar, scale bar, and below what the values mean.

    Args:
        title: What the slide is called.
        mpp: um per level-0 pixel; None if unknown: the scale bar then counts level-0 pixels.
        has_pixels: Whether the slide itself lies below the map.
    """
    unit = max(1.0, max(window.size) / 1000)
    pad = round(PAD * unit)
    text_width = max(window.size[0] + (GAP + COLUMN) * unit, LEAST_WIDTH * unit)
    lines, y = [], float(pad)

    def write(text: str, size: float, *, left: float = pad, colour: Rgb = INK, is_bold: bool = False, width=text_width):
        nonlocal y
        for each in wrapped(text, width, size, is_bold=is_bold):
            lines.append(Line(left, y + size * LEADING / 2, each, size, colour, is_bold))
            y += size * LEADING

    write(patch_map.words[:1].upper() + patch_map.words[1:], TITLE * unit, is_bold=True)
    write(title, TEXT * unit, colour=QUIET)
    picture = (pad, round(y + 8 * unit))

    left = picture[0] + window.size[0] + GAP * unit
    y = float(picture[1])
    write(patch_map.unit, TEXT * unit, left=left, width=COLUMN * unit)
    bar, leaders = None, []
    if scale.ticks:
        top = y + 10 * unit
        length = min(BAR_HEIGHT * unit, max(LEAST_BAR * unit, picture[1] + window.size[1] - top))
        bar = (left, top, left + BAR_WIDTH * unit, top + length)
        heights = scale.place(np.asarray([value for value, _ in scale.ticks]))
        places = (top + length * (1 - heights)).tolist()
        middles = _apart(places, SMALL * LEADING * unit)
        for (_, label), place, middle in zip(scale.ticks, places, middles, strict=True):
            leaders.append((bar[2], place, bar[2] + LEADER * unit, middle))
            lines.append(Line(bar[2] + (LEADER + 5) * unit, middle, label, SMALL * unit))
        y = max(bar[3], *middles) + SMALL * unit
    y = max(y, picture[1] + window.size[1]) + 14 * unit

    length, label = _scale_bar(window, mpp)
    scale_bar = (float(pad), y + 6 * unit, pad + length, y + 9 * unit)
    lines.append(Line(pad + length + 10 * unit, y + 7.5 * unit, label, TEXT * unit))
    y += 15 * unit + 10 * unit
    write(patch_map.meaning, TEXT * unit)
    if patch_map.judged:
        y += 3 * unit
        write(patch_map.judged, TEXT * unit)
    y += 3 * unit
    bare = "" if has_pixels else " Drawn by coordinates alone, without the slide."
    write(f"{_counted(patch_map, mpp)} {scale.note}{bare}", SMALL * unit, colour=QUIET)
    right = max(line.left + font(line.size, is_bold=line.is_bold).getlength(line.text) for line in lines)
    size = (math.ceil(max(right, picture[0] + window.size[0])) + pad, math.ceil(y) + pad)
    return Layout(size, picture, bar, scale_bar, tuple(leaders), tuple(lines), max(1.0, unit))


def _apart(places: list[float], least: float) -> list[float]:
    """Heights from low values (below) to high ones, moved as little as needed to stand apart."""
    middles = list(places)
    for _ in range(100):
        moved = False
        for i in range(len(middles) - 1):
            lack = least - (middles[i] - middles[i + 1])
            if lack > 1e-6:
                middles[i], middles[i + 1], moved = middles[i] + lack / 2, middles[i + 1] - lack / 2, True
        if not moved:
            break
    return middles


def _scale_bar(window: Window, mpp: float | None) -> tuple[float, str]:
    """The length of a round number of um, or of level-0 pixels, and its name."""
    per_pixel = (mpp or 1.0) / window.scale[0]
    most = window.size[0] * per_pixel / SHARE
    power = 10.0 ** math.floor(math.log10(most))
    length = max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))
    if mpp is None:
        return length / per_pixel, f"{length:g} px of the slide (its µm per pixel is unknown)"
    return length / per_pixel, f"{length:g} µm" if length < 1000 else f"{length / 1000:g} mm"


def _counted(patch_map: PatchMap, mpp: float | None) -> str:
    side = f"{patch_map.side_px * mpp:.3g} µm" if mpp else f"{patch_map.side_px:.4g} px"
    n, known = len(patch_map), int(patch_map.has_value.sum())
    said = f"{n:,} patch{'es' * (n != 1)} of {side}"
    return f"{said}, {n - known:,} of them without a value." if known < n else f"{said}."
