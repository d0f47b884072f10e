"""A sheet of the patches with the highest and the lowest values, so that people can say what they have in common."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from prognoscope.core.errors import InputError
from prognoscope.core.files import written_whole
from prognoscope.report.heatmap.colours import ColourScale, said
from prognoscope.report.heatmap.layout import INK, LEADING, QUIET, TEXT, TITLE
from prognoscope.report.heatmap.lettering import font, wrapped
from prognoscope.report.heatmap.overlay import FAST
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.slides.readers.base import Slide, shrink_region

COUNT = 12  # patches of each end
COLUMNS, SHOWN_PX = 6, 180
PAD, GAP, FRAME = 18, 12, 4


def write_sheet(path: Path, slide: Slide | None, patch_map: PatchMap, *, title: str, mpp: float | None) -> None:
    """Write the patches of both ends as they lie in the slide, with rank, value and corner, whole or not at all.

    No patch overlaps another of the sheet, so that one place is not shown many times.

    Args:
        title: What the slide is called.
        mpp: um per level-0 pixel; None if unknown.

    Raises:
        InputError: There is no slide to take them from.
        SlideError: The slide is damaged.
    """
    if slide is None:
        raise InputError(f"The patches of {title} cannot be shown without its slide. Give the slide file.")
    highest, lowest = both_ends(patch_map, COUNT)
    groups = {"Highest": highest, "Lowest": lowest}
    sheet = _draw(slide, patch_map, groups, title, mpp)
    with written_whole(path) as beside:
        sheet.save(beside, "PNG", compress_level=FAST)


def both_ends(patch_map: PatchMap, count: int) -> tuple[list[int], list[int]]:
    """Up to `count` patches with the highest values and as many with the lowest, none over another, none in both."""
    known = np.flatnonzero(patch_map.has_value)
    rising = known[np.argsort(patch_map.values[known], kind="stable")]
    highest: list[int] = []
    lowest: list[int] = []
    count = min(count, (len(known) + 1) // 2)
    for order, chosen in ((rising[::-1], highest), (rising, lowest)):
        for patch in order.tolist():
            if len(chosen) == count:
                break
            others = patch_map.coords_px[highest + lowest]
            apart = np.abs(others - patch_map.coords_px[patch]).max(axis=1, initial=0)
            if not (apart < patch_map.side_px - 1).any():
                chosen.append(patch)
    return highest, lowest


def _draw(
    slide: Slide, patch_map: PatchMap, groups: dict[str, list[int]], title: str, mpp: float | None
) -> Image.Image:
    scale = ColourScale.of(patch_map)
    width = COLUMNS * SHOWN_PX + (COLUMNS - 1) * GAP
    side = f"{patch_map.side_px * mpp:.3g} µm" if mpp else f"{patch_map.side_px:.4g} px"
    words = patch_map.words[:1].upper() + patch_map.words[1:]
    head = [(words, TITLE, True)]
    head += [
        (title, TEXT, False),
        (f"{patch_map.meaning} Each patch is {side} wide. Unit: {patch_map.unit}.", TEXT, False),
    ]
    head += [(patch_map.judged, TEXT, False)] if patch_map.judged else []
    lines = [(each, size, bold) for text, size, bold in head for each in wrapped(text, width, size, is_bold=bold)]
    cell = SHOWN_PX + 2.6 * TEXT * LEADING
    rows = {name: -(-len(patches) // COLUMNS) for name, patches in groups.items()}
    height = sum(size * LEADING for _, size, _ in lines) + sum(2.2 * TITLE + n * cell for n in rows.values())
    page = Image.new("RGB", (width + 2 * PAD, round(height) + 2 * PAD), "white")
    draw = ImageDraw.Draw(page)
    y = float(PAD)
    for text, size, bold in lines:
        draw.text((PAD, y), text, fill=INK if bold else QUIET, font=font(size, is_bold=bold))
        y += size * LEADING
    for name, patches in groups.items():
        draw.text((PAD, y + 0.8 * TITLE), name, fill=INK, font=font(TEXT + 1, is_bold=True))
        y += 2.2 * TITLE
        for place, patch in enumerate(patches):
            left = PAD + place % COLUMNS * (SHOWN_PX + GAP)
            _show(page, (left, round(y + place // COLUMNS * cell)), slide, patch_map, patch, place + 1, scale)
        y += rows[name] * cell
    return page


def _show(
    page: Image.Image,
    at: tuple[int, int],
    slide: Slide,
    patch_map: PatchMap,
    patch: int,
    rank: int,
    scale: ColourScale,
) -> None:
    """One patch within a frame of its colour, above its rank, value and corner."""
    x, y = patch_map.coords_px[patch].tolist()
    value = float(patch_map.values[patch])
    box = (
        max(0.0, x),
        max(0.0, y),
        *(min(c + patch_map.side_px, n) for c, n in zip((x, y), slide.size_px, strict=True)),
    )
    inner = SHOWN_PX - 2 * FRAME
    shown = [max(1, round(inner * (box[i + 2] - box[i]) / patch_map.side_px)) for i in (0, 1)]  # less where it ends
    draw = ImageDraw.Draw(page)
    colour = tuple(scale.rgb(np.asarray([value]))[0].tolist())
    draw.rectangle((*at, at[0] + SHOWN_PX - 1, at[1] + SHOWN_PX - 1), fill="white", outline=colour, width=FRAME)
    page.paste(Image.fromarray(shrink_region(slide, box, (shown[0], shown[1]))), (at[0] + FRAME, at[1] + FRAME))
    middle = at[1] + SHOWN_PX + 0.75 * TEXT
    draw.text((at[0], middle), f"{rank}", fill=QUIET, font=font(TEXT), anchor="lm")
    draw.text((at[0] + 2.0 * TEXT, middle), said(value), fill=INK, font=font(TEXT, is_bold=True), anchor="lm")
    corner = f"x {x:,}  y {y:,}"
    draw.text((at[0], middle + TEXT * LEADING), corner, fill=QUIET, font=font(TEXT - 2), anchor="lm")
