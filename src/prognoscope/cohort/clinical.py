"""Clinical tables -> Outcome in months with event = True when observed, covariates and sites.

This is the one place where a `censored` column is flipped and where days and years become months.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.cohort.columns import need_column, one_row_a_patient, patient_ids
from prognoscope.cohort.covariate_columns import (
    alike_levels,
    check_levels,
    join_covariates,
    read_covariates,
    words_taken_as_missing,
)
from prognoscope.cohort.follow_up import COMMA, Times, one_sided, other_times, rates_moved, read_times
from prognoscope.cohort.slides import slide_name
from prognoscope.cohort.status import read_competing, read_status
from prognoscope.cohort.time_units import in_months, odd_times, refuse_two_units, refuse_units_between_tables
from prognoscope.core.errors import CohortError, some
from prognoscope.core.ids import BARCODE, FORMULAS, refuse_twins
from prognoscope.core.outcome import Outcome
from prognoscope.core.tables import as_text, notes_of, read_table


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
    warnings: tuple[str, ...] = ()  # what may spoil a result
    one_sided: str = ""  # why those with follow-up do not stand for all, where it may be lacking


def read_clinical(
    spec: ClinicalSpec | Sequence[ClinicalSpec], *, needs_event: bool = True, may_lack: bool = False
) -> ClinicalTable:
    """The follow-up of all patients in the tables of one cohort.

    Args:
        needs_event: Refuse a cohort in which nobody has an event; False for patients who are only predicted.
        may_lack: Leave out whoever has no follow-up, for patients who are predicted all the same.

    Raises:
        MissingFileError: A table is not there.
        CohortError: A column is missing; a patient is in two rows or tables; a time is negative, missing, infinite or
            zero; a status is neither observed nor censored; two units of time; nobody has an event.
    """
    specs = [spec] if isinstance(spec, ClinicalSpec) else list(spec)
    tables = [(path, _read(path, each, "The clinical table"), each) for each in specs for path in each.table]
    parts = [_part_of(*each, may_lack=may_lack) for each in tables]
    return join_clinical(parts, needs_event=needs_event)


def _part_of(path: str, table: pd.DataFrame, spec: ClinicalSpec, *, may_lack: bool = False) -> ClinicalTable:
    part = parse_clinical(table, spec, path, may_lack=may_lack)
    return replace(part, notes=(*notes_of(table), *part.notes))


def read_endpoints(spec: ClinicalSpec) -> dict[str, ClinicalTable]:
    """The follow-up of each of several endpoints, of the patients who have it; each table is read once.

    Raises:
        MissingFileError, CohortError: As `read_clinical`; the message names the endpoint.
    """
    tables = {path: _read(path, spec, "The clinical table") for path in spec.table}
    found = {}
    for name in spec.endpoints:
        try:
            found[name] = join_clinical([_part_of(path, table, spec.of(name)) for path, table in tables.items()])
        except CohortError as cause:
            raise CohortError(f"Endpoint {name}: {cause}") from cause
    return found


def anybody(tables: Mapping[str, ClinicalTable]) -> ClinicalTable:
    """Everybody who has any of the endpoints, each with the follow-up of the first one that they have."""
    first, *others = tables.values()
    for each in others:
        new = np.array([i for i, p in enumerate(each.outcome.patients) if p in first.dropped], dtype=np.int64)
        more = each.outcome.take(new)
        first = replace(
            first,
            outcome=Outcome.joined([first.outcome, more]),
            covariates=pd.concat([first.covariates, each.covariates.loc[list(more.patients)]]),
            site=each.site | first.site,
            dropped={p: why for p, why in first.dropped.items() if p not in set(more.patients)},
        )
    return first


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
    refuse_twins(known, some(source for part in parts for source in part.sources))
    refuse_units_between_tables({some(part.sources): part.outcome.time for part in parts})
    outcome = Outcome.joined([part.outcome for part in parts])
    sources = tuple(source for part in parts for source in part.sources)
    covariates = join_covariates([part.covariates for part in parts], [some(part.sources) for part in parts])
    warnings = [warning for part in parts for warning in part.warnings]
    if computed := [patient for patient in outcome.patients if patient.startswith(FORMULAS)]:
        warnings.append(
            f"Spreadsheets take ids that begin with =, +, - or @ for formulas: {some(computed)}. Rename these "
            "patients, or import the tables of the run as text."
        )
    if needs_event:
        warnings += check_levels(covariates, some(Path(source).name for source in sources))
    if needs_event and not outcome.event.any():
        raise CohortError(
            f"None of the {len(outcome)} patients in {some(sources)} has an event, so nothing can be learned. "
            "Check which of event (1 = observed) and censored (1 = censored) the column is."
        )
    return ClinicalTable(
        outcome=outcome,
        covariates=covariates,
        site={p: s for part in parts for p, s in part.site.items()},
        slides={p: s for part in parts for p, s in part.slides.items()},
        sources=sources,
        dropped={p: why for part in parts for p, why in part.dropped.items()},
        dropped_events=sum(part.dropped_events for part in parts),
        notes=tuple(note for part in parts for note in part.notes),
        warnings=tuple(warnings),
        one_sided=" ".join(part.one_sided for part in parts if part.one_sided),
    )


def parse_clinical(
    table: pd.DataFrame, spec: ClinicalSpec, source: str = "The clinical table", *, may_lack: bool = False
) -> ClinicalTable:
    """The content of one table; that somebody has an event is left to `join_clinical`.

    Args:
        may_lack: See `read_clinical`.

    Raises:
        CohortError: As `read_clinical`.
    """
    told, unit = spec.need_follow_up()
    columns = told.times
    wanted = [*columns, told.status, *spec.covariates, *([] if spec.site is None else [spec.site])]
    for name in wanted:
        need_column(table, name, source)
    rows = one_row_a_patient(table, spec.patient, wanted, source, slide=spec.slide)
    event = read_status(
        rows,
        told.status,
        source,
        says_censored=told.event is None,
        event_values=told.event_values,
        censored_values=told.censored_values,
        competing_values=told.competing_values,
    )
    competing = read_competing(rows, told.status, source, told.competing_values, may_lack=may_lack)
    times = read_times(rows, columns, event, source)
    for name in columns:
        refuse_two_units(table, rows, name, unit, source)
    why = _why_unusable(times, event, rows, told.status)
    unfair = one_sided(event, list(why.values())) if any(why.values()) else ""
    _refuse_unusable(table, rows, why, unfair, spec, source, may_lack=may_lack)
    kept = np.array([not reason for reason in why.values()], dtype=bool)
    months = in_months(times.number, unit)
    site, notes, odd = _sites(rows[kept], spec)
    short = Path(source).name  # an account must not depend on where the files are
    used = [name for name in wanted if name != spec.site]
    return ClinicalTable(
        outcome=Outcome(
            tuple(rows.index[kept]),
            months[kept],
            np.array([e for e, keep in zip(event, kept, strict=True) if keep], dtype=bool),
            None if competing is None else competing[kept],
        ),
        covariates=read_covariates(rows[kept], spec.covariates, source, spec.categories),
        site=site,
        slides=_slides(table, spec, source),
        sources=(source,),
        dropped={patient: reason for patient, reason in why.items() if reason},
        dropped_events=sum(bool(e) for e, keep in zip(event, kept, strict=True) if not keep),
        notes=(*_notes(table, rows, spec, source), *notes, *words_taken_as_missing(rows, used, short)),
        warnings=(
            *(warning.replace(source, short, 1) for warning in times.warnings),
            *rates_moved(event, list(why.values()), short),
            *(f"{short}: {each}" for each in odd),
            *odd_times(dict(zip(rows.index[kept], months[kept], strict=True)), short),
        ),
        one_sided=unfair,
    )


def _is_gap(reason: str) -> bool:
    """Whether nothing is given, rather than something that cannot be."""
    return reason.endswith("missing") or reason.startswith("no ")


def _why_unusable(times: Times, event: Sequence[bool | None], rows: pd.DataFrame, status: str) -> dict[str, str]:
    """What is wrong with the follow-up of each patient; "" where nothing is."""
    why = {}
    for patient, complaint, is_event in zip(rows.index, times.complaints, event, strict=True):
        given = rows.at[patient, status]
        word = f": {given.strip()}" if isinstance(given, str) and given.strip() else ""
        why[patient] = complaint or ("" if is_event is not None else f"no {status}{word}")
    return why


def _refuse_unusable(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    why: Mapping[str, str],
    unfair: str,
    spec: ClinicalSpec,
    source: str,
    *,
    may_lack: bool,
) -> None:
    """Nothing, where all follow-up can be used, or those without it can be left out and the study says so.

    Args:
        why: What is wrong with each patient; "" where nothing is.
        unfair: Why those without usable follow-up cannot be left out; "" where they can.

    Raises:
        CohortError: It cannot; names patients and rows, and offers to leave them out only where that is fair.
    """
    bad = {patient: reason for patient, reason in why.items() if reason}
    are_most = 2 * len(bad) > len(why)
    can_leave_out = may_lack or (not unfair and len(bad) < len(why))
    if not bad or (spec.bad_time == "drop" and can_leave_out):
        return
    if can_leave_out and (may_lack or spec.endpoints):  # whoever has no DSS may well have an OS
        bad = {patient: reason for patient, reason in bad.items() if not _is_gap(reason)}
        if not bad:
            return
    named = some(f"{patient} in row {rows.at[patient, 'row']} ({reason})" for patient, reason in bad.items())
    columns, status = spec.followed.times, spec.followed.status
    is_time = any(name in reason for reason in bad.values() for name in columns)
    wrong = columns[0] if is_time and len(columns) == 1 else list(columns) if is_time else repr(status)
    told = f"{source}: the follow-up of {len(bad)} patients cannot be used: {named}."
    if commas := [reason for reason in bad.values() if reason.endswith(COMMA)]:
        told += f" {len(commas)} have a decimal comma: save the table with decimal points."
    if may_lack:
        raise CohortError(f"{told} Correct the column {wrong}, or empty these fields: such patients are not measured.")
    if not unfair:
        cure = "." if are_most else ", or leave such patients out with bad_time: drop."
        raise CohortError(f"{told} Correct the column {wrong}{cure}")
    lacking = {patient: reason for patient, reason in bad.items() if reason.endswith(("missing", "zero"))}
    others = other_times(table, patient_ids(table, spec.patient, source), lacking, columns) if lacking else []
    if others:
        cure = f"Their times are in another column: time: [{', '.join((*columns, others[0]))}]."
    elif is_time:
        cure = "Give their times; those of last follow-up are often in another column, and time takes a list, such as "
        cure += "time: [days_to_death, days_to_last_follow_up]."
    else:
        cure = f"Fill in {status}; if an empty field means censored, write so."
    raise CohortError(f"{told} {unfair} {cure}")


def _read(path: str, spec: ClinicalSpec, what: str) -> pd.DataFrame:
    """The table with ids and sites as text, so that 007 and 7 are two."""
    return read_table(path, what, text=[name for name in (spec.patient, spec.site, spec.slide) if name])


def without_follow_up(spec: ClinicalSpec) -> ClinicalTable:
    """Patients who are only to be predicted: their times are zero and censored, which no prediction looks at.

    Raises:
        MissingFileError: A table is not there.
        CohortError: A column is missing, or a patient is in two rows.
    """
    parts, notes, slides = [], [], dict[str, tuple[str, ...]]()
    for path in spec.table:
        table = _read(path, spec, "The table of patients")
        rows = one_row_a_patient(table, spec.patient, spec.covariates, path, slide=spec.slide)
        parts.append(read_covariates(rows, spec.covariates, path, spec.categories))
        notes += words_taken_as_missing(rows, spec.covariates, Path(path).name)
        slides |= _slides(table, spec, path)
    everybody = join_covariates(parts, spec.table)
    if twice := sorted(set(everybody.index[everybody.index.duplicated()])):
        raise CohortError(f"{len(twice)} patients are in two tables: {some(twice)}. Leave each in one.")
    refuse_twins(everybody.index, some(spec.table))
    n = len(everybody)
    outcome = Outcome(tuple(everybody.index), np.zeros(n), np.zeros(n, dtype=bool))
    return ClinicalTable(outcome, everybody, {}, slides, spec.table, notes=tuple(notes))


def only_ids(patients: Sequence[str]) -> ClinicalTable:
    """Patients of whom nothing is known but their names, who are only to be predicted.

    Raises:
        CohortError: Two of the names are most likely one.
    """
    refuse_twins(patients, "The new patients")
    n = len(patients)
    outcome = Outcome(tuple(patients), np.zeros(n), np.zeros(n, dtype=bool))
    return ClinicalTable(outcome, pd.DataFrame(index=pd.Index(patients, name="patient_id")), {}, {}, ("the files",))


def _sites(rows: pd.DataFrame, spec: ClinicalSpec) -> tuple[dict[str, str], list[str], list[str]]:
    """The site of each patient, notes, and warnings. A barcode restores one where sites are those of barcodes."""
    barcodes = {p: match[1] for p in rows.index if (match := BARCODE.match(p))}
    if spec.site is None:
        return (barcodes, [], []) if len(barcodes) == len(rows) else ({}, [], [])
    given = {patient: site for patient, site in as_text(rows[spec.site]).items() if site is not None}
    as_in_barcodes = all(site.zfill(2) == barcodes.get(patient, site.zfill(2)) for patient, site in given.items())
    lost = [p for p in barcodes if given.get(p) != barcodes[p]] if as_in_barcodes else []  # spreadsheets turn 05 into 5
    notes = [f"The {spec.site} of {len(lost)} patients was restored from their barcode."] if lost else []
    sites = given | {patient: barcodes[patient] for patient in lost}
    alike = alike_levels(Counter(sites.values()))
    named = some(" and ".join(map(repr, each)) for each in alike)
    odd = (
        f"names of {spec.site} differ in case or blanks only, and count as different sites: {named}. Write them alike."
    )
    return {p: sites[p] for p in rows.index if p in sites}, notes, [odd] if alike else []


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


def _notes(table: pd.DataFrame, rows: pd.DataFrame, spec: ClinicalSpec, source: str) -> list[str]:
    notes = []
    ids = as_text(table[spec.patient])
    source = Path(source).name  # an account must not depend on where the files are
    if samples := int((~ids.isin(set(rows.index))).sum()):
        notes.append(f"{source}: {samples} rows have the barcode of a sample, and were given to its patient.")
    if spec.slide not in table and (again := len(table) - len(rows)):
        notes.append(f"{source}: {again} rows repeat those of the same patients in all columns used, and count once.")
    told = spec.followed
    if told.event_values is None and told.censored_values is None and told.censored is not None:
        notes.append(f"{source}: {told.censored} 1 means censored; it was turned into event = 0.")
    if told.time_unit != "months":
        notes.append(f"{source}: {', '.join(told.times)} was converted from {told.time_unit} to months.")
    return notes
