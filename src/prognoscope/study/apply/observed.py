"""What became of new patients: the follow-up by which what is said of them is measured."""

from dataclasses import dataclass

import numpy as np

from prognoscope.cohort.clinical import ClinicalTable, read_clinical
from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import some
from prognoscope.core.outcome import Outcome
from prognoscope.core.words import count
from prognoscope.study.study_file import StudyFile


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What tables tell of what became of patients of whom some may not be known."""

    name: str  # of the cohort
    table: ClinicalTable | None = None  # None: nothing is measured
    endpoint: str | None = None  # None: the cohort has but one follow-up
    said: str = ""  # a sentence on which is measured, or why none

    @classmethod
    def read(cls, study: StudyFile, predicted: str, *, is_named: bool = False) -> "FollowUp":
        """That of a study; of its endpoints the one that is chosen counts, else that of the models' name.

        Args:
            predicted: The endpoint that the models predict; "" of a study with one follow-up.
            is_named: A follow-up without a name has the columns of that endpoint.

        Raises:
            CohortError: The follow-up cannot be used.
        """
        clinical, name = study.where.clinical, study.spec.name
        if not clinical.has_follow_up:
            return cls(name)
        chosen = clinical.endpoint or (predicted if predicted in clinical.endpoints else None)
        if clinical.endpoints and chosen is None:
            of = f"predict {predicted}" if predicted else "do not say which they predict"
            said = f"{name} has the endpoints {some(clinical.endpoints)}, and the models {of}, so nothing is measured. "
            first = next(iter(clinical.endpoints))
            return cls(name, said=f"{said}Choose one with --set cohort.clinical.endpoint={first}.")
        asked = clinical if chosen is None else clinical.of(chosen)
        said = f"; the models were trained on {predicted}" if predicted not in ("", chosen) else ""
        if said and chosen is None:
            said = f"Nothing says that the follow-up of {name} is of {predicted}, which the models predict; it counts "
            said = "" if is_named else f"{said}as such."
        return cls(name, read_clinical(asked, needs_event=False, may_lack=True), chosen, said)

    def of(self, cohort: Cohort, *, competes: bool = False) -> tuple[Outcome | None, list[str]]:
        """That of those of a cohort who have any, and sentences on it; None where nothing is measured.

        Args:
            competes: The models predict the event before any other.
        """
        outcome, said = self._of(cohort)
        told = [said] * bool(said)
        if outcome is None or self.table is None:
            return None, told
        told += self.table.warnings
        if competes and outcome.competing is None:
            told.append(
                f"The models predict the event before any other, and {self.name} tells of no other: who had one counts "
                "as censored there, so that more is observed than the models speak of."
            )
        if outcome.competing is not None and not competes:
            told.append(
                f"In {self.name} other events compete, of which the models know nothing: they predict the event as if "
                "no other could come first, so that less is observed than they speak of."
            )
        return outcome, told

    def _of(self, cohort: Cohort) -> tuple[Outcome | None, str]:
        if self.table is None:
            return None, self.said
        known, outcome = set(cohort.patients), self.table.outcome
        outcome = outcome.take(np.array([i for i, p in enumerate(outcome.patients) if p in known], dtype=np.int64))
        lacking, what = len(known) - len(outcome), f"the endpoint {self.endpoint}" if self.endpoint else "follow-up"
        whose = f"{count(lacking, 'predicted patient')} of it {'has' if lacking == 1 else 'have'} not"
        if not len(outcome):
            return None, f"Nobody of {self.name} has {what}, so nothing is measured."
        if lacking and self.table.one_sided:
            return None, f"{self.name} is not measured on {what}, which {whose}. {self.table.one_sided}"
        if self.endpoint is None:
            told = f"{self.name} is measured on {count(len(outcome), 'patient')} with follow-up, which {whose}."
            return outcome, " ".join([*[told] * bool(lacking), *[self.said] * bool(self.said)])
        told = f"{self.name} is measured on {what}" + f", which {whose}" * bool(lacking)
        return outcome, f"{told}{self.said}."
