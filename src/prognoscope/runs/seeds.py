"""A folder of several runs of one study, each in a folder of its own that its seed, or its endpoint, names."""

import re
from collections.abc import Sequence
from pathlib import Path

from yaml import YAMLError

from prognoscope.core.errors import InputError
from prognoscope.core.words import listed
from prognoscope.core.yaml_text import parse_yaml
from prognoscope.runs.layout import RunFiles

SEED = re.compile(r"seed_(\d+)")  # the name of a seed's run folder
ENDPOINT = re.compile(r"endpoint_(.+)")  # the name of an endpoint's run folder, or of that of its seeds


def runs_in(folder: Path) -> list[Path]:
    """The run folders of all endpoints and seeds in a folder that holds such, in their order; else the folder itself.

    Endpoints are in the order of the study, seeds in that of their numbers.
    """
    if not folder.is_dir() or RunFiles(folder).splits.exists():
        return [folder]
    if endpoints := {match[1]: each for each in folder.iterdir() if (match := ENDPOINT.fullmatch(each.name))}:
        inside = {name: runs_in(endpoints[name]) for name in sorted(endpoints)}
        listed = _endpoints_of(next(iter(inside.values()))[0])
        ordered = sorted(inside, key=lambda name: listed.index(name) if name in listed else len(listed))
        return [run for name in ordered for run in inside[name]]
    found = {int(match[1]): each for each in folder.iterdir() if (match := SEED.fullmatch(each.name))}
    return [found[seed] for seed in sorted(found)] or [folder]


def need_one_run(folder: Path) -> None:
    """Refuse a folder of seeds where one run is asked for.

    Raises:
        InputError: It is one; names the runs in it.
    """
    if (runs := runs_in(folder)) != [folder]:
        names = listed([run.relative_to(folder).as_posix() for run in runs])
        raise InputError(f"{folder} holds runs {several_of(folder)}: {names}. Name one of them, such as {runs[0]}.")


def several_of(folder: Path) -> str:
    """What the runs in a folder of several differ by."""
    is_by_endpoint = any(ENDPOINT.fullmatch(each.name) for each in folder.iterdir())
    return "of several endpoints" if is_by_endpoint else "with several seeds"


def _endpoints_of(run: Path) -> list[str]:
    """The endpoints that the study of a run names, in their order."""
    try:
        study = parse_yaml(RunFiles(run).study.read_text(encoding="utf-8"))
        return list(study["cohort"]["clinical"]["endpoints"])
    except (OSError, UnicodeDecodeError, YAMLError, KeyError, TypeError):  # only begun, or damaged, as its readers say
        return []


def titles_of(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """The names of cohorts, with the folder beside those that several have.

    Raises:
        InputError: A folder is given twice.
    """
    whole = [folder.resolve() for folder in folders]
    if twice := [folder for folder, at in zip(folders, whole, strict=True) if whole.count(at) > 1]:
        raise InputError(f"{twice[0]} is named twice. Name each once.")
    pairs = zip(names, folders, strict=True)
    return [name if names.count(name) == 1 else f"{name} ({folder})" for name, folder in pairs]
