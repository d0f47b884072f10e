"""The tables that a study names, by content: as they were when they were read, and whether they still are."""

from collections.abc import Mapping
from pathlib import Path

from prognoscope.core.errors import some
from prognoscope.core.files import sha256
from prognoscope.study.study_file import StudyFile

CURE = (
    "The numbers are of what was read at the start. For those of what is there now, run the study with another --out."
)


def input_sums(study: StudyFile) -> dict[str, str]:
    """Table, as the study file names it -> SHA-256, of those that are there."""
    return {name: sha256(path) for name in _named(study) if (path := study.folder / name).is_file()}


def told_changes(then: Mapping[str, str], now: Mapping[str, str], what: str = "") -> list[str]:
    """A sentence for inputs that were removed while a run went on, and one for those that were changed."""
    changed = [name for name in then if name in now and now[name] != then[name]]
    gone = [name for name in then if name not in now]
    named = [(gone, "removed"), (changed, "changed")]
    return [f"{what}{some(names)} {_was(names)} {verb} while the run went on. {CURE}" for names, verb in named if names]


def _was(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _named(study: StudyFile) -> list[str]:
    where, splits = study.spec.cohort, study.spec.splits
    named = [*where.clinical.table, where.truth, splits.table]
    named += [] if where.omics is None else [*where.omics.table, where.omics.groups]
    named += [each.table for each in (where.slides, where.features, where.subtype) if each is not None]
    for pattern in splits.files:
        at = study.folder / pattern.replace("{fold}", "*")
        named += sorted(str(Path(pattern).parent / found.name) for found in at.parent.glob(at.name))
    return list(dict.fromkeys(name for name in named if name))
