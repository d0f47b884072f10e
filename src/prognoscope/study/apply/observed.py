"""What became of new patients: the follow-up by which what is said of them is measured."""

from dataclasses import replace

import numpy as np

from prognoscope.cohort.clinical import read_endpoints
from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import some
from prognoscope.core.outcome import Outcome
from prognoscope.core.words import count
from prognoscope.study.study_file import StudyFile


def of_everybody(study: StudyFile) -> StudyFile:
    """The study with none of its endpoints chosen, so that whoever lacks one is predicted all the same."""
    clinical = replace(study.spec.cohort.clinical, endpoint=None)
    cohort = replace(study.spec.cohort, clinical=clinical)
    return replace(study, spec=study.spec.model_copy(update={"cohort": cohort}))


def observed(study: StudyFile, cohort: Cohort, predicted: str) -> tuple[Outcome | None, str]:
    """The follow-up of those of a cohort who have any, and a sentence on which it is; None where nothing is measured.

    Args:
        study: As its owner wrote it; of its endpoints the one that is chosen counts, else that of the models' name.
        cohort: Its patients, as `of_everybody` has them.
        predicted: The endpoint that the models predict; "" of a study with one follow-up.

    Raises:
        CohortError: The follow-up cannot be used.
    """
    clinical, name = study.where.clinical, study.spec.name
    if not clinical.has_follow_up:
        return None, ""
    if not clinical.endpoints:
        return cohort.outcome, ""
    chosen = clinical.endpoint or (predicted if predicted in clinical.endpoints else None)
    if chosen is None:
        of = f"predict {predicted}" if predicted else "do not say which they predict"
        return None, (
            f"{name} has the endpoints {some(clinical.endpoints)}, and the models {of}, so nothing is measured. Choose "
            f"one with --set cohort.clinical.endpoint={next(iter(clinical.endpoints))}."
        )
    outcome = read_endpoints(clinical)[chosen].outcome
    outcome = outcome.take(np.array([i for i, p in enumerate(outcome.patients) if p in set(cohort.patients)], int))
    lacking = len(cohort.patients) - len(outcome)
    told = f"{name} is measured on the endpoint {chosen}"
    told += f", which {count(lacking, 'predicted patient')} of it {'has' if lacking == 1 else 'have'} not" * bool(
        lacking
    )
    other = f"; the models were trained on {predicted}" if predicted not in ("", chosen) else ""
    return outcome, f"{told}{other}."
