"""The files of a folder and below, through links, each folder once."""

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path | str) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with the sorted names in it that are no folders; links are followed, loops are not.

    A folder called .zarr is listed like a file: it may hold a hundred thousand. Hidden files and folders are passed
    over. A folder that is reached twice, by its place and by a link, is listed once, at its place.
    """
    places: list[tuple[Path, list[str]]] = []
    waiting, linked, seen = [Path(folder)], [], set()
    while waiting or linked:
        place = waiting.pop(0) if waiting else linked.pop(0)
        if (real := os.path.realpath(place)) in seen:
            continue
        seen.add(real)
        names = []
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.name.startswith("."):
                    continue
                is_folder = os.path.isdir(entry.path)  # no error for a link to itself
                if is_folder and not entry.name.lower().endswith(".zarr"):
                    (linked if entry.is_symlink() else waiting).append(Path(entry.path))
                else:
                    names.append(entry.name)
        places.append((place, names))
    yield from sorted(places)
