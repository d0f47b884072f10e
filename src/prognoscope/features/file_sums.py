"""The SHA-256 of many large files; what was computed once is remembered while the file system says nothing changed."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from prognoscope.core.files import sha256, write_json

THREADS = 4


def file_sums(files: Mapping[str, Path], memory: Path) -> dict[str, str]:
    """Name -> SHA-256 of its file's content.

    Args:
        memory: A JSON file of sums that were computed before, with size, inode and times of each file then. It only
            saves time, and may be deleted.

    Raises:
        OSError: A file cannot be read.
    """
    known = _remembered(memory)
    stamps = {name: _stamp(path) for name, path in files.items()}
    found = {name: known[stamp] for name, stamp in stamps.items() if stamp in known}
    new = [name for name in files if name not in found]
    with ThreadPoolExecutor(THREADS) as pool:
        found |= zip(new, pool.map(lambda name: sha256(files[name]), new), strict=True)
    if new:
        still = {name: stamp for name, stamp in stamps.items() if _stamp(files[name]) == stamp}  # not written meanwhile
        with suppress(OSError):  # a folder that may not be written
            write_json(memory, known | {stamp: found[name] for name, stamp in still.items()})
    return {name: found[name] for name in files}


def _stamp(path: Path) -> str:
    """Also the time of the last change of the entry itself, which no program can set back."""
    stat = path.stat()
    return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _remembered(memory: Path) -> dict[str, str]:
    try:
        known = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    is_sound = isinstance(known, dict) and all(isinstance(value, str) and len(value) == 64 for value in known.values())
    return known if is_sound else {}
