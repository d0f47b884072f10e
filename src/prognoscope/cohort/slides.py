"""Which slides are whose: by a table, or by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pandas as pd

from prognoscope.cohort.columns import (
    BARCODE,
    PATIENT_NAMES,
    SLIDE_NAMES,
    guess_column,
    need_column,
    patient_ids,
)
from prognoscope.core.errors import CohortError, some
from prognoscope.core.tables import as_text, read_table

SUFFIXES = (
    *(".svs", ".ndpi", ".mrxs", ".scn", ".ome.tiff", ".ome.tif", ".tiff", ".tif", ".dcm", ".vms", ".vmu", ".bif"),
    *(".svslide", ".czi", ".qptiff", ".zvi", ".png", ".jpeg", ".jpg", ".h5", ".pt"),
)
SAMPLE_TYPE = slice(13, 16)  # of a TCGA barcode: 01Z in TCGA-2F-A9KO-01Z-00-DX1


@dataclass(frozen=True, slots=True)
class SlideAssignment:
    """The bag of each patient, and what is in none."""

    slides: dict[str, tuple[str, ...]]  # patient -> its slides, sorted; only patients who have some
    unassigned: tuple[str, ...] = ()  # slides that belong to no patient of the cohort
    absent: tuple[str, ...] = ()  # slides that the table gives to patients of the cohort, but that are not there
    filtered: tuple[str, ...] = ()  # slides of patients of the cohort, of another sample type
    notes: tuple[str, ...] = field(default=())


def slide_name(name: str) -> str:
    """The slide's id: its file name without folders and without exactly one suffix of a slide or embedding file."""
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def read_slide_table(path: Path | str, *, patient: str | None = None, slide: str | None = None) -> dict[str, str]:
    """Slide -> patient, from a table with a row a slide.

    Args:
        patient: The column of patients; by default one named patient_id, case_id or alike.
        slide: The column of slides; by default one named slide_id, filename or alike.

    Raises:
        MissingFileError: The table is not there.
        CohortError: A column is missing, or a slide belongs to two patients.
    """
    return _owners(read_table(path, "The slide table"), str(path), patient, slide)


def assign_slides(
    slides: Iterable[str],
    patients: Sequence[str],
    *,
    table: pd.DataFrame | Mapping[str, str] | None = None,
    sample_types: Sequence[str] | None = None,
) -> SlideAssignment:
    """Give each slide to its patient: as the table says, or by name where there is no table.

    Args:
        slides: Ids or file names.
        table: Slide -> patient, or a table with columns such as slide_id and patient_id. Slides that it does not name
            are unassigned.
        sample_types: Keep only slides of these sample types of TCGA barcodes, such as 01Z; 01 stands for 01Z and 01A.

    Raises:
        CohortError: A slide is there twice, belongs to two patients, or has no sample type although one is asked for.
    """
    names = sorted(slide_name(slide) for slide in slides)
    if twice := sorted({a for a, b in pairwise(names) if a == b}):
        raise CohortError(f"{len(twice)} slides are there twice: {some(twice)}. Leave one file of each.")
    known = set(patients)
    if table is None:
        beginnings = _Beginnings(known)
        owner = {slide: beginnings.owner(slide) for slide in names}
    else:
        listed = _owners(table, "The slide table", None, None) if isinstance(table, pd.DataFrame) else dict(table)
        listed = {slide_name(slide): patient for slide, patient in listed.items()}
        owner = {slide: listed.get(slide) for slide in names}
    bags: dict[str, list[str]] = {}
    unassigned, filtered = [], []
    for slide in names:
        patient = owner[slide]
        if patient is None or patient not in known:
            unassigned.append(slide)
        elif sample_types is not None and not _sample_type(slide).startswith(tuple(sample_types)):
            filtered.append(slide)
        else:
            bags.setdefault(patient, []).append(slide)
    there = set(names)
    absent = [] if table is None else sorted(s for s, p in listed.items() if p in known and s not in there)
    notes = [
        f"{len(which)} slides {what}: {some(which)}."
        for which, what in (
            (unassigned, "belong to no patient of the cohort"),
            (absent, "of the table are not there"),
            (filtered, f"are not of sample type {' or '.join(sample_types or ())}"),
        )
        if which
    ]
    ordered = {patient: tuple(bags[patient]) for patient in patients if patient in bags}
    return SlideAssignment(ordered, tuple(unassigned), tuple(absent), tuple(filtered), tuple(notes))


class _Beginnings:
    """Finds the longest patient id that begins a slide's name, as a TCGA barcode does.

    It must end where the name ends, or before a character that is no letter or digit: P1 must not take P10's slides.
    """

    def __init__(self, patients: set[str]):
        self.patients = patients
        self.lengths = sorted({len(patient) for patient in patients}, reverse=True)

    def owner(self, slide: str) -> str | None:
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


def _owners(table: pd.DataFrame, source: str, patient: str | None, slide: str | None) -> dict[str, str]:
    patient = patient or guess_column(table, PATIENT_NAMES, source, "patient")
    slide = slide or guess_column(table, SLIDE_NAMES, source, "slide")
    owners: dict[str, str] = {}
    for name, owner in zip(
        as_text(need_column(table, slide, source)), patient_ids(table, patient, source), strict=True
    ):
        if name is None:
            continue
        name = slide_name(name)
        if owners.setdefault(name, owner) != owner:
            raise CohortError(f"{source} gives slide {name} to {owners[name]} and to {owner}. Correct one of the rows.")
    return owners
