"""The files of a run or fold, to be compared with those of an equal one."""

from pathlib import Path

UNEQUAL = {"log.txt", "cost.csv", "costs.csv"}  # which tell the time, and what was spent


def contents(folder: Path) -> dict[str, bytes]:
    """Path in the folder -> bytes, of all files in which equal runs do not differ."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in UNEQUAL)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
