"""The tables, slides and embeddings that a study names -> Cohort, and the loaders of its bags."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from prognoscope.cohort.clinical import ClinicalSpec, ClinicalTable, read_clinical, without_follow_up
from prognoscope.cohort.cohort import Cohort, make_cohort
from prognoscope.cohort.columns import SLIDE_NAMES, guess_column
from prognoscope.cohort.slides import SlideAssignment, assign_slides, read_slide_table, slide_name
from prognoscope.cohort.splits import SplitSpec
from prognoscope.cohort.subtypes import read_subtypes
from prognoscope.core.errors import CohortError, StudyError, some
from prognoscope.core.files import digest
from prognoscope.core.tables import read_table
from prognoscope.features.extract import FeatureSpec
from prognoscope.features.store import (
    Loader,
    PackedEmbeddings,
    find_embeddings,
    pack_embeddings,
    read_embedding_table,
    read_embeddings,
)
from prognoscope.omics.groups import Groups, covered_groups, read_groups
from prognoscope.omics.tables import OmicsTable, read_omics
from prognoscope.slides.readers import find_slides
from prognoscope.slides.tiling import TilingSpec
from prognoscope.study.spec import ClinicalSection, EmbeddingsSection, SlidesSection, StudySpec

Bags = Mapping[str, Sequence[tuple[str, Loader]]]


def read_cohort(spec: StudySpec, folder: Path, *, needs_follow_up: bool = True) -> Cohort:
    """The cohort of a study whose paths are relative to `folder`; nobody is left out but for unusable follow-up.

    Args:
        needs_follow_up: False for patients who are only to be predicted. Their times, where the study names none, are
            all zero and censored, which no prediction looks at.

    Raises:
        InputError: Any of the tables cannot be used; the message names it, and what to do.
    """
    section = spec.cohort
    table = _read_follow_up(section.clinical, folder, needs_follow_up)
    patients = (*table.outcome.patients, *table.dropped)
    omics = groups = subtypes = None
    if section.omics is not None:
        omics = read_omics(
            [folder / name for name in section.omics.table],
            section.omics.layout,
            patient=section.omics.patient,
            unsuffixed=section.omics.unsuffixed,
            kinds=section.omics.kinds,
            exclude=_columns_of(section.clinical),
        )
        if section.omics.groups is not None:
            groups, omics = _groups_of(read_groups(folder / section.omics.groups), omics, section.omics.min_coverage)
    if section.subtype is not None:
        subtypes = read_subtypes(
            folder / section.subtype.table, column=section.subtype.column, patient=section.subtype.patient
        )
    return make_cohort(
        spec.name, table, slides=_bags_of(spec, folder, patients), omics=omics, groups=groups, subtypes=subtypes
    )


def _groups_of(groups: Groups, omics: OmicsTable, min_coverage: float) -> tuple[Groups, OmicsTable]:
    """The groups that the table covers, and the table with a note on the others."""
    columns = list(omics.values.columns)
    kept, notes = covered_groups(columns, groups, min_coverage, source=omics.source)
    return kept, replace(omics, notes=(*omics.notes, *notes))


def _columns_of(section: ClinicalSection) -> tuple[str, ...]:
    """Columns that tell the outcome or a covariate, so that none of them becomes a gene."""
    named = (section.time, section.event, section.censored, section.site, *section.covariates)
    return tuple(name for name in named if name is not None)


def _read_follow_up(section: ClinicalSection, folder: Path, is_needed: bool) -> ClinicalTable:
    tables = tuple(folder / name for name in section.table)
    if section.time is None and not is_needed:
        return without_follow_up(tables, patient=section.patient, covariates=section.covariates)
    if section.time is None or section.time_unit is None or (section.event is None and section.censored is None):
        raise StudyError(
            "In the study, cohort.clinical needs time, time_unit, and event or censored: add "
            f"{some(_absent(section))}. Only `prognoscope predict` does without."
        )
    spec = ClinicalSpec(
        table=tables,
        patient=section.patient,
        time=section.time,
        time_unit=section.time_unit,
        event=section.event,
        censored=section.censored,
        event_values=section.event_values,
        censored_values=section.censored_values,
        covariates=tuple(section.covariates),
        site=section.site,
        bad_time=section.bad_time,
    )
    return read_clinical(spec, needs_event=is_needed)


def _absent(section: ClinicalSection) -> list[str]:
    has_status = section.event is not None or section.censored is not None
    given = {"time": section.time, "time_unit": section.time_unit, "event or censored": has_status or None}
    return [name for name, value in given.items() if value is None]


def _bags_of(
    spec: StudySpec, folder: Path, patients: Sequence[str]
) -> SlideAssignment | Mapping[str, tuple[str, ...]] | None:
    slides, features = spec.cohort.slides, spec.cohort.features
    if slides is not None:
        table = None if slides.table is None else read_slide_table(folder / slides.table)
        found = find_slides(folder / slides.folder)
        if not found:
            raise CohortError(f"There are no slides in {folder / slides.folder}. Correct cohort.slides.folder.")
        assigned = assign_slides(found, patients, table=table, sample_types=slides.sample_types)
        return _of_somebody(assigned, patients, table, slides)
    if features is None:
        return None
    if features.folder is None:
        return {patient: (patient,) for patient in read_embedding_table(folder / features.table, features.patient)}
    table = None if features.table is None else read_slide_table(folder / features.table)
    found = find_embeddings(folder / features.folder, features.layout)
    assigned = assign_slides(found, patients, table=table, sample_types=features.sample_types)
    return _of_somebody(assigned, patients, table, features)


def _of_somebody(
    assigned: SlideAssignment,
    patients: Sequence[str],
    table: Mapping[str, str] | None,
    section: SlidesSection | EmbeddingsSection,
) -> SlideAssignment:
    """The same slides, if any is of a patient of the cohort.

    Raises:
        CohortError: None is; shows how both sides are named.
    """
    if assigned.slides:
        return assigned
    if assigned.filtered:
        raise CohortError(
            f"No slide in {section.folder} is of sample type {' or '.join(section.sample_types)}; there are "
            f"{some(assigned.filtered, 2)}. Correct sample_types."
        )
    named = f"The slides in {section.folder} are named {some(assigned.unassigned, 2)}"
    if table is None:
        raise CohortError(
            f"{named}, which does not begin with a patient's id, such as {some(patients, 2)}. "
            "Give a table of slide_id and patient_id."
        )
    raise CohortError(
        f"{named}, and {section.table} gives none of them to a patient of the cohort, such as {some(patients, 2)}; it "
        f"has {some(f'{slide} of {patient}' for slide, patient in list(table.items())[:2])}. Write the ids alike."
    )


def split_spec(spec: StudySpec, folder: Path) -> SplitSpec:
    """How the study's patients are divided, with paths made whole."""
    section = spec.splits
    return SplitSpec(
        folds=section.folds,
        stratify=tuple(section.stratify),
        group=section.group,
        seed=section.seed,
        files=None if not section.files else tuple(str(folder / each) for each in section.files),
        table=None if section.table is None else str(folder / section.table),
        validation=section.validation,
    )


def feature_spec(spec: StudySpec, folder: Path) -> FeatureSpec:
    """How the study's slides become embeddings."""
    section = spec.features
    tiling = TilingSpec(
        patch_px=section.patch_px, mpp=section.mpp, overlap_px=section.overlap_px, min_tissue=section.min_tissue
    )
    weights = section.weights if section.weights in (None, "hub") else str(folder / section.weights)
    return FeatureSpec(encoder=section.encoder, tiling=tiling, weights=weights)


def slide_mpp(spec: StudySpec, folder: Path) -> float | dict[str, float] | None:
    """um per pixel of level 0 as the study gives it: per slide in the slide table's column `mpp`, or for all.

    Raises:
        CohortError: A value in the table is not a positive number.
    """
    slides = spec.cohort.slides
    if slides is None or slides.table is None:
        return None if slides is None else slides.mpp
    path = folder / slides.table
    table = read_table(path, "The slide table")
    if "mpp" not in table:
        return slides.mpp
    names = table[guess_column(table, SLIDE_NAMES, str(path), "slides")].map(slide_name)
    given = {
        slide: _positive(value, slide, path) for slide, value in zip(names, table["mpp"], strict=True) if value == value
    }
    return {slide: slides.mpp for slide in names if slides.mpp is not None} | given


def _positive(value: object, slide: str, path: Path) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= 10:
        raise CohortError(f"{path}: the mpp of slide {slide} is {value!r}. Give um per pixel, such as 0.5.")
    return number


def embedding_files(spec: StudySpec, folder: Path, extracted: Path | None) -> dict[str, Path]:
    """Slide -> embedding file, extracted or brought along; empty if the study has neither."""
    features = spec.cohort.features
    if extracted is not None:
        return find_embeddings(extracted, "prognoscope") if extracted.is_dir() else {}
    if features is None or features.folder is None:
        return {}
    return find_embeddings(folder / features.folder, features.layout)


def bag_loaders(spec: StudySpec, folder: Path, cohort: Cohort, files: Mapping[str, Path]) -> Bags:
    """Patient -> slides with functions that read them, for the patients of the cohort who have bags.

    Raises:
        StudyError: Slides without embeddings.
    """
    features = spec.cohort.features
    if features is not None and features.folder is None:
        table = read_embedding_table(folder / features.table, features.patient)
        return {p: [(p, partial(table.__getitem__, p))] for p in cohort.patients if p in table}
    layout, mpp = ("prognoscope", None) if features is None else (features.layout, features.mpp)
    lacking = [s for slides in cohort.slides.values() for s in slides if s not in files]
    if lacking:
        raise StudyError(f"{len(lacking)} slides have no embeddings: {some(lacking)}. Run `prognoscope extract` first.")
    return {
        patient: [(slide, partial(read_embeddings, files[slide], layout, mpp=mpp)) for slide in slides]
        for patient, slides in cohort.slides.items()
    }


def packed(bags: Bags, files: Mapping[str, Path], cache: Path, about: object) -> Path:
    """The packed file of these bags, made unless it is there already; named after all that went in.

    Args:
        about: Whatever else decides the content, JSON-able.
    """
    stats = {slide: (str(path), path.stat().st_size, path.stat().st_mtime_ns) for slide, path in files.items()}
    key = digest({"bags": {p: [slide for slide, _ in s] for p, s in bags.items()}, "files": stats, "about": about})
    path = cache / f"{key}.bags"
    if not path.is_file():
        pack_embeddings(bags, path, key)
    return path


def without_empty_bags(cohort: Cohort, pack: PackedEmbeddings) -> Cohort:
    """The cohort without patients whose slides gave no patch, the account extended."""
    empty = {p: "no patch in any slide" for p in cohort.patients if p in set(pack.patients) and not _n(pack, p)}
    return cohort.without(empty, "with at least one patch") if empty else cohort


def _n(pack: PackedEmbeddings, patient: str) -> int:
    slides = pack.slides(patient)
    return slides[-1][2] if slides else 0
