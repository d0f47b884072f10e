"""Plain pictures through Pillow: PNG, JPEG and TIFF, whole in memory, one level, resolution given by the user."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from prognoscope.core.errors import SlideError
from prognoscope.slides.readers.base import checked_mpp, shrink

FORMATS = ("PNG", "JPEG", "TIFF")
DEEP_MODES = ("I", "F")  # 32 bits, whose white is anybody's guess


class PillowSlide:
    """A plain picture as a slide of one level.

    Its `mpp` is what the user gives, because the dots per inch in such files are seldom the microscope's.

    Raises:
        SlideError: The picture is damaged, has 32 bits a channel, or is too large to be held in memory.
    """

    def __init__(self, path: Path, *, mpp: float | None = None):
        self.path = path
        self.mpp = checked_mpp(mpp, path)
        self.magnification: float | None = None
        self.properties: Mapping[str, str] = MappingProxyType({})
        self._pixels: UInt8[np.ndarray, "H W 3"] | None = _load(path)
        height, width = self._pixels.shape[:2]
        self.size_px = (width, height)
        self.level_sizes_px = (self.size_px,)
        self.level_downsamples = (1.0,)

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether the file is a PNG, JPEG or TIFF, by content."""
        try:
            with Image.open(path, formats=FORMATS):
                return True
        except UnidentifiedImageError:
            return False
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return True  # known, but damaged or too large: opening says which

    def read(self, x_px: int, y_px: int, level: int, width_px: int, height_px: int) -> UInt8[np.ndarray, "H W 3"]:
        if self._pixels is None:
            raise SlideError(f"The slide {self.path} was closed. Open it again to read it.")
        if level != 0:
            raise SlideError(f"The slide {self.path} has level 0 only, not {level}.")
        region = np.full((height_px, width_px, 3), 255, np.uint8)
        left, top = max(x_px, 0), max(y_px, 0)
        found = self._pixels[top : max(top, y_px + height_px), left : max(left, x_px + width_px)]
        if found.size:
            region[top - y_px :, left - x_px :][: found.shape[0], : found.shape[1]] = found
        return region

    def thumbnail(self, longest_px: int) -> UInt8[np.ndarray, "h w 3"]:
        return shrink(self, longest_px)

    def close(self) -> None:
        self._pixels = None

    def __enter__(self) -> "PillowSlide":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _load(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.mode in DEEP_MODES:
                raise SlideError(f"The picture {path} has 32 bits a channel. Save it with 8 bits.")
            image.load()
            if image.mode.startswith("I;16"):
                image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            return np.array(image.convert("RGB"))
    except Image.DecompressionBombError as cause:
        raise SlideError(
            f"The picture {path} is too large to be read at once. Save it as a tiled pyramidal TIFF, "
            "for example with `vips tiffsave --tile --pyramid`."
        ) from cause
    except (OSError, SyntaxError, ValueError) as cause:  # what Pillow raises for damaged files
        if isinstance(cause, SlideError):
            raise
        raise SlideError(
            f"The picture {path} is damaged and cannot be read ({str(cause).rstrip('.')}). "
            "Get the file again, or leave it out of the cohort."
        ) from cause
