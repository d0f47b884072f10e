"""Clinical tables -> Outcome in months with event = True when observed, covariates and sites.

This is the one place where a `censored` column is flipped and where days and years become months.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from prognoscope.cohort.columns import BARCODE, need_column, one_row_a_patient, patient_ids
from prognoscope.cohort.slides import slide_name
from prognoscope.cohort.time_units import TimeUnit, in_months, refuse_two_units, refuse_units_between_tables
from prognoscope.core.errors import CohortError, some
from prognoscope.core.outcome import Outcome
from prognoscope.core.settings import FilePaths, Names, settle
from prognoscope.core.tables import as_text, notes_of, read_table

OBSERVED, NOT_OBSERVED = frozenset({"1", "true"}), frozenset({"0", "false"})


@dataclass(frozen=True, slots=True)
class ClinicalSpec:
    """Follow-up and covariates: one table, or several of the same columns.

    A table with the column `slide` (MCAT's) holds one row a slide, any other one row a patient.
    """

    table: FilePaths
    patient: str = "patient_id"
    time: str | None = None  # this and what follows may be left out of patients who are only predicted
    time_unit: TimeUnit | None = None
    event: str | None = None  # 1 = observed; give this one or `censored`
    censored: str | None = None  # 1 = censored
    event_values: Names | None = None  # words that mean observed, where it is not 1 or true
    censored_values: Names | None = None  # words that mean censored; by default the only other word
    covariates: Names = ()
    site: str | None = None  # by default the tissue source site of TCGA barcodes, if all patients have one
    bad_time: Literal["refuse", "drop"] = "refuse"  # a time, or a status, that is missing or impossible
    slide: str = "slide_id"

    def __post_init__(self):
        settle(self, CohortError)
        if self.event is not None and self.censored is not None:
            raise CohortError("give either event (1 = observed) or censored (1 = censored), not both")
        outcome = {self.time, self.event, self.censored, self.patient} - {None}
        if leak := [name for name in self.covariates if name in outcome]:
            raise CohortError(f"{leak[0]!r} tells the outcome, so it cannot be a covariate. Remove it from covariates.")

    @property
    def status(self) -> str:
        """The column that says whether the event was observed."""
        return self.event or self.censored or ""

    @property
    def not_genes(self) -> tuple[str, ...]:
        """Columns that tell the outcome or a covariate, so that none of them becomes a gene."""
        named = (self.time, self.event, self.censored, self.site, *self.covariates)
        return tuple(name for name in named if name is not None)

    def follow_up(self) -> tuple[str, TimeUnit]:
        """The column of times, and its unit.

        Raises:
            CohortError: They are not given, or no column of events is.
        """
        given = {"time": self.time, "time_unit": self.time_unit, "event or censored": self.status or None}
        if self.time is None or self.time_unit is None or not self.status:
            absent = some(name for name, value in given.items() if value is None)
            raise CohortError(
                "In the study, cohort.clinical needs time, time_unit, and event or censored: add "
                f"{absent}. Only `prognoscope predict` does without."
            )
        return self.time, self.time_unit


@dataclass(frozen=True, slots=True)
class ClinicalTable:
    """What the clinical tables say, patients in the order of their rows."""

    outcome: Outcome  # of patients whose follow-up can be used
    covariates: pd.DataFrame  # index patient; numbers as float, categories as text; without columns if none
    site: dict[str, str]  # patients whose site is known
    slides: dict[str, tuple[str, ...]]  # of tables with one row a slide; otherwise empty
    sources: tuple[str, ...]  # names of the files
    dropped: dict[str, str] = field(default_factory=dict)  # patient -> reason; only with bad_time="drop"
    dropped_events: int = 0
    notes: tuple[str, ...] = ()  # what was converted, in sentences


def read_clinical(spec: ClinicalSpec | Sequence[ClinicalSpec], *, needs_event: bool = True) -> ClinicalTable:
    """The follow-up of all patients in the tables of one cohort.

    Args:
        needs_event: Refuse a cohort in which nobody has an event; False for patients who are only predicted.

    Raises:
        MissingFileError: A table is not there.
        CohortError: A column is missing; a patient is in two rows or tables; a time is negative, missing, infinite or
            zero; a status is neither observed nor censored; two units of time; nobody has an event.
    """
    specs = [spec] if isinstance(spec, ClinicalSpec) else list(spec)
    parts = [_read_part(path, each) for each in specs for path in each.table]
    return join_clinical(parts, needs_event=needs_event)


def _read_part(path: str, spec: ClinicalSpec) -> ClinicalTable:
    table = read_table(path, "The clinical table")
    part = parse_clinical(table, spec, path)
    return replace(part, notes=(*notes_of(table), *part.notes))


def join_clinical(parts: Sequence[ClinicalTable], *, needs_event: bool = True) -> ClinicalTable:
    """Several tables as one; covariates that only some of them have are missing in the others.

    Raises:
        CohortError: A patient is in two tables, two tables have different units of time, or nobody has an event.
    """
    known: dict[str, str] = {}
    for part in parts:
        source = some(part.sources)
        if twice := [p for p in (*part.outcome.patients, *part.dropped) if p in known]:
            raise CohortError(
                f"{len(twice)} patients of {known[twice[0]]} are also in {source}: {some(twice)}. "
                "Leave each patient in one table."
            )
        known.update(dict.fromkeys((*part.outcome.patients, *part.dropped), source))
    refuse_units_between_tables({some(part.sources): part.outcome.time for part in parts})
    outcome = Outcome(
        tuple(p for part in parts for p in part.outcome.patients),
        np.concatenate([part.outcome.time for part in parts]),
        np.concatenate([part.outcome.event for part in parts]),
    )
    sources = tuple(source for part in parts for source in part.sources)
    if needs_event and not outcome.event.any():
        raise CohortError(
            f"None of the {len(outcome)} patients in {some(sources)} has an event, so nothing can be learned. "
            "Check which of event (1 = observed) and censored (1 = censored) the column is."
        )
    return ClinicalTable(
        outcome=outcome,
        covariates=_joined([part.covariates for part in parts]),
        site={p: s for part in parts for p, s in part.site.items()},
        slides={p: s for part in parts for p, s in part.slides.items()},
        sources=sources,
        dropped={p: why for part in parts for p, why in part.dropped.items()},
        dropped_events=sum(part.dropped_events for part in parts),
        notes=tuple(note for part in parts for note in part.notes),
    )


def parse_clinical(table: pd.DataFrame, spec: ClinicalSpec, source: str = "The clinical table") -> ClinicalTable:
    """The content of one table; that somebody has an event is left to `join_clinical`.

    Raises:
        CohortError: As `read_clinical`.
    """
    time, unit = spec.follow_up()
    wanted = [time, spec.status, *spec.covariates, *([] if spec.site is None else [spec.site])]
    for name in wanted:
        need_column(table, name, source)
    rows = one_row_a_patient(table, spec.patient, wanted, source, slide=spec.slide)
    number = pd.to_numeric(rows[time], errors="coerce").to_numpy(np.float64)
    refuse_two_units(table, time, unit, number, source)
    event = _event(rows, spec, source)
    why = {p: reason for p, reason in zip(rows.index, _complaints(rows[time], number), strict=True) if reason}
    why.update({p: f"no {spec.status}" for p, e in zip(rows.index, event, strict=True) if e is None and p not in why})
    if why and spec.bad_time == "refuse":
        named = some(f"{p} in row {rows.at[p, 'row']} ({reason})" for p, reason in why.items())
        raise CohortError(
            f"{source}: the follow-up of {len(why)} patients cannot be used: {named}. Correct the column "
            f"{time if any(time in r for r in why.values()) else spec.status!r}, "
            "or leave such patients out with bad_time: drop."
        )
    kept = np.array([p not in why for p in rows.index])
    site, notes = _sites(rows[kept], spec)
    return ClinicalTable(
        outcome=Outcome(
            tuple(rows.index[kept]),
            in_months(number[kept], unit),
            np.array([e for e, keep in zip(event, kept, strict=True) if keep], dtype=bool),
        ),
        covariates=pd.DataFrame(
            {name: _covariate(rows.loc[kept, name], source) for name in spec.covariates}, index=rows.index[kept]
        ),
        site=site,
        slides=_slides(table, spec, source),
        sources=(source,),
        dropped=why,
        dropped_events=sum(bool(e) for e, keep in zip(event, kept, strict=True) if not keep),
        notes=(*_notes(spec, source), *notes),
    )


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all tables; a column that is text in one of them is text in all."""
    words = {name for table in tables for name in table.columns if table[name].dtype == object}
    alike = [table.assign(**{name: as_text(table[name]) for name in words & set(table.columns)}) for table in tables]
    return pd.concat(alike)


def without_follow_up(spec: ClinicalSpec) -> ClinicalTable:
    """Patients who are only to be predicted: their times are zero and censored, which no prediction looks at.

    Raises:
        MissingFileError: A table is not there.
        CohortError: A column is missing, or a patient is in two rows.
    """
    parts = []
    for path in spec.table:
        table = read_table(path, "The table of patients")
        rows = one_row_a_patient(table, spec.patient, spec.covariates, path, slide=spec.slide)
        parts.append(pd.DataFrame({name: _covariate(rows[name], path) for name in spec.covariates}, index=rows.index))
    everybody = pd.concat(parts)
    if twice := sorted(set(everybody.index[everybody.index.duplicated()])):
        raise CohortError(f"{len(twice)} patients are in two tables: {some(twice)}. Leave each in one.")
    n = len(everybody)
    outcome = Outcome(tuple(everybody.index), np.zeros(n), np.zeros(n, dtype=bool))
    return ClinicalTable(outcome, everybody, {}, {}, spec.table)


def _complaints(column: pd.Series, number: np.ndarray) -> list[str]:
    complaints = []
    for text, value in zip(as_text(column), number, strict=True):
        if text is None:
            complaints.append(f"{column.name} is missing")
        elif np.isnan(value):
            complaints.append(f"{column.name} {text!r} is not a number")
        elif np.isinf(value):
            complaints.append(f"{column.name} is infinite")
        elif value <= 0:
            complaints.append(f"{column.name} {value:g} is {'zero' if value == 0 else 'negative'}")
        else:
            complaints.append("")
    return complaints


def _event(rows: pd.DataFrame, spec: ClinicalSpec, source: str) -> list[bool | None]:
    """Whether the event was observed, patient by patient; None where the table does not say."""
    words = as_text(rows[spec.status]).str.lower()
    if spec.event_values is None and spec.censored_values is None:
        observed, censored = (OBSERVED, NOT_OBSERVED) if spec.event is not None else (NOT_OBSERVED, OBSERVED)
    else:
        observed = frozenset(str(word).lower() for word in spec.event_values or ())
        censored = frozenset(str(word).lower() for word in spec.censored_values or ())
        others = frozenset(words.dropna()) - observed - censored
        if len(others) == 1:  # "Dead" alone is named, and all the rest say "Alive"
            observed, censored = (observed or others, censored or others)
    for patient, row, word, given in zip(rows.index, rows["row"], words, rows[spec.status], strict=True):
        if word is not None and word not in observed and word not in censored:
            raise CohortError(
                f"{source}: {spec.status} of {patient} in row {row} is {given!r}, which is neither observed "
                f"({some(sorted(observed)) or 'none named'}) nor censored ({some(sorted(censored)) or 'none named'}). "
                "Correct it, or say with event_values which words mean that the event was observed."
            )
    return [None if word is None else word in observed for word in words]


def _covariate(column: pd.Series, source: str) -> pd.Series:
    """Numbers where every known value is one, otherwise text with None where missing."""
    text = as_text(column)
    if column.dtype == bool or set(text.dropna().str.lower()) <= {"true", "false"}:
        text = text.str.lower().map({"true": "1", "false": "0"})
    number = pd.to_numeric(text, errors="coerce")
    if (number.isna() & text.notna()).any():
        return text
    if np.isinf(number).any():
        raise CohortError(f"{source}: {column.name} of {some(column.index[np.isinf(number)])} is infinite. Correct it.")
    return number.astype(np.float64)


def _sites(rows: pd.DataFrame, spec: ClinicalSpec) -> tuple[dict[str, str], list[str]]:
    barcodes = {p: match[1] for p in rows.index if (match := BARCODE.match(p))}
    if spec.site is None:
        return (barcodes, []) if len(barcodes) == len(rows) else ({}, [])
    sites, restored = {}, 0
    for patient, site in as_text(rows[spec.site]).items():
        from_barcode = barcodes.get(patient)
        if from_barcode is not None and (site is None or (site != from_barcode and site.zfill(2) == from_barcode)):
            site, restored = from_barcode, restored + 1  # spreadsheets turn 05 into 5
        if site is not None:
            sites[patient] = site
    return sites, [f"The {spec.site} of {restored} patients was restored from their barcode."] if restored else []


def _slides(table: pd.DataFrame, spec: ClinicalSpec, source: str) -> dict[str, tuple[str, ...]]:
    if spec.slide not in table:
        return {}
    slides: dict[str, list[str]] = {}
    for patient, slide in zip(patient_ids(table, spec.patient, source), as_text(table[spec.slide]), strict=True):
        slides.setdefault(patient, []).extend([] if slide is None else [slide_name(slide)])
    every = pd.Series([slide for each in slides.values() for slide in each], dtype=object)
    if every.duplicated().any():
        raise CohortError(f"{source} names slides twice: {some(every[every.duplicated()])}. Remove these rows.")
    return {patient: tuple(sorted(each)) for patient, each in slides.items()}


def _notes(spec: ClinicalSpec, source: str) -> list[str]:
    notes = []
    source = Path(source).name  # an account must not depend on where the files are
    if spec.event_values is None and spec.censored_values is None and spec.censored is not None:
        notes.append(f"{source}: {spec.censored} 1 means censored; it was turned into event = 0.")
    if spec.time_unit != "months":
        notes.append(f"{source}: {spec.time} was converted from {spec.time_unit} to months.")
    return notes
