"""A run folder is bound to the content that its finished folds saw: other content is refused, damage is made anew."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from prognoscope.core.errors import InputError, StudyError, some
from prognoscope.core.words import count, listed
from prognoscope.runs.card import need_own_card
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import FoldFiles, RunFiles
from prognoscope.runs.manifest import damage, read_manifest, unseal
from prognoscope.training.job import FoldJob

SHARED = ("program", "seed", "preparation", "folds")  # parts of a fold that are the same for all methods


def bind(folder: Path, content: Fingerprint, jobs: Sequence[FoldJob]) -> tuple[str, ...]:
    """Refuse a folder whose finished folds saw something else; clear its damaged folds, so that they are made anew.

    Args:
        content: Of all that the run's trainings may see, patient by patient.
        jobs: What is to be in the folder, those of permuted outcomes too.

    Returns:
        A sentence for every fold that was damaged.

    Raises:
        StudyError: The folder holds folds that saw other content, or that do not tell what they saw.
    """
    wanted = {job.files: job for job in jobs}
    found = list(_folds(RunFiles(folder)))
    _refuse_untold(folder, found)
    damaged = {files: names for files in found if files.is_done and (names := _damaged(files))}
    before, changed, differing = _told_before(folder), dict[str, None](), 0
    for files in found:
        manifest = None if files in damaged else read_manifest(files.folder)
        if manifest is not None:
            now = _now(files, wanted, content)
            differences = now.detailed(content).differences(manifest.made_of.detailed(before))
            changed |= dict.fromkeys(differences)
            differing += bool(differences)
    if changed:
        raise StudyError(
            f"{folder} holds {count(differing, 'fold')} made of something else than is there now. Changed: "
            f"{listed(list(changed), 8)}. Choose another folder with --out (or remove this one), or put back what was "
            "changed; old and new are never mixed in one run."
        )
    return tuple(_clear(files, names, is_wanted=files in wanted) for files, names in damaged.items())


def _damaged(files: FoldFiles) -> list[str]:
    names = damage(files.folder)
    try:
        if not names:
            need_own_card(files)
    except InputError:  # whole, and of another fold
        return [files.card.name]
    return names


def _folds(files: RunFiles) -> Iterator[FoldFiles]:
    for method in files.methods():
        yield from files.folds(method)
        yield files.permuted(method)


def _now(files: FoldFiles, wanted: Mapping[FoldFiles, FoldJob], content: Fingerprint) -> Fingerprint:
    """What a fold would be made of now; of a method that is not asked for any more, what it shares with the others."""
    if files in wanted:
        return wanted[files].made_of
    beside = [job for job in wanted.values() if job.files.folder.name == files.folder.name]
    return content.brief.with_parts(beside[0].made_of.only(SHARED).parts if beside else {})


def _refuse_untold(folder: Path, found: Sequence[FoldFiles]) -> None:
    """Refuse the finished folds of a program that kept no manifests: nothing says what they saw."""
    if RunFiles(folder).manifest.is_file() or any(files.is_done for files in found):
        return
    if old := [files for files in found if files.predictions.is_file()]:
        raise StudyError(
            f"{folder} holds {count(len(old), 'fold')} of an earlier version, which did not keep what its folds were "
            "made of, so nothing can be added to them. Choose another folder with --out, or remove this one; it can "
            "still be reported, compared and predicted with."
        )


def _told_before(folder: Path) -> Fingerprint:
    """The content patient by patient, to name what changed; empty where the run's own manifest is lost."""
    try:
        manifest = read_manifest(folder)
    except InputError:
        manifest = None
    return Fingerprint() if manifest is None else manifest.made_of


def _clear(files: FoldFiles, names: Sequence[str], *, is_wanted: bool) -> str:
    """Remove what says that a damaged fold is finished, and what it left; risks after surgery alone are just that."""
    label = f"{files.folder.parent.name}, {files.folder.name.replace('_', ' ')}"
    if list(names) == [files.surgery.name]:
        unseal(files.folder, [files.surgery])
    else:
        for path in (files.manifest, *files.kept):
            path.unlink(missing_ok=True)
    then = "it is made again" if is_wanted else "it was removed, for its method is not in the study any more"
    return f"{label}: {some(names)} had been changed, damaged or removed since; {then}."
