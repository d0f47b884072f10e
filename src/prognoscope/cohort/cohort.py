"""A cohort: patients with their follow-up, slides, genes, covariates and subtype, and the account of who lacks what."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.cohort.account import Account, Step
from prognoscope.cohort.clinical import ClinicalTable
from prognoscope.cohort.slides import SlideAssignment
from prognoscope.cohort.subtypes import Subtypes, check_follow_up
from prognoscope.core.errors import CohortError, nearest, some
from prognoscope.core.ids import is_normal, match_ids, person_in
from prognoscope.core.outcome import Outcome
from prognoscope.core.words import WITH_FOLLOW_UP
from prognoscope.omics.tables import OmicsTable

WORDS = {"bag": "slides", "omics": "genes", "clinical": "covariates"}  # what `needing` is asked for


@dataclass(frozen=True, slots=True)
class Cohort:
    """Patients and all that is known of them; a patient may lack anything but the outcome."""

    name: str
    outcome: Outcome
    slides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of patients who have some
    omics: OmicsTable | None = None
    groups: Mapping[str, tuple[str, ...]] | None = None  # gene group -> genes; None: one group of all
    covariates: pd.DataFrame | None = None  # index patient
    subtype: Mapping[str, str] = field(default_factory=dict)  # of patients whose subtype is known
    site: Mapping[str, str] = field(default_factory=dict)  # of patients whose hospital is known
    account: Account = field(default_factory=Account)

    def __post_init__(self):
        if twice := [patient for patient, n in Counter(self.patients).items() if n > 1]:
            raise CohortError(f"{len(twice)} patients are in the cohort twice: {some(twice)}. Leave one of each.")

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def patients(self) -> tuple[str, ...]:
        """Who is in it."""
        return self.outcome.patients

    def take(self, patients: Sequence[str]) -> "Cohort":
        """These patients in this order, with the same account.

        Raises:
            CohortError: Some are not in the cohort.
        """
        place = {patient: i for i, patient in enumerate(self.patients)}
        if strange := [patient for patient in patients if patient not in place]:
            raise CohortError(f"{len(strange)} patients are not in the cohort {self.name}: {some(strange)}.")
        kept = set(patients)
        return replace(
            self,
            outcome=self.outcome.take(np.array([place[patient] for patient in patients], dtype=np.int64)),
            slides={p: s for p, s in self.slides.items() if p in kept},
            subtype={p: s for p, s in self.subtype.items() if p in kept},
            site={p: s for p, s in self.site.items() if p in kept},
        )

    def without(self, dropped: Mapping[str, str], step: str) -> "Cohort":
        """The cohort without these patients, the account extended by this step and their reasons.

        Raises:
            CohortError: Nobody is left.
        """
        left = self.take([p for p in self.patients if p not in dropped])
        here = {p: why for p, why in dropped.items() if p in set(self.patients)}
        if not len(left):
            raise CohortError(
                f"After the step {step!r}, none of the {len(self)} patients of {self.name} is left: "
                f"{some(f'{p} {why}'.strip() for p, why in here.items())}. Give the missing data."
            )
        return replace(left, account=self.account.then(step, left.outcome, here))

    def told(self, notes: Sequence[str] = (), warnings: Sequence[str] = ()) -> "Cohort":
        """The same with more notes and warnings in its account."""
        notes, warnings = (*self.account.notes, *notes), (*self.account.warnings, *warnings)
        return replace(self, account=replace(self.account, notes=notes, warnings=warnings))

    def having(self, what: str) -> set[str]:
        """The patients who have "bag", "omics" or "clinical": a slide, a row of genes, a covariate that is known.

        Raises:
            CohortError: There is no such word.
        """
        if what == "bag":
            return {patient for patient in self.patients if self.slides.get(patient)}
        if what == "omics":
            return set() if self.omics is None else set(self.patients) & _with_values(self.omics.values)
        if what == "clinical":
            return set() if self.covariates is None else set(self.patients) & _with_values(self.covariates)
        raise CohortError(f"A patient cannot have {what!r}; {nearest(what, WORDS)}")

    def needing(self, needs: Iterable[str]) -> "Cohort":
        """The patients who have all of `needs` (of "bag", "omics", "clinical"), the account extended by a step each.

        Raises:
            CohortError: Nobody has it all; the message shows ids of both sides, which often differ in form only.
        """
        left = self
        for what in sorted(set(needs)):
            has = left.having(what)
            if not has:
                raise CohortError(
                    f"None of the {len(left)} patients of {self.name} has {WORDS[what]}. {self._hint(what)}"
                )
            lacking = {patient: "" for patient in left.patients if patient not in has}
            left = left.without(lacking, f"with {WORDS[what]}")
        return left

    def able(self, needs: Iterable[str]) -> set[str]:
        """The patients who have all of `needs`."""
        return set(self.patients).intersection(*(self.having(what) for what in needs))

    def needing_any(self, alternatives: Iterable[Iterable[str]]) -> "Cohort":
        """The patients who have all of at least one of `alternatives`, the account extended by a step for what all of
        these ask for, and by one for what only some do.

        Raises:
            CohortError: Nobody has all of any.
        """
        asked = {frozenset(needs) for needs in alternatives}
        least = [needs for needs in asked if not any(other < needs for other in asked)]
        common = frozenset.intersection(*least) if least else frozenset()
        left = self.needing(common)
        further = sorted(sorted(needs - common) for needs in least)
        if len(further) < 2:
            return left
        has = set[str]().union(*(left.able(needs) for needs in further))
        lacking = {patient: "" for patient in left.patients if patient not in has}
        words = " or ".join(" and ".join(WORDS[what] for what in needs) for needs in further)
        return left.without(lacking, f"with {words}")

    def _hint(self, what: str) -> str:
        others = {
            "bag": list(self.slides),
            "omics": [] if self.omics is None else list(self.omics.values.index),
            "clinical": [] if self.covariates is None else list(self.covariates.index),
        }[what]
        if what == "clinical" and self.covariates is not None and others:
            return f"All values of {some(self.covariates.columns)} are missing. Fill them in, or name other covariates."
        if not others:
            section = {"bag": "slides or features", "omics": "omics", "clinical": "clinical.covariates"}[what]
            return f"Give cohort.{section} in the study file."
        return f"Ids must be equal: the outcomes have {some(self.patients, 2)}, the {WORDS[what]} {some(others, 2)}."


def make_cohort(
    name: str,
    clinical: ClinicalTable,
    *,
    slides: SlideAssignment | Mapping[str, tuple[str, ...]] | None = None,
    omics: OmicsTable | None = None,
    groups: Mapping[str, tuple[str, ...]] | None = None,
    subtypes: Subtypes | None = None,
) -> Cohort:
    """The patients of the clinical tables, sorted by id, with whatever else there is of them; nobody is left out but
    for unusable follow-up. `Cohort.needing` then asks for what a study needs.

    Args:
        slides: As `assign_slides` gives them, or patient -> bags, such as a table of embeddings has them.

    Raises:
        CohortError: A patient is there twice, or the subtypes' table tells other times.
    """
    outcome = clinical.outcome.take(np.argsort(np.array(clinical.outcome.patients, dtype=object), kind="stable"))
    patients = set(outcome.patients)
    everybody = len(outcome) + len(clinical.dropped)
    events = int(outcome.event.sum()) + clinical.dropped_events
    names = some(Path(source).name for source in clinical.sources)
    account = Account((Step(f"in {names}", everybody, events),), clinical.notes, clinical.warnings)
    account = account.then(WITH_FOLLOW_UP, outcome, clinical.dropped)
    assignment = slides if isinstance(slides, SlideAssignment) else SlideAssignment(dict(slides or {}))
    everyone = (*outcome.patients, *clinical.dropped)
    of_tumours, odd = _without_normals(assignment.slides)
    bags = {p: tuple(of_tumours[p]) for p in outcome.patients if of_tumours.get(p)}
    if slides is not None:
        total = sum(len(bag) for bag in bags.values())
        step = f"{total} slides of {len(bags)} patients"
        account = account.then(step, outcome, notes=assignment.notes, warnings=(*assignment.warnings, *odd))
    if omics is not None:
        omics, odd = _omics_of(omics, everyone)
        step = _joined("genes", patients, set(omics.values.index))
        odd = (*odd, *_of_nobody("genes", outcome.patients, list(omics.values.index)))
        account = account.then(step, outcome, notes=omics.notes, warnings=odd)
    if subtypes is not None:
        subtypes, odd = subtypes.of(everyone)
        notes = (*subtypes.notes, *check_follow_up(outcome, subtypes, some(clinical.sources)))
        odd = (*odd, *_of_nobody("subtypes", outcome.patients, list(subtypes.labels)))
        account = account.then(_joined("subtypes", patients, set(subtypes.labels)), outcome, notes=notes, warnings=odd)
    return Cohort(
        name=name,
        outcome=outcome,
        slides=bags,
        omics=omics,
        groups=groups,
        covariates=clinical.covariates if len(clinical.covariates.columns) else None,
        subtype={p: subtypes.labels[p] for p in outcome.patients if p in subtypes.labels} if subtypes else {},
        site={p: clinical.site[p] for p in outcome.patients if p in clinical.site},
        account=account,
    )


def _without_normals(slides: Mapping[str, Sequence[str]]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Slides of tumours, where barcodes of normal tissue are among them, and a warning on those."""
    normals = [slide for each in slides.values() for slide in each if is_normal(slide)]
    if not normals or len(normals) == sum(map(len, slides.values())):
        return {patient: tuple(each) for patient, each in slides.items()}, ()
    left = {patient: tuple(slide for slide in each if not is_normal(slide)) for patient, each in slides.items()}
    told = f"{len(normals)} slides are of normal tissue by their barcodes, and were left out: {some(normals)}."
    return {patient: each for patient, each in left.items() if each}, (told,)


def _omics_of(omics: OmicsTable, patients: Collection[str]) -> tuple[OmicsTable, tuple[str, ...]]:
    """The same table with the ids of the patients, and warnings on ids that were written in another way."""
    ids = list(omics.values.index)
    matched = match_ids(patients, ids, omics.source, one_each=True)
    named = [matched.patient_of.get(name, name) for name in ids]
    strange = [name not in matched.patient_of and person_in(name) in set(patients) for name in ids]  # normal samples
    values = omics.values.set_axis(pd.Index(named, name=omics.values.index.name))
    return replace(omics, values=values[~np.array(strange, dtype=bool)]), matched.warnings


def _joined(what: str, here: set[str], there: set[str]) -> str:
    return (
        f"{what}: {len(here & there)} patients have them, {len(here - there)} do not (kept so far), "
        f"{len(there - here)} are not in the clinical tables"
    )


def _of_nobody(what: str, patients: Sequence[str], ids: Sequence[str]) -> list[str]:
    """A warning where a table is of none of these patients."""
    if not patients or not ids or not set(patients).isdisjoint(ids):
        return []
    return [
        f"The {what} are of none of the {len(patients)} patients: the outcomes have {some(patients, 2)}, the {what} "
        f"{some(ids, 2)}. If these are the same patients, write their ids alike."
    ]


def _with_values(table: pd.DataFrame) -> set[str]:
    return set(table.index[table.notna().any(axis=1)])
