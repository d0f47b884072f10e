"""Scores of gene groups as bars, to stand in a picture beside the maps of a slide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from prognoscope.report.heatmap.colours import said
from prognoscope.report.heatmap.layout import INK, LEADING, QUIET, SMALL
from prognoscope.report.heatmap.lettering import font, plain

MOST = 10  # bars; of more groups, those that score highest
ROW, GAP = 20, 8
NAMES = 0.48  # of the width
VALUE = 52  # pixels kept for the number behind a bar
FILL, BELOW = (0, 114, 178), (213, 94, 0)  # of values above and below 0, told apart in every colour vision


@dataclass(frozen=True, slots=True)
class GroupBars:
    """What a method says of the gene groups of a patient."""

    name: str  # that of the map of patches which says the same of the slides, where there is one
    groups: Sequence[str]
    values: Float[np.ndarray, " S"]
    meaning: str
    unit: str


def draw_bars(bars: GroupBars, width: int, *, most: float) -> Image.Image:
    """A bar a group, in the order of the groups.

    Args:
        most: The value, without its sign, that fills the space; the same for bars that are to be compared.
    """
    chosen = np.sort(np.argsort(-np.abs(bars.values), kind="stable")[:MOST])
    head = f"Gene groups, {bars.unit}"
    if len(chosen) < len(bars.values):
        head += f"; {len(chosen)} of {len(bars.values)}, those farthest from 0"
    top = round(SMALL * LEADING + GAP / 2)
    page = Image.new("RGB", (width, top + ROW * len(chosen) + GAP), "white")
    draw, letters = ImageDraw.Draw(page), font(SMALL)
    draw.text((0, 0), head, fill=QUIET, font=letters)
    names = round(width * NAMES)
    space = width - names - VALUE
    is_signed = bool((bars.values < 0).any())
    zero = names + (space // 2 if is_signed else 0)
    for row, group in enumerate(chosen.tolist()):
        value, y = float(bars.values[group]), top + ROW * row
        draw.text((names - GAP, y + ROW / 2), _fitting(str(bars.groups[group]), names - GAP), INK, letters, anchor="rm")
        end = zero + value / (most or 1.0) * (space // 2 if is_signed else space)
        left, right = sorted((zero, round(end)))
        if right > left:
            draw.rectangle((left, y + 3, right - 1, y + ROW - 4), fill=FILL if value > 0 else BELOW)
        draw.text((max(right, zero) + 4, y + ROW / 2), said(value), fill=QUIET, font=letters, anchor="lm")
    draw.line((zero, top, zero, top + ROW * len(chosen)), fill=QUIET)
    return page


def _fitting(text: str, width: float) -> str:
    """The text, or as much of its beginning as there is space for."""
    text, letters = plain(text), font(SMALL)
    if letters.getlength(text) <= width:
        return text
    while text and letters.getlength(f"{text}\u2026") > width:
        text = text[:-1].rstrip()
    return f"{text}\u2026"
