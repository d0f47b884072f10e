"""Text in pictures: one font that is always there, and lines that fit."""

from bisect import bisect_right
from functools import cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

FAMILY = "DejaVu Sans"  # comes with matplotlib; wider than what a browser may take instead, so that lines still fit
FILES = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}


@cache
def font(size_px: float, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font at a size, laid out alike on every machine."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", FILES[is_bold])
    return ImageFont.truetype(path, size_px, layout_engine=ImageFont.Layout.BASIC)


def plain(text: str) -> str:
    """Text on one line, without what cannot be printed."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def wrapped(text: str, width_px: float, size_px: float, *, is_bold: bool = False) -> list[str]:
    """The lines of a text, none wider than `width_px`; a word that is too long is broken."""
    letters = font(size_px, is_bold=is_bold)
    lines, line = [], ""
    for word in plain(text).split(" "):
        together = f"{line} {word}".strip()
        if letters.getlength(together) <= width_px:
            line = together
            continue
        lines += [line] if line else []
        while letters.getlength(word) > width_px and len(word) > 1:
            fits = bisect_right(range(len(word)), width_px, key=lambda n: letters.getlength(word[: n + 1])) or 1
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line]
