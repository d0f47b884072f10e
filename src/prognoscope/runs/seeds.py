"""A folder of seeds: several runs of one study, each in a folder of its own that its seed names."""

import re
from collections.abc import Sequence
from pathlib import Path

from prognoscope.core.errors import InputError
from prognoscope.core.words import listed
from prognoscope.runs.layout import RunFiles

SEED = re.compile(r"seed_(\d+)")  # the name of a seed's run folder


def runs_in(folder: Path) -> list[Path]:
    """The run folders of all seeds in a folder that holds such, in their order; else the folder itself."""
    if not folder.is_dir() or RunFiles(folder).splits.exists():
        return [folder]
    found = {int(match[1]): each for each in folder.iterdir() if (match := SEED.fullmatch(each.name))}
    return [found[seed] for seed in sorted(found)] or [folder]


def need_one_run(folder: Path) -> None:
    """Refuse a folder of seeds where one run is asked for.

    Raises:
        InputError: It is one; names the runs in it.
    """
    if (runs := runs_in(folder)) != [folder]:
        names = listed([run.name for run in runs])
        raise InputError(f"{folder} holds runs with several seeds: {names}. Name one of them, such as {runs[0]}.")


def titles_of(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """The names of cohorts, with the folder beside those that several have.

    Raises:
        InputError: A folder is given twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("A run is given twice.")
    pairs = zip(names, folders, strict=True)
    return [name if names.count(name) == 1 else f"{name} ({folder})" for name, folder in pairs]
