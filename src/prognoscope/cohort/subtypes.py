"""Subtype labels from a table of their own; a patient without one stays, with the subtype unknown."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.cohort.columns import PATIENT_NAMES, guess_column, one_row_a_patient
from prognoscope.cohort.time_units import TimeUnit, in_months, refuse_units_between_patients
from prognoscope.core.errors import CohortError, some
from prognoscope.core.ids import match_ids
from prognoscope.core.outcome import Outcome
from prognoscope.core.tables import as_text, notes_of, read_table

SAME_MONTHS = 0.05  # months; rounding of tables, days converted


@dataclass(frozen=True, slots=True)
class Subtypes:
    """The labels in a table."""

    labels: dict[str, str]  # patients whose subtype is known, as text: "1", "IDC"
    source: str = "The subtype table"
    months: pd.Series | None = None  # index patient; of tables that tell the time too
    notes: tuple[str, ...] = field(default=())

    def of(self, patients: Collection[str]) -> tuple["Subtypes", tuple[str, ...]]:
        """The same with the ids of these patients, and warnings on ids that were written in another way.

        Raises:
            CohortError: Two ids are of one patient.
        """
        matched = match_ids(patients, self.labels, Path(self.source).name, one_each=True)
        names = {name: matched.patient_of.get(name, name) for name in self.labels}
        labels = {names[name]: label for name, label in self.labels.items()}
        months = None if self.months is None else self.months.rename(index=names)
        return replace(self, labels=labels, months=months), matched.warnings


def read_subtypes(
    path: Path | str,
    *,
    column: str,
    patient: str | None = None,
    time: str | None = None,
    time_unit: TimeUnit = "months",
    slide: str = "slide_id",
) -> Subtypes:
    """The subtype of each patient.

    Args:
        column: Of the labels; whole numbers become text, "1".
        patient: Of the ids; by default one named patient_id, case_id or alike.
        time: Of the follow-up, if the table has it too: compared with the clinical table's, never used.

    Raises:
        MissingFileError: The table is not there.
        CohortError: A column is missing, or a patient is in two rows of a table without slides.
    """
    return parse_subtypes(
        read_table(path, "The subtype table"), str(path), column, patient, time=time, time_unit=time_unit, slide=slide
    )


def parse_subtypes(
    table: pd.DataFrame,
    source: str,
    column: str,
    patient: str | None = None,
    *,
    time: str | None = None,
    time_unit: TimeUnit = "months",
    slide: str = "slide_id",
) -> Subtypes:
    """As `read_subtypes`, from a table in memory."""
    if patient is None or (patient not in table and patient == PATIENT_NAMES[0]):  # the default of the study file
        patient = guess_column(table, PATIENT_NAMES, source, "patient")
    wanted = [column] if time is None else [column, time]
    rows = one_row_a_patient(table, patient, wanted, source, slide=slide)
    labels = as_text(rows[column])
    unknown = list(labels.index[labels.isna()])
    gap = f"{Path(source).name} leaves the {column} of {len(unknown)} patients open: {some(unknown)}."
    notes = (*notes_of(table), *([gap] if unknown else []))
    months = None
    if time is not None:
        number = pd.to_numeric(rows[time], errors="coerce").to_numpy(np.float64)
        months = pd.Series(in_months(number, time_unit), index=rows.index)
    known = labels.dropna()
    if not len(known):
        raise CohortError(f"{source} has no value in {column!r}. Name the column of the subtypes.")
    return Subtypes(dict(zip(known.index, known, strict=True)), source, months, notes)


def check_follow_up(outcome: Outcome, subtypes: Subtypes, source: str) -> tuple[str, ...]:
    """Compare the times of the subtypes' table with those of the cohort: a sentence on those that differ.

    Raises:
        CohortError: They differ by a unit.
    """
    if subtypes.months is None:
        return ()
    months = pd.Series(outcome.time, index=list(outcome.patients))
    refuse_units_between_patients(months, subtypes.months, source, subtypes.source)
    common = months.index.intersection(subtypes.months.index)
    differ = common[~np.isclose(months[common], subtypes.months[common], rtol=0, atol=SAME_MONTHS)]
    if not len(differ):
        return ()
    return (
        f"{len(differ)} of {len(common)} patients have another time in {Path(subtypes.source).name}: {some(differ)}. "
        "The clinical table's is used.",
    )
