"""What stands for the content of a slide: its size and samples of it, since reading gigabytes takes too long."""

import hashlib
import os
from pathlib import Path

from prognoscope.slides.readers.dicom import series_of

BLOCK = 2**16  # bytes of a sample
SAMPLES = 128  # evenly spaced, the first and the last bytes among them; a file of fewer is read whole
ZARR = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
SERIES = (".dcm", ".dicom")  # formats of which a slide is all files of a folder


def slide_sum(path: Path) -> str:
    """Hexadecimal digits for the content of a slide, its folder of data included, in milliseconds.

    A slide that is scanned or converted again differs in nearly all bytes, and in size.

    Raises:
        OSError: A file cannot be read.
    """
    sha = hashlib.sha256()
    for each in _files(Path(path)):
        size = each.stat().st_size
        last = max(0, size - BLOCK)
        starts = (
            range(0, size, BLOCK) if size <= SAMPLES * BLOCK else (i * last // (SAMPLES - 1) for i in range(SAMPLES))
        )
        sha.update(f"{size}\n".encode())
        with each.open("rb") as file:
            for start in starts:
                file.seek(start)
                sha.update(file.read(BLOCK))
    return sha.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    """The file, and those that belong to it: MIRAX keeps its data in a folder of its name, DICOM in all files of
    its series.

    Of a folder of chunks as many files are taken as samples of one file, evenly spaced by name, besides those that
    say what the chunks are.
    """
    if path.is_dir():
        found = sorted(Path(place, name) for place, _, names in os.walk(path) for name in names)
        told = [each for each in found if each.name in ZARR]
        chunks = [each for each in found if each.name not in ZARR]
        return [*told, *chunks[:: max(1, len(chunks) // SAMPLES)], *chunks[-1:]]
    beside = path.with_suffix("")
    own = sorted(each for each in beside.rglob("*") if each.is_file()) if beside != path and beside.is_dir() else []
    return [path, *own, *_instances(path)]


def _instances(path: Path) -> list[Path]:
    """The other files of a DICOM series; where a file called so does not say its series, all that are called so."""
    uid = series_of(path)
    if uid is None and path.suffix.lower() not in SERIES:
        return []
    others = sorted(each for each in path.parent.iterdir() if each != path and each.is_file())
    if uid is None:
        return [each for each in others if each.suffix.lower() == path.suffix.lower()]
    return [each for each in others if series_of(each) == uid]
