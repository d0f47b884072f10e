"""What the tests of importers share: an import in this process, and whether `check` takes what it made."""

from pathlib import Path

from prognoscope.importers.cohort import Imported, ImportSpec
from prognoscope.study.audit import audit
from prognoscope.study.plan import Plan, plan
from prognoscope.study.start.from_portal import import_cohort
from prognoscope.study.study_file import StudyFile


def imported(folder: Path, portal: str, *paths: Path, **spec) -> Imported:
    """The cohort in `folder`, which asks no question."""
    found, questions = import_cohort(paths, folder, ImportSpec(portal, **spec))
    assert not questions
    return found


def checked(folder: Path) -> Plan:
    """The plan of the folder's study, which `check` takes."""
    found = plan(StudyFile.load(folder / "study.yaml"), elsewhere=True)
    assert not audit(found).stop
    return found
