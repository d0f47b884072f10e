"""All maps of a slide side by side, each above the patches with its highest values: the figure that papers print.

Below a map stand the bars of the gene groups of which the method says the same; bars without a map come last.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from prognoscope.core.files import written_whole
from prognoscope.report.heatmap.bars import GroupBars, draw_bars
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
    path: Path,
    slide: Slide | None,
    maps: Sequence[PatchMap],
    *,
    title: str,
    size_px: tuple[int, int] | None,
    bars: Sequence[GroupBars] = (),
) -> None:
    """Write the maps in their order, whole or not at all; without a slide, without patches.

    Args:
        bars: Of gene groups; of which those that are called like a map stand below it.

    Raises:
        SlideError: The slide is damaged.
    """
    picture = draw_panel(slide, maps, title=title, size_px=size_px, bars=bars)
    with written_whole(path) as beside:
        picture.save(beside, "PNG", compress_level=FAST)


def draw_panel(
    slide: Slide | None,
    maps: Sequence[PatchMap],
    *,
    title: str,
    size_px: tuple[int, int] | None,
    bars: Sequence[GroupBars] = (),
) -> Image.Image:
    """The maps in rows of three, each with its name, colours, best patches and gene groups."""
    window = window_of(slide, maps[0], size_px, WIDE)
    ground = ground_of(slide, window)
    most = {each.unit: max(np.abs(one.values).max() for one in bars if one.unit == each.unit) for each in bars}
    drawn = {each.name: draw_bars(each, WIDE, most=most[each.unit]) for each in bars}
    cells = [_cell(slide, ground, window, each) for each in maps]
    cells = [_above(cell, drawn.pop(each.name, None)) for cell, each in zip(cells, maps, strict=True)]
    cells += [_above(_words(each), drawn[each.name]) for each in bars if each.name in drawn]
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


def _above(cell: Image.Image, below: Image.Image | None) -> Image.Image:
    if below is None:
        return cell
    page = Image.new("RGB", (WIDE, cell.height + BETWEEN + below.height), "white")
    page.paste(cell, (0, 0))
    page.paste(below, (0, cell.height + BETWEEN))
    return page


def _words(bars: GroupBars) -> Image.Image:
    """What bars without a map say."""
    name = bars.name.replace("_", " ")
    lines = [(each, TEXT, INK, True) for each in wrapped(name[:1].upper() + name[1:], WIDE, TEXT, is_bold=True)]
    lines += [(each, SMALL, QUIET, False) for each in wrapped(bars.meaning, WIDE, SMALL)]
    page, y = Image.new("RGB", (WIDE, round(sum(size for _, size, _, _ in lines) * LEADING)), "white"), 0.0
    for text, size, colour, is_bold in lines:
        ImageDraw.Draw(page).text((0, y), text, fill=colour, font=font(size, is_bold=is_bold))
        y += size * LEADING
    return page


def _cell(slide: Slide | None, ground: np.ndarray, window: Window, patch_map: PatchMap) -> Image.Image:
    scale = ColourScale.of(patch_map)
    words = patch_map.words[:1].upper() + patch_map.words[1:]
    names = wrapped(words, WIDE, TEXT, is_bold=True)
    meaning = wrapped(patch_map.meaning, WIDE, SMALL)
    known = patch_map.values[patch_map.has_value]
    is_even = len(known) > 0 and known.min() == known.max()  # so that no patch is better than another
    best = both_ends(patch_map, BEST)[0] if slide is not None and not is_even else []
    shown = (WIDE - (BEST - 1) * BETWEEN) // BEST
    height = (
        (len(names) * TEXT + len(meaning) * SMALL + 2 * SMALL) * LEADING + window.size[1] + BAR_HEIGHT + 4 * BETWEEN
    )
    page = Image.new("RGB", (WIDE, round(height + (shown + BETWEEN if best else 0))), "white")
    draw, y = ImageDraw.Draw(page), 0.0
    for line in names:
        draw.text((0, y), line, fill=INK, font=font(TEXT, is_bold=True))
        y += TEXT * LEADING
    picture = ground if is_even and slide is not None else blend(ground, patch_map, window, scale)
    page.paste(Image.fromarray(picture), ((WIDE - window.size[0]) // 2, round(y)))
    y += window.size[1] + BETWEEN
    if is_even:
        even = f"All patches have the same value, {said(float(known[0]))} ({patch_map.unit})."
        draw.text((0, y), even, fill=QUIET, font=font(SMALL))
    elif scale.ticks:
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
    return page.crop((0, 0, WIDE, round(y)))
