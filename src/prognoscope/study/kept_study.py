"""The study that a run keeps, and where its embeddings lie."""

from dataclasses import replace

from prognoscope.runs.read import Run
from prognoscope.study.study_file import StudyFile

USUAL = "../embeddings"  # of a run from before runs told: beside the study file, which is where runs are by default


def study_of(run: Run) -> StudyFile:
    """The study as the run keeps it, with the place of embeddings that the run tells.

    Raises:
        InputError: The study or the provenance cannot be read.
    """
    study = StudyFile.load(run.files.study)
    return replace(study, store=run.folder / (run.provenance.store or USUAL))
