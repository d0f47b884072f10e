"""The size of a pixel as OME-XML in a TIFF's description says it.

The text is searched, not parsed: nothing in it is expanded or fetched.
"""

import html
import re

PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")
ATTRIBUTE = re.compile(r"""\b(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
UM = {"": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "in": 25400.0}
LONGEST = 10_000_000  # characters that are looked at


def physical_size_um(description: str, size_px: tuple[int, int]) -> tuple[float | None, float | None] | None:
    """Width and height of a level-0 pixel in um, each None where it is not said; None where this is no OME-XML.

    Of several images the one of the slide's size counts, or else the first. A unit that is no length says nothing.

    Source: the OME schema of 2016-06, whose default unit is the micrometre.
    """
    if "<OME" not in description[:5000] and ":OME" not in description[:5000]:
        return None
    images = [_attributes(found) for found in PIXELS.findall(description[:LONGEST])]
    if not images:
        return None
    fitting = [each for each in images if (each.get("SizeX"), each.get("SizeY")) == tuple(map(str, size_px))]
    pixels = (fitting or images)[0]
    return _um(pixels, "PhysicalSizeX"), _um(pixels, "PhysicalSizeY")


def _attributes(tag: str) -> dict[str, str]:
    return {name: html.unescape(one or other) for name, one, other in ATTRIBUTE.findall(tag)}


def _um(pixels: dict[str, str], name: str) -> float | None:
    unit = (
        pixels.get(f"{name}Unit", "").strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    )
    try:
        return float(pixels[name]) * UM[unit]
    except (KeyError, ValueError):
        return None
