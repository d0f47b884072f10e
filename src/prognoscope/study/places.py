"""Where a command writes: in a place of its own, which is tried before hours are spent."""

import os
from dataclasses import replace
from pathlib import Path

from prognoscope.core.claims import CLAIM
from prognoscope.core.errors import StudyError, UnwritableError, some
from prognoscope.core.files import need_ours, need_writable
from prognoscope.core.processes import PART
from prognoscope.core.settings import paths_of
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.seeds import runs_in, several_of
from prognoscope.runs.tables import SPLITS
from prognoscope.study.run_log import FIRST_LINE
from prognoscope.study.study_file import StudyFile

ELSEWHERE = "Choose another folder with --out."


def need_run_or_room(folder: Path) -> None:
    """Refuse a folder that is neither a run nor empty.

    Raises:
        StudyError: It is neither, or a file.
    """
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file. Choose a folder with --out.")
    files = RunFiles(folder)
    begun = {each.name for each in (files.study, files.claim, files.log, files.embeddings)}
    others = [each.name for each in folder.iterdir() if _is_mine(each.name, begun)] if folder.is_dir() else []
    if runs_in(folder) != [folder]:
        raise StudyError(f"{folder} holds runs {several_of(folder)}, and this study has one. {ELSEWHERE}")
    if files.claim.is_file():  # whoever works on it has looked, and may not have written all yet
        return
    if others and not (files.study.is_file() and _begins(files.splits, ",".join(SPLITS.columns))):
        raise StudyError(f"{folder} is neither empty nor a run. {ELSEWHERE}")
    need_ours(files.log, FIRST_LINE, cure=ELSEWHERE)


def _is_mine(name: str, begun: set[str]) -> bool:
    return name not in begun and not name.startswith(CLAIM) and not name.endswith(PART)


def _begins(path: Path, words: str) -> bool:
    return path.is_file() and path.open(encoding="utf-8", errors="replace").readline().startswith(words)


def check_place(study: StudyFile, folder: Path) -> None:
    """Refuse a run folder that is mixed up with what the study is made of.

    Raises:
        StudyError: It is the study's folder or the user's, it holds an input, or it lies among slides or embeddings.
    """
    at, own = folder.resolve(), study.folder.resolve()
    is_its_own = at == own and RunFiles(at).manifest.is_file()  # the study file that a run keeps, run again
    home = Path(os.path.expanduser("~")).resolve()  # a user may have none, which Path.home refuses
    if not is_its_own and at in (own, home, Path(at.anchor)):
        raise StudyError(f"{folder} holds more than a run. Give the run a folder of its own with --out.")
    inputs = [Path(each) for spec in (study.where, study.features, study.splits) for each in paths_of(spec)]
    if inside := [each for each in inputs if at in (each.resolve(), *each.resolve().parents)]:
        raise StudyError(f"{folder} holds inputs of the study: {some(inside)}. {ELSEWHERE}")
    for section in (study.where.slides, study.where.features):
        source = Path(section.folder).resolve() if section is not None and section.folder else None
        if source in at.parents and source not in (own, *own.parents):
            raise StudyError(f"{folder} lies in {source}, whose files are inputs of the study. {ELSEWHERE}")


def stored(study: StudyFile, elsewhere: Path) -> StudyFile:
    """The study, with its embeddings kept in `elsewhere` if they cannot be kept beside the study file."""
    try:
        need_writable(study.cache, "", "")
    except UnwritableError:
        return replace(study, store=elsewhere)
    return study


def try_places(study: StudyFile, folder: Path, *, has_bags: bool, extracts: bool) -> None:
    """Try to write wherever a run will.

    Raises:
        UnwritableError: A place cannot be written to; names it, and what to do.
        DiskFullError: There is no room.
    """
    need_writable(folder, "The run", ELSEWHERE)
    for each in folder.rglob("*") if folder.is_dir() else ():
        if each.is_dir() and not os.access(each, os.W_OK):
            raise UnwritableError(f"The run cannot be written to {each}. Change its permissions, or remove it.")
    if has_bags:
        need_writable(study.cache, "The packed embeddings", ELSEWHERE)
    if extracts:
        need_extracted(study)


def need_extracted(study: StudyFile) -> None:
    """Try to write where the embeddings of slides go, if the study has any."""
    if study.extracted is not None:
        need_writable(
            study.extracted,
            "The embeddings of slides",
            "Change its permissions, or keep the study file in a folder that can be written to.",
        )


def place_warnings(study: StudyFile) -> list[str]:
    """What `check` can tell without writing."""
    if os.access(study.folder, os.W_OK):
        return []
    return [f"{study.folder} cannot be written to: give `run` a folder with --out, which keeps the embeddings too."]
