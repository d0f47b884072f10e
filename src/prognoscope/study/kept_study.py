"""The study that a run keeps, and where its embeddings lie."""

from dataclasses import replace
from pathlib import Path

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import MissingFileError
from prognoscope.core.settings import paths_of
from prognoscope.runs.read import Run
from prognoscope.study.inputs import read_cohort
from prognoscope.study.study_file import StudyFile

USUAL = "../embeddings"  # of a run from before runs told: beside the study file, which is where runs are by default


def study_of(run: Run) -> StudyFile:
    """The study as the run keeps it, with the place of embeddings that the run tells.

    Raises:
        InputError: The study or the provenance cannot be read.
    """
    study = StudyFile.load(run.files.study)
    return replace(study, store=run.folder / (run.provenance.store or USUAL))


def cohort_of(run: Run, study: StudyFile) -> Cohort:
    """The cohort that a run was made of, as it is now.

    Raises:
        MissingFileError: It is gone, or the run was moved away from it.
        InputError: Any of its tables cannot be used.
    """
    inputs = paths_of(replace(study.where, truth=None))  # which no prediction needs
    if gone := [each for each in inputs if not Path(each).exists()]:
        raise MissingFileError(
            f"{run.folder} was made of {gone[0]}, which is not there. Put it back; if the run was moved or copied, put "
            "it where it was, as it finds its inputs from there."
        )
    return read_cohort(study.spec.name, study.where)
