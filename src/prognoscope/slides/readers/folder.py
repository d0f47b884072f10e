"""The slides of a folder: which files are slides, and what they are called."""

import os
from collections.abc import Iterator
from pathlib import Path

from prognoscope.core.errors import MissingFileError, SlideError
from prognoscope.slides.readers.dicom import series_of

SUFFIXES = frozenset(
    [".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".czi", ".dcm", ".tif", ".tiff", ".png", ".jpg", ".jpeg"]
)


def find_slides(folder: Path | str) -> dict[str, Path]:
    """Slide id -> path of every slide in a folder and below, sorted by id; a slide's id is its name without suffix.

    Hidden files and folders are passed over, the companion folder of an MRXS slide belongs to it, and a DICOM series
    in several files is listed once, under the first of their names.

    Raises:
        MissingFileError: There is no such folder.
        SlideError: Two slides have one id.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(f"The folder of slides {folder} does not exist. Correct `cohort.slides.folder`.")
    slides: dict[str, Path] = {}
    series = set()
    for path in _files(folder):
        if path.suffix.lower() == ".dcm" and (uid := series_of(path)) is not None:
            if uid in series:
                continue
            series.add(uid)
        if path.stem in slides:
            raise SlideError(
                f"Two slides are called {path.stem}: {slides[path.stem]} and {path}. Rename one or move it away."
            )
        slides[path.stem] = path
    return dict(sorted(slides.items()))


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        mrxs = {Path(name).stem for name in names if name.lower().endswith(".mrxs")}
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in mrxs)
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(place, name)
