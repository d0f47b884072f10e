"""The tables, slides and embeddings that a study names -> Cohort, and the loaders of its bags."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from prognoscope.cohort.clinical import (
    ClinicalTable,
    anybody,
    only_ids,
    read_clinical,
    read_endpoints,
    without_follow_up,
)
from prognoscope.cohort.cohort import Cohort, make_cohort
from prognoscope.cohort.leaks import refuse_leaks
from prognoscope.cohort.slides import SlideAssignment, SlideTable, assign_slides, read_slide_table, slide_places
from prognoscope.cohort.subtypes import read_subtypes
from prognoscope.core.errors import CohortError, StudyError, some
from prognoscope.core.files import digest, sha256
from prognoscope.core.ids import Matched, match_ids
from prognoscope.core.slide_names import match_entries
from prognoscope.core.words import count
from prognoscope.features.file_sums import file_sums
from prognoscope.features.store import (
    EmbeddingTable,
    Loader,
    Look,
    PackedEmbeddings,
    find_embeddings,
    pack_embeddings,
    read_embedding_table,
    read_embeddings,
    remove_unused_packs,
)
from prognoscope.omics.group_files import read_groups
from prognoscope.omics.groups import Groups, coverage_notes, covered_groups
from prognoscope.omics.tables import OmicsTable, read_omics
from prognoscope.slides.readers import look_for_slides
from prognoscope.study.sections import CohortSpec, EmbeddingsSpec, SlidesSpec
from prognoscope.study.study_file import StudyFile

Alternatives = Collection[frozenset[str]]
Bags = Mapping[str, Sequence[tuple[str, Loader]]]
PACK_FORM = 3  # of a packed file and of how embeddings are read into it; another number makes all packs stale


def read_cohort(
    name: str, where: CohortSpec, *, needs_follow_up: bool = True, patients: Sequence[str] | None = None
) -> Cohort:
    """The cohort of a study; nobody is left out but for unusable follow-up.

    Args:
        where: The tables, with whole paths. Of several endpoints with none chosen, everybody is in it who has any.
        needs_follow_up: False for patients who are to be predicted, whether they have any or not. Their times are all
            zero and censored, which no prediction looks at.
        patients: Who they are, where there is no clinical table.

    Raises:
        InputError: Any of the tables cannot be used; the message names it, and what to do.
    """
    clinical = where.clinical
    if patients is not None:
        table = only_ids(patients)
    elif not needs_follow_up:
        table = without_follow_up(clinical)
    elif clinical.is_of_several:
        table = anybody(read_endpoints(clinical))
    else:
        table = read_clinical(clinical)
    (cohort,) = _cohorts_of(name, where, [table])
    return refuse_leaks(cohort, clinical.not_outcomes) if needs_follow_up else cohort


def read_cohorts(name: str, where: CohortSpec) -> tuple[Cohort, Cohort | None]:
    """The cohort of the endpoint that is studied, and where the study has several, everybody who has any of them.

    Raises:
        InputError: As `read_cohort`.
    """
    clinical = where.clinical
    if clinical.endpoint is None:
        return read_cohort(name, where), None
    tables = read_endpoints(clinical)
    cohort, everybody = _cohorts_of(name, where, [tables[clinical.endpoint], anybody(tables)])
    return refuse_leaks(cohort, clinical.not_outcomes), everybody


def _cohorts_of(name: str, where: CohortSpec, tables: Sequence[ClinicalTable]) -> list[Cohort]:
    """A cohort for each of these tables, which are of the same patients; what else there is of them is read once."""
    patients = (*tables[0].outcome.patients, *tables[0].dropped)
    omics = groups = subtypes = None
    if (genes := where.omics) is not None:
        omics = read_omics(
            genes.table,
            genes.layout,
            patient=genes.patient,
            unsuffixed=genes.unsuffixed,
            kinds=genes.kinds,
            exclude=where.clinical.not_genes,
            patients=patients,
        )
        if genes.groups is not None:
            groups, omics = _groups_of(genes.groups, omics, genes.min_coverage)
    if (labels := where.subtype) is not None:
        subtypes = read_subtypes(labels.table, column=labels.column, patient=labels.patient)
    bags = bags_of(where, patients)
    return [make_cohort(name, each, slides=bags, omics=omics, groups=groups, subtypes=subtypes) for each in tables]


def _groups_of(path: str, omics: OmicsTable, min_coverage: float) -> tuple[Groups, OmicsTable]:
    """The groups that the table covers, and the table with notes on how much of them and of the others it has."""
    columns = list(omics.values.columns)
    file = read_groups(path, columns)
    told, warnings = coverage_notes(columns, file.groups, omics.source)
    kept, notes = covered_groups(columns, file.groups, min_coverage, source=omics.source)
    notes = (*omics.notes, *file.notes, *told, *notes)
    return kept, replace(omics, notes=notes, warnings=(*omics.warnings, *warnings))


def bags_of(where: CohortSpec, patients: Sequence[str]) -> SlideAssignment | Mapping[str, tuple[str, ...]] | None:
    """The slides of each patient, from the folder of slides or of embeddings; None if the study names neither.

    Raises:
        InputError: The folder or a table cannot be used, or none of the slides is of these patients.
    """
    slides, features = where.slides, where.features
    if slides is not None:
        table = _table_of(slides)
        found = look_for_slides(slides.folder)
        if not found.slides:
            why = "".join(f" {note}" for note in found.notes)
            raise CohortError(f"There are no slides in {slides.folder}. Correct cohort.slides.folder.{why}")
        places = slide_places(found.slides, slides.folder)
        assigned = assign_slides(places, patients, table=table, sample_types=slides.sample_types)
        assigned = replace(assigned, notes=(*assigned.notes, *found.notes))
        return _of_somebody(assigned, patients, table, slides)
    if features is None:
        return None
    if features.folder is None:
        table, owners = _vectors_of(features, patients)
        return SlideAssignment({p: (p,) for p in table.bags}, notes=table.notes, warnings=owners.warnings)
    table = _table_of(features)
    found = slide_places(find_embeddings(features.folder, features.layout), features.folder)
    assigned = assign_slides(found, patients, table=table, sample_types=features.sample_types)
    return _of_somebody(assigned, patients, table, features)


def _vectors_of(features: EmbeddingsSpec, patients: Sequence[str]) -> tuple[EmbeddingTable, Matched]:
    """The table of embeddings with the ids of these patients, and how they were found.

    Raises:
        CohortError: It has none of them, or one of them twice.
    """
    path = features.table or ""
    table = read_embedding_table(path, features.patient)
    owners = match_ids(patients, table.bags, Path(path).name, one_each=True)
    if not owners.patient_of:
        raise CohortError(
            f"{path} has no patient of the cohort, such as {some(patients, 2)}; it has {some(table.bags, 2)}. Write "
            "the ids alike."
        )
    bags = {patient: replace(table.bags[name], slide=patient) for name, patient in owners.patient_of.items()}
    return replace(table, bags=bags), owners


def _table_of(where: SlidesSpec | EmbeddingsSpec) -> SlideTable | None:
    if where.table is None:
        return None
    patient = None if where.patient == "patient_id" else where.patient  # by default whatever is named like it
    return read_slide_table(where.table, patient=patient, slide=where.slide)


def _of_somebody(
    assigned: SlideAssignment,
    patients: Sequence[str],
    table: SlideTable | None,
    where: SlidesSpec | EmbeddingsSpec,
) -> SlideAssignment:
    """The same slides, if any is of a patient of the cohort.

    Raises:
        CohortError: None is; shows how both sides are named.
    """
    if assigned.slides:
        return assigned
    if assigned.filtered:
        raise CohortError(
            f"No slide in {where.folder} is of sample type {' or '.join(where.sample_types or ())}; there are "
            f"{some(assigned.filtered, 2)}. Correct sample_types."
        )
    named = f"The slides in {where.folder} are named {some(assigned.unassigned, 2)}"
    if table is None:
        raise CohortError(
            f"{named}, which does not begin with a patient's id, such as {some(patients, 2)}. "
            "Give a table of slide_id and patient_id."
        )
    listed = some(f"{slide} of {patient}" for slide, patient in list(table.owners.items())[:2])
    raise CohortError(
        f"{named}, and {where.table} gives none of them to a patient of the cohort, such as {some(patients, 2)}; it "
        f"has {listed}. Write the ids alike."
    )


def slide_mpp(slides: SlidesSpec, found: Mapping[str, Path]) -> float | dict[str, float] | None:
    """um per pixel of level 0 as the study gives it: per slide in the slide table's column `mpp`, or for all.

    Args:
        found: The slides, of which the table names some.

    Raises:
        CohortError: A value in the table is no resolution.
    """
    table = _table_of(slides)
    if table is None or not table.mpp:
        return slides.mpp
    matches = match_entries(table.mpp, slide_places(found, slides.folder)).slides
    given = dict.fromkeys(found, slides.mpp) | {slide: table.mpp[entry] for entry, slide in matches.items()}
    return {slide: mpp for slide, mpp in given.items() if mpp is not None}


def embedding_files(where: CohortSpec, extracted: Path | None) -> dict[str, Path]:
    """Slide -> embedding file, extracted or brought along; empty if the study has neither."""
    features = where.features
    if extracted is not None:
        files = sorted(extracted.rglob("*.h5")) if extracted.is_dir() else []
        return {path.relative_to(extracted).with_suffix("").as_posix(): path for path in files}
    if features is None or features.folder is None:
        return {}
    return find_embeddings(features.folder, features.layout)


def bag_loaders(where: CohortSpec, cohort: Cohort, files: Mapping[str, Path]) -> Bags:
    """Patient -> slides with functions that read them, for the patients of the cohort who have bags.

    Raises:
        StudyError: Slides without embeddings.
    """
    features = where.features
    if features is not None and features.folder is None:
        bags = _vectors_of(features, cohort.patients)[0].bags
        return {p: [(p, partial(bags.__getitem__, p))] for p in cohort.patients if p in bags}
    layout, mpp = ("prognoscope", None) if features is None else (features.layout, features.mpp)
    lacking = [s for slides in cohort.slides.values() for s in slides if s not in files]
    if lacking:
        cure = "Run `prognoscope extract` first." if features is None else f"Put them into {features.folder}."
        raise StudyError(f"{len(lacking)} slides have no embeddings: {some(lacking)}. {cure}")
    return {
        patient: [(slide, partial(read_embeddings, files[slide], layout, mpp=mpp, slide=slide)) for slide in slides]
        for patient, slides in cohort.slides.items()
    }


def without_patchless(cohort: Cohort, heads: Mapping[str, Look], alternatives: Alternatives = ()) -> Cohort:
    """The cohort without patients none of whose slides has a patch, the account extended.

    Args:
        alternatives: What each method predicts from; where one can do without slides, only the slides are left out.
    """
    counted = {p: slides for p, slides in cohort.slides.items() if slides and all(slide in heads for slide in slides)}
    empty = [p for p, slides in counted.items() if not sum(heads[slide].patches for slide in slides)]
    return _without(cohort, empty, alternatives)


def embedding_sums(study: StudyFile, cohort: Cohort) -> dict[str, str]:
    """Slide -> SHA-256 of its embedding file, for those of these patients that there are; of a table of them, its own.

    What was computed before is taken from a memory beside the packs, while the file system says that nothing changed.
    """
    where = study.where
    if where.features is not None and where.features.folder is None:
        return {"": sha256(where.features.table or "")}
    wanted = {slide for slides in cohort.slides.values() for slide in slides}
    files = {slide: path for slide, path in embedding_files(where, study.extracted).items() if slide in wanted}
    return file_sums(files, study.cache / "file_sums.json")


def packed(study: StudyFile, cohort: Cohort, sums: Mapping[str, str]) -> Path:
    """The pack of the bags of these patients, named after the content that went in: verified, and made where it lacks.

    Packs of this study that nobody uses any more are removed.

    Args:
        sums: What stands for the content of the embeddings, see `embedding_sums`.

    Raises:
        StudyError: Slides without embeddings.
        FeatureError: Embeddings that cannot be read or do not fit together.
    """
    where, features = study.where, study.where.features
    bags = bag_loaders(where, cohort, embedding_files(where, study.extracted))
    read_as = None if features is None else [features.layout, features.mpp, features.patient, sums.get("")]
    contents = {
        patient: digest({"bag": [(slide, sums.get(slide)) for slide, _ in slides], "as": read_as, "form": PACK_FORM})
        for patient, slides in bags.items()
    }
    key = digest(contents)
    pack = pack_embeddings(bags, study.cache / f"{key}.bags", key, contents)
    remove_unused_packs(pack)
    return pack.path


def without_empty_bags(cohort: Cohort, pack: PackedEmbeddings, alternatives: Alternatives = ()) -> Cohort:
    """The cohort without patients whose slides gave no patch, the account extended; see `without_patchless`."""
    packed = set(pack.patients)
    empty = [p for p in cohort.patients if p in packed and cohort.slides.get(p) and not _n(pack, p)]
    return _without(cohort, empty, alternatives)


def _without(cohort: Cohort, empty: Sequence[str], alternatives: Alternatives) -> Cohort:
    if empty and any("bag" not in needs for needs in alternatives):
        slides = {patient: each for patient, each in cohort.slides.items() if patient not in set(empty)}
        step = f"slides of {count(len(empty), 'patient')} left out, for none has a patch: {some(empty)}"
        return replace(cohort, slides=slides, account=cohort.account.then(step, cohort.outcome))
    dropped = dict.fromkeys(empty, "no patch in any slide")
    return cohort.without(dropped, "with at least one patch") if empty else cohort


def _n(pack: PackedEmbeddings, patient: str) -> int:
    slides = pack.slides(patient)
    return slides[-1][2] if slides else 0
