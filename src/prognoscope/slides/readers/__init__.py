"""The table of readers, tried in this order, and how to open a slide whatever its format."""

from pathlib import Path

from prognoscope.core.errors import SlideError
from prognoscope.core.files import need_file
from prognoscope.core.loading import load
from prognoscope.slides.readers.base import Slide
from prognoscope.slides.readers.folder import find_slides, look_for_slides
from prognoscope.slides.readers.zarr_folder import is_zarr

__all__ = ["READERS", "Slide", "find_slides", "look_for_slides", "open_slide"]

READERS = {
    "tiff": "prognoscope.slides.readers.tiff:TiffSlide",
    "czi": "prognoscope.slides.readers.czi:CziSlide",
    "openslide": "prognoscope.slides.readers.openslide:OpenSlideSlide",
    "zarr": "prognoscope.slides.readers.ome_zarr:OmeZarrSlide",
    "pillow": "prognoscope.slides.readers.pillow:PillowSlide",
}


def open_slide(path: Path | str, *, mpp: float | None = None) -> Slide:
    """An open slide; close it, or use it in a `with` block.

    Args:
        path: Its file; of an OME-Zarr its folder.
        mpp: um per level-0 pixel as the user gives it; wins over what the slide says.

    Raises:
        MissingFileError: There is no such file.
        SlideError: The file is no slide, or a damaged one.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SlideError(
            f"The slide {path} is a pipe, a socket or a device. Name a file, or leave it out of the cohort."
        )
    is_folder = path.is_dir() and is_zarr(path)
    path = path if is_folder else need_file(path, "The slide")
    if not is_folder and path.stat().st_size == 0:
        raise SlideError(f"The slide {path} is an empty file. Get it again, or leave it out of the cohort.")
    if path.suffix.lower() == ".mrxs":
        path = _with_companion(path)
    for place in READERS.values():
        reader = load(place)
        if reader.recognises(path):
            return reader(path, mpp=mpp)
    raise SlideError(
        f"{path} is not a slide in any known format, or it was cut short. Readable are SVS, NDPI, MRXS, SCN, CZI, "
        "DICOM, OME-TIFF, tiled TIFF, OME-Zarr, and plain PNG, JPEG and TIFF: get the file again, convert it, or leave "
        "it out of the cohort."
    )


def _with_companion(path: Path) -> Path:
    """The `.mrxs` file beside which its folder lies, where a link leads to it too; alone it is only a preview."""
    places = (path, path.resolve())
    whole = next((place for place in places if (place.with_suffix("") / "Slidedat.ini").is_file()), None)
    if whole is not None:
        return whole
    folder = next((place.with_suffix("") for place in places if place.with_suffix("").is_dir()), None)
    if folder is None:
        raise SlideError(
            f"The folder {path.stem} beside {path} is missing: it holds the slide, the file itself only a preview. "
            "Copy the folder too, or leave the slide out of the cohort."
        )
    raise SlideError(
        f"The folder {folder} lacks its Slidedat.ini, so {path.name} cannot be opened. Copy the whole folder again, or "
        "leave the slide out of the cohort."
    )
