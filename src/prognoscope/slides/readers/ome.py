"""What OME-XML in a TIFF's description says of its images.

The text is searched, not parsed: nothing in it is expanded or fetched.
"""

import html
import re
from dataclasses import dataclass, replace

TAG = re.compile(r"<(?:\w+:)?(Image|Pixels|Channel)\b([^>]*)>")
ATTRIBUTE = re.compile(r"""\b(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
UM = {"": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "in": 25400.0}
LONGEST = 10_000_000  # characters that are looked at


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One image of a file."""

    name: str = ""
    size_px: tuple[int, int] = (0, 0)  # width, height
    size_um: tuple[float | None, float | None] = (None, None)  # of a pixel; None where it is not said
    planes: int = 1  # in depth and in time
    channels: int = 1  # that are kept apart: 1 for colour of three samples a pixel


def is_ome(description: str) -> bool:
    """Whether a TIFF's description is OME-XML."""
    return "<OME" in description[:5000] or ":OME" in description[:5000]


def ome_images(description: str) -> list[OmeImage]:
    """The images, in the order of the text; a unit that is no length says nothing of a pixel's size.

    Source: the OME schema of 2016-06, whose default unit is the micrometre.
    """
    images: list[OmeImage] = []
    n_channels = 0  # of the last image, as elements of their own
    name = ""
    for kind, text in TAG.findall(description[:LONGEST]):
        told = {word: html.unescape(one or other) for word, one, other in ATTRIBUTE.findall(text)}
        if kind == "Image":
            name = told.get("Name", "")
        elif kind == "Pixels":
            size = _whole(told, "SizeX", 0), _whole(told, "SizeY", 0)
            planes = _whole(told, "SizeZ", 1) * _whole(told, "SizeT", 1)
            um = _um(told, "PhysicalSizeX"), _um(told, "PhysicalSizeY")
            images.append(OmeImage(name, size, um, planes))
            n_channels = 0
        elif images:
            n_channels += 1
            images[-1] = replace(images[-1], channels=n_channels)
    return images


def _whole(told: dict[str, str], name: str, otherwise: int) -> int:
    try:
        return int(told[name])
    except (KeyError, ValueError):
        return otherwise


def _um(pixels: dict[str, str], name: str) -> float | None:
    unit = (
        pixels.get(f"{name}Unit", "").strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    )
    try:
        return float(pixels[name]) * UM[unit]
    except (KeyError, ValueError):
        return None
