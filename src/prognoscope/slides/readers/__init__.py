"""The table of readers, tried in this order, and how to open a slide whatever its format."""

from pathlib import Path

from prognoscope.core.errors import SlideError
from prognoscope.core.files import need_file
from prognoscope.core.loading import load
from prognoscope.slides.readers.base import Slide
from prognoscope.slides.readers.folder import find_slides

__all__ = ["READERS", "Slide", "find_slides", "open_slide"]

READERS = {
    "openslide": "prognoscope.slides.readers.openslide:OpenSlideSlide",
    "pillow": "prognoscope.slides.readers.pillow:PillowSlide",
}


def open_slide(path: Path | str, *, mpp: float | None = None) -> Slide:
    """An open slide; close it, or use it in a `with` block.

    Args:
        mpp: um per level-0 pixel as the user gives it; wins over what the slide says.

    Raises:
        MissingFileError: There is no such file.
        SlideError: The file is no slide, or a damaged one.
    """
    path = need_file(path, "The slide")
    if path.stat().st_size == 0:
        raise SlideError(f"The slide {path} is an empty file. Get it again, or leave it out of the cohort.")
    for place in READERS.values():
        reader = load(place)
        if reader.recognises(path):
            return reader(path, mpp=mpp)
    raise SlideError(
        f"{path} is not a slide in any known format, or it was cut short. Readable are SVS, NDPI, MRXS, SCN, DICOM, "
        "tiled TIFF, and plain PNG, JPEG and TIFF: get the file again, or leave it out of the cohort."
    )
