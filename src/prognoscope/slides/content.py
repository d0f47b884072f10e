"""What stands for the content of a slide: its size and samples of it, since reading gigabytes takes too long."""

import hashlib
from pathlib import Path

BLOCK = 2**16  # bytes of a sample
SAMPLES = 128  # evenly spaced, the first and the last bytes among them; a file of fewer is read whole
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
    """The file, and those that belong to it: MIRAX keeps its data in a folder of its name, DICOM all beside it."""
    beside = path.with_suffix("")
    own = sorted(each for each in beside.rglob("*") if each.is_file()) if beside != path and beside.is_dir() else []
    series = [each for each in path.parent.iterdir() if each.suffix.lower() == path.suffix.lower() and each != path]
    return [path, *own, *(sorted(each for each in series if each.is_file()) if path.suffix.lower() in SERIES else ())]
