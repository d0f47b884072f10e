"""Which slides are whose: by a table, or by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from prognoscope.cohort.columns import PATIENT_NAMES, SLIDE_NAMES, need_column
from prognoscope.core.errors import CohortError, some
from prognoscope.core.ids import BARCODE, is_normal, match_ids
from prognoscope.core.resolution import LARGEST_MPP, LEAST_MPP, is_plausible
from prognoscope.core.slide_names import Matches, Parts, distinct_names, match_entries, name_parts, slide_name
from prognoscope.core.tables import as_text, notes_of, plain_name, read_table, row_of
from prognoscope.core.words import count

__all__ = ["SlideAssignment", "SlideTable", "assign_slides", "read_slide_table", "slide_name", "slide_places"]

SAMPLE_TYPE = slice(13, 16)  # of a TCGA barcode: 01Z in TCGA-2F-A9KO-01Z-00-DX1


@dataclass(frozen=True, slots=True)
class SlideAssignment:
    """The bag of each patient, and what is in none."""

    slides: dict[str, tuple[str, ...]]  # patient -> its slides, sorted; only patients who have some
    unassigned: tuple[str, ...] = ()  # slides that belong to no patient of the cohort
    absent: tuple[str, ...] = ()  # slides that the table gives to patients of the cohort, but that are not there
    filtered: tuple[str, ...] = ()  # slides of patients of the cohort, of another sample type
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = ()  # what may spoil a result


@dataclass(frozen=True, slots=True)
class SlideTable:
    """What a table says of slides, as it names them."""

    owners: dict[
        str, str | None
    ]  # slide -> patient; None where the table has no patients, as TRIDENT's lists have none
    mpp: dict[str, float] = field(default_factory=dict)  # slide -> um per pixel of level 0, of slides that have one
    notes: tuple[str, ...] = ()


def read_slide_table(path: Path | str, *, patient: str | None = None, slide: str | None = None) -> SlideTable:
    """Slide -> patient and resolution, from a table with a row a slide.

    Args:
        patient: The column of patients; by default one named patient_id, Case ID or alike.
        slide: The column of slides; by default one named slide_id, File Name or alike.

    Raises:
        MissingFileError: The table is not there.
        CohortError: A column is missing, a slide belongs to two patients, or an mpp is no resolution.
    """
    return _slide_table(read_table(path, "The slide table", text=_named(patient, slide)), str(path), patient, slide)


def slide_places(found: Mapping[str, Path], folder: Path | str) -> dict[str, Parts]:
    """Slide id -> where it lies below a folder, its name last."""
    places = {}
    for slide, path in found.items():
        parts = name_parts(str(path.relative_to(folder)))
        name = slide.rsplit("/", 1)[-1]
        while len(parts) > 1 and parts[-1] != name:  # a slide of many files is named after their folder
            parts = parts[:-1]
        places[slide] = parts
    return places


def assign_slides(
    slides: Iterable[str] | Mapping[str, Parts],
    patients: Sequence[str],
    *,
    table: pd.DataFrame | SlideTable | None = None,
    sample_types: Sequence[str] | None = None,
) -> SlideAssignment:
    """Give each slide to its patient: as the table says, or by name where there is no table.

    By name, a slide is of the patient whose id begins its name, or else is the name of a folder around it.

    Args:
        slides: File names, or ids with the places that `slide_places` gives.
        table: What `read_slide_table` gives, or a table with columns such as slide_id and patient_id. Slides that it
            does not name are unassigned.
        sample_types: Keep only slides of these sample types of TCGA barcodes, such as 01Z; 01 stands for 01Z and 01A.

    Raises:
        CohortError: Slides are there twice, or belong to two patients, an entry of the table may be either of several
            slides, or a slide has no sample type although one is asked for.
    """
    places = dict(sorted((slides if isinstance(slides, Mapping) else _places_of(slides)).items()))
    known = set(patients)
    by_name = _Beginnings(known)
    absent, notes, warnings = [], [], ()
    if table is None:
        owner = {slide: by_name.owner_of(place) for slide, place in places.items()}
        _need_one_of_a_name(places, by_name)
    else:
        told = _slide_table(table, "The slide table", None, None) if isinstance(table, pd.DataFrame) else table
        listed = [patient for patient in told.owners.values() if patient is not None and not is_normal(patient)]
        found = match_ids(patients, listed, "The slide table")
        owners = {entry: found.patient_of.get(str(patient), patient) for entry, patient in told.owners.items()}
        matches, warnings = match_entries(owners, places), found.warnings
        owner = _listed(owners, matches, places, by_name)
        absent = sorted({slide_name(entry) for entry in matches.absent if owners[entry] in known})
        notes = [*told.notes]
    bags: dict[str, list[str]] = {}
    unassigned, filtered = [], []
    for slide, place in places.items():
        patient = owner.get(slide)
        if patient is None or patient not in known:
            unassigned.append(slide)
        elif sample_types is not None and not _sample_type(place[-1]).startswith(tuple(sample_types)):
            filtered.append(slide)
        else:
            bags.setdefault(patient, []).append(slide)
    notes += [
        f"{count(len(which), 'slide')} {what}: {some(which)}."
        for which, what in (
            (unassigned, "of no patient of the cohort"),
            (absent, "of the table not there"),
            (filtered, f"not of sample type {' or '.join(sample_types or ())}"),
        )
        if which
    ]
    ordered = {patient: tuple(bags[patient]) for patient in patients if patient in bags}
    return SlideAssignment(ordered, tuple(unassigned), tuple(absent), tuple(filtered), tuple(notes), warnings)


def _places_of(slides: Iterable[str]) -> dict[str, Parts]:
    places = [name_parts(slide) for slide in slides]
    if twice := sorted({"/".join(place) for place in places if places.count(place) > 1}):
        raise CohortError(f"{len(twice)} slides are there twice: {some(twice)}. Leave one file of each.")
    return {slide: place for place, slide in distinct_names(places).items()}


def _need_one_of_a_name(places: Mapping[str, Parts], by_name: "_Beginnings") -> None:
    """Refuse slides of one name that only folders tell apart which are no patients: copies, or another encoder's."""
    alike: dict[str, list[str]] = {}
    for slide, place in places.items():
        if by_name.begins(place[-1]) is not None:
            alike.setdefault(place[-1], []).append(slide)
    if twice := {name: slides for name, slides in alike.items() if len(slides) > 1}:
        named = some(f"{name} ({some(slides, 3)})" for name, slides in twice.items())
        raise CohortError(
            f"{count(len(twice), 'slide')} of one name in several folders: {named}. Name the folder that is meant, "
            "leave one file of each, or give a table of slide_id, with these folders, and patient_id."
        )


def _listed(
    owners: Mapping[str, str | None], matches: Matches, places: Mapping[str, Parts], by_name: "_Beginnings"
) -> dict[str, str]:
    """Slide -> the patient that a table gives it to.

    Raises:
        CohortError: The table gives one slide to several patients, or does not tell slides of one name apart.
    """
    if matches.unclear:
        named = some(f"{entry} ({some(which, 3)})" for entry, which in matches.unclear.items())
        raise CohortError(
            f"{count(len(matches.unclear), 'entry', 'entries')} of the slide table may each be any of several slides: "
            f"{named}. Write the folder before the name, as these do."
        )
    told: dict[str, set[str]] = {}
    for entry, slide in matches.slides.items():
        if (patient := owners[entry] or by_name.owner_of(places[slide])) is not None:
            told.setdefault(slide, set()).add(patient)
    if twice := {slide: sorted(each) for slide, each in told.items() if len(each) > 1}:
        named = some(f"{slide} ({some(each)})" for slide, each in twice.items())
        raise CohortError(
            f"The slide table gives {count(len(twice), 'slide')} to more than one patient: {named}. Correct its rows."
        )
    return {slide: each.pop() for slide, each in told.items()}


class _Beginnings:
    """Finds the longest patient id that begins a slide's name, as a TCGA barcode does.

    It must end where the name ends, or before a character that is no letter or digit: P1 must not take P10's slides.
    """

    def __init__(self, patients: set[str]):
        self.patients = patients
        self.lengths = sorted({len(patient) for patient in patients}, reverse=True)

    def owner_of(self, place: Parts) -> str | None:
        *folders, name = place
        named = next((folder for folder in reversed(folders) if folder in self.patients), None)
        return self.begins(name) or named

    def begins(self, slide: str) -> str | None:
        for length in self.lengths:
            if slide[:length] in self.patients and not slide[length : length + 1].isalnum():
                return slide[:length]
        return None


def _sample_type(slide: str) -> str:
    if not BARCODE.match(slide) or not slide[SAMPLE_TYPE]:
        raise CohortError(
            f"Slide {slide} is not named after a TCGA barcode, so it has no sample type. Leave out sample_types."
        )
    return slide[SAMPLE_TYPE]


def _named(*columns: str | None) -> list[str]:
    return [name for name in columns if name is not None]


def _slide_table(table: pd.DataFrame, source: str, patient: str | None, slide: str | None) -> SlideTable:
    slide = slide or _column_of(table, SLIDE_NAMES)
    if slide is None:
        raise CohortError(
            f"{source} has no column for the slides; name it `slide_id`, or say which it is as `slide` beside the "
            f"table. It has {some(table.columns)}."
        )
    names = as_text(need_column(table, slide, source))
    blank = [row_of(table, i) for i, name in enumerate(names) if name is None]
    notes = list(notes_of(table))
    if blank:
        notes.append(f"{count(len(blank), 'row')} of the slide table without {slide} left aside: row {some(blank)}.")
    patient = patient or _column_of(table, PATIENT_NAMES)
    if patient is None:
        patients = [None] * len(names)
        notes.append("The slide table has no column of patients, so its slides go by their names.")
    else:
        patients = [_once(each) for each in as_text(need_column(table, patient, source))]
        if bare := [row_of(table, i) for i, name in enumerate(names) if name is not None and patients[i] is None]:
            raise CohortError(f"{source} has no {patient} in row {some(bare)}. Fill it in, or remove the row.")
    owners: dict[str, str | None] = {}
    twice: dict[str, set[str]] = {}
    for name, owner in zip(names, patients, strict=True):
        if name is not None and owners.setdefault(name, owner) != owner:
            twice.setdefault(name, {str(owners[name])}).add(str(owner))
    if twice:
        named = some(f"{name} ({some(sorted(each))})" for name, each in twice.items())
        raise CohortError(f"{source} gives {count(len(twice), 'slide')} to more than one patient: {named}. Correct it.")
    return SlideTable(owners, _resolutions(table, names, source), tuple(notes))


def _once(patient: str | None) -> str | None:
    """The GDC names the patient of a file of two samples twice: "P1, P1"."""
    each = set() if patient is None else {part.strip() for part in patient.split(",")}
    return each.pop() if len(each) == 1 else patient


def _column_of(table: pd.DataFrame, known: Sequence[str]) -> str | None:
    """The first of the known names that the table has, whatever its case and the blanks in it."""
    plain = {plain_name(str(column)): str(column) for column in reversed(list(table.columns))}
    return next((plain[each] for name in known if (each := plain_name(name)) in plain), None)


def _resolutions(table: pd.DataFrame, names: pd.Series, source: str) -> dict[str, float]:
    """um per pixel of the slides that have one; a decimal comma is read as such."""
    column = _column_of(table, ("mpp",))
    if column is None:
        return {}
    mpp, bad = {}, {}
    for name, text in zip(names, as_text(table[column]), strict=True):
        if text is None or name is None:
            continue
        try:
            number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
        except ValueError:
            number = 0.0
        if not is_plausible(number) or mpp.setdefault(name, number) != number:
            bad[name] = text
    if bad:
        named = some(f"{name} ({text})" for name, text in bad.items())
        raise CohortError(
            f"{source}: the mpp of {count(len(bad), 'slide')} is no um per pixel of a microscope, or differs between "
            f"its rows: {named}. Give numbers of {LEAST_MPP:g} to {LARGEST_MPP:g}, such as 0.5."
        )
    return mpp
