"""Plain pictures through Pillow: PNG, JPEG and TIFF, whole in memory, one level, resolution given by the user."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from prognoscope.core.errors import SlideError
from prognoscope.slides.readers.base import believed_mpp, checked_mpp, shrink

FORMATS = ("PNG", "JPEG", "TIFF")
# of scanners: where OpenSlide does not know such a file, it is no picture, and its first page may be a preview
OF_SCANNERS = frozenset(
    {".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".czi", ".vms", ".vmu", ".qptiff", ".dcm"}
)
SCANNERS = re.compile(r"Aperio|Hamamatsu|iScan|DPUfsImport|leica-microsystems|MIRAX|PerkinElmer-QPI|trestle", re.I)
DESCRIPTION, MAKER, SOFTWARE = 270, 271, 305  # tags of TIFF
DEEP_MODES = ("I", "F")  # 32 bits, whose white is anybody's guess
MOST_PAGES = 64  # of a TIFF that are looked at
MOST_PIXELS = 8000**2  # held in memory whole, so 200 MB, and several times that for a moment


class PillowSlide:
    """A plain picture as a slide of one level.

    Its `mpp` is what the user gives: the dots per inch in such files are seldom the microscope's.

    Raises:
        SlideError: The picture is damaged, has 32 bits a channel, or is too large to be held in memory.
    """

    def __init__(self, path: Path, *, mpp: float | None = None):
        self.path = path
        given = checked_mpp(mpp, path)
        self.magnification: float | None = None
        self.properties: Mapping[str, str] = MappingProxyType({})
        pixels = _load(path)
        self._pixels: UInt8[np.ndarray, "H W 3"] | None = pixels
        height, width = pixels.shape[:2]
        self.size_px = (width, height)
        self.mpp, self.mpp_trouble = (given, "") if given else believed_mpp(None, None)
        self.level_sizes_px = (self.size_px,)
        self.level_downsamples = (1.0,)

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether the file is a plain PNG, JPEG or TIFF by content, and no scanner's, whose preview would be read."""
        if path.suffix.lower() in OF_SCANNERS:
            return False
        try:
            with _opened(path) as image:
                return not SCANNERS.search(" ".join(_told(image, tag) for tag in (DESCRIPTION, MAKER, SOFTWARE)))
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

    def hold(self, n_bytes: int) -> None:
        """Nothing: the picture is in memory whole."""

    def close(self) -> None:
        self._pixels = None

    def __enter__(self) -> "PillowSlide":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _opened(path: Path) -> Image.Image:
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):  # the limit here is lower
        return Image.open(path, formats=FORMATS)


def _told(image: Image.Image, tag: int) -> str:
    return str(getattr(image, "tag_v2", {}).get(tag, ""))


def _load(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    try:
        with _opened(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise _too_large(path, image.size)
            if image.mode in DEEP_MODES:
                raise SlideError(f"The picture {path} has 32 bits a channel. Save it with 8 bits.")
            _need_largest_first(image, path)
            image.load()
            if image.mode.startswith("I;16"):
                image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                clear = image if image.mode == "RGBA" else image.convert("RGBA")
                image = Image.new("RGB", clear.size, "white")
                image.paste(clear, mask=clear.getchannel("A"))
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except Image.DecompressionBombError as cause:
        raise _too_large(path) from cause
    except (OSError, SyntaxError, ValueError) as cause:  # what Pillow raises for damaged files
        if isinstance(cause, SlideError):
            raise
        raise SlideError(
            f"The picture {path} is damaged and cannot be read ({str(cause).rstrip('.')}). "
            "Get the file again, or leave it out of the cohort."
        ) from cause


def _need_largest_first(image: Image.Image, path: Path) -> None:
    """Refuse a TIFF whose first page is the preview of a larger one."""
    first = image.size
    for page in range(1, min(getattr(image, "n_frames", 1), MOST_PAGES)):
        image.seek(page)
        if image.width * image.height > first[0] * first[1]:
            raise SlideError(
                f"The picture {path} holds a larger one, {image.width} x {image.height} pixels, behind its first of "
                f"{first[0]} x {first[1]}. Save the one that is meant as a tiled TIFF, or leave it out of the cohort."
            )
    image.seek(0)


def _too_large(path: Path, size: tuple[int, int] | None = None) -> SlideError:
    said = f"{size[0]} x {size[1]} pixels are" if size else "it is"
    return SlideError(
        f"The picture {path} is too large to be read at once ({said} above the limit of {MOST_PIXELS:,} pixels). "
        "Save it as a tiled pyramidal TIFF, for example with `vips tiffsave --tile --pyramid`, or leave it out of the "
        "cohort."
    )
