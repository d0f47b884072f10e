"""All maps of a slide side by side, each above the patches with its highest values: the figure that papers print."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from prognoscope.core.files import written_whole
from prognoscope.report.heatmap.colours import ColourScale, said
from prognoscope.report.heatmap.layout import INK, LEADING, QUIET, SMALL, TEXT, TITLE
from prognoscope.report.heatmap.lettering import font, wrapped
from prognoscope.report.heatmap.overlay import FAST, blend, colour_bar
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.report.heatmap.sheet import both_ends
from prognoscope.report.heatmap.window import Window, ground_of, window_of
from prognoscope.slides.readers.base import Slide, shrink_region

BEST = 4  # patches below each map
COLUMNS, WIDE = 3, 420  # maps beside each other, and the longer side of each in pixels
PAD, GAP, BETWEEN = 18, 28, 8
BAR_HEIGHT = 12


def write_panel(
    path: Path, slide: Slide | None, maps: Sequence[PatchMap], *, title: str, size_px: tuple[int, int] | None
) -> None:
    """Write the maps in their order, whole or not at all; without a slide, without patches.

    Raises:
        SlideError: The slide is damaged.
    """
    picture = draw_panel(slide, maps, title=title, size_px=size_px)
    with written_whole(path) as beside:
        picture.save(beside, "PNG", compress_level=FAST)


def draw_panel(
    slide: Slide | None, maps: Sequence[PatchMap], *, title: str, size_px: tuple[int, int] | None
) -> Image.Image:
    """The maps in rows of three, each with its name, colours and best patches."""
    window = window_of(slide, maps[0], size_px, WIDE)
    ground = ground_of(slide, window)
    cells = [_cell(slide, ground, window, each) for each in maps]
    columns = min(COLUMNS, len(cells))
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    head = TITLE * LEADING + GAP / 2
    size = (
        2 * PAD + columns * WIDE + (columns - 1) * GAP,
        round(2 * PAD + head + sum(heights) + GAP * (len(rows) - 1)),
    )
    page = Image.new("RGB", size, "white")
    line = wrapped(title, size[0] - 2 * PAD, TITLE, is_bold=True)[0]
    ImageDraw.Draw(page).text((PAD, PAD), line, fill=INK, font=font(TITLE, is_bold=True))
    y = PAD + head
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            page.paste(cell, (PAD + column * (WIDE + GAP), round(y)))
        y += height + GAP
    return page


def _cell(slide: Slide | None, ground: np.ndarray, window: Window, patch_map: PatchMap) -> Image.Image:
    scale = ColourScale.of(patch_map)
    words = patch_map.words[:1].upper() + patch_map.words[1:]
    names = wrapped(words, WIDE, TEXT, is_bold=True)
    meaning = wrapped(patch_map.meaning, WIDE, SMALL)
    best = both_ends(patch_map, BEST)[0] if slide is not None else []
    shown = (WIDE - (BEST - 1) * BETWEEN) // BEST
    height = (
        (len(names) * TEXT + len(meaning) * SMALL + 2 * SMALL) * LEADING + window.size[1] + BAR_HEIGHT + 4 * BETWEEN
    )
    page = Image.new("RGB", (WIDE, round(height + (shown + BETWEEN if best else 0))), "white")
    draw, y = ImageDraw.Draw(page), 0.0
    for line in names:
        draw.text((0, y), line, fill=INK, font=font(TEXT, is_bold=True))
        y += TEXT * LEADING
    page.paste(Image.fromarray(blend(ground, patch_map, window, scale)), ((WIDE - window.size[0]) // 2, round(y)))
    y += window.size[1] + BETWEEN
    if scale.ticks:
        bar = colour_bar(scale, (BAR_HEIGHT, WIDE)).transpose(1, 0, 2)[:, ::-1]
        page.paste(Image.fromarray(np.ascontiguousarray(bar)), (0, round(y)))
        y += BAR_HEIGHT + 2
        for left, value, anchor in ((0, scale.low, "la"), (WIDE, scale.high, "ra")):
            draw.text((left, y), said(value), fill=QUIET, font=font(SMALL), anchor=anchor)
        draw.text((WIDE / 2, y), patch_map.unit, fill=QUIET, font=font(SMALL), anchor="ma")
    y += SMALL * LEADING + BETWEEN
    for place, patch in enumerate(best):
        assert slide is not None  # or there were none
        x0, y0 = patch_map.coords_px[patch].tolist()
        ends = (min(start + patch_map.side_px, n) for start, n in zip((x0, y0), slide.size_px, strict=True))
        box = (max(0.0, x0), max(0.0, y0), *ends)
        page.paste(Image.fromarray(shrink_region(slide, box, (shown, shown))), (place * (shown + BETWEEN), round(y)))
    y += shown + BETWEEN if best else 0
    for line in meaning:
        draw.text((0, y), line, fill=QUIET, font=font(SMALL))
        y += SMALL * LEADING
    return page
