"""A plan -> embeddings made, bags packed, patients and folds settled for the trainings."""

import logging
from collections.abc import Callable
from pathlib import Path

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import StudyError
from prognoscope.features.extract import ExtractionReport, extract_slides
from prognoscope.features.store import PackedEmbeddings, fault_sentences
from prognoscope.omics.groups import groups_without_genes
from prognoscope.slides.readers import find_slides
from prognoscope.study.content import content_of
from prognoscope.study.inputs import embedding_sums, packed, slide_mpp, without_empty_bags
from prognoscope.study.jobs import Gathered, check_parts
from prognoscope.study.left_out import without_slides
from prognoscope.study.plan import Plan, splits_of
from prognoscope.study.sections import SlidesSpec
from prognoscope.study.study_file import StudyFile

log = logging.getLogger(__name__)
OnProgress = Callable[[int, int], None]


def extract(plan: Plan, progress: OnProgress | None = None) -> ExtractionReport:
    """Slides of the plan's patients -> embeddings, one file a slide; continues where it was stopped.

    Args:
        progress: Called with the number of finished and of all slides.

    Raises:
        StudyError: The study has no slides.
    """
    how = {"device": plan.device, "workers": plan.workers, "cluster": plan.cluster}
    return extract_for(plan.study, plan.cohort, progress=progress, **how)


def extract_for(
    study: StudyFile,
    cohort: Cohort,
    *,
    device: str,
    workers: int = 1,
    cluster: str = "",
    progress: OnProgress | None = None,
) -> ExtractionReport:
    """The same for any patients of a study, such as those who are only predicted."""
    slides, folder = need_slides(study)
    found = find_slides(slides.folder)
    wanted = {slide for each in cohort.slides.values() for slide in each}
    chosen = {slide: path for slide, path in found.items() if slide in wanted}
    finished: list[str] = []

    def count(slide: str, state: str) -> None:
        finished.append(slide)
        log.debug("slide %s: %s", slide, state)
        if progress is not None:
            progress(len(finished), len(chosen))

    log.info("extracting %d slides into %s", len(chosen), folder)
    how = {"mpp": slide_mpp(slides, found), "workers": workers, "cluster": cluster, "device": device}
    report = extract_slides(chosen, folder, study.features, on_progress=count, **how)
    log.info("extracted %d slides, %d were there, %d failed", len(report.done), len(report.already), len(report.failed))
    return report


def need_slides(study: StudyFile) -> tuple[SlidesSpec, Path]:
    """Where the slides of a study are, and where their embeddings go.

    Raises:
        StudyError: It has none.
    """
    slides, folder = study.where.slides, study.extracted
    if slides is None or folder is None:
        raise StudyError("This study has no cohort.slides, so there is nothing to extract. Name their folder there.")
    return slides, folder


def gather(plan: Plan, extracted: ExtractionReport | None = None) -> Gathered:
    """What the trainings of a plan share.

    Args:
        extracted: What became of the slides; None: they are extracted now.

    Raises:
        PrognoscopeError: An input cannot be used.
    """
    study, cohort = plan.study, plan.cohort
    notes: list[str] = []
    failed: dict[str, str] = {}
    if "omics" in plan.needs and cohort.omics is not None:
        notes += [*cohort.omics.warnings, *groups_without_genes(list(cohort.omics.values.columns), cohort.groups)]
    if "bag" not in plan.needs:
        content = content_of(plan.patients, None)
        return Gathered(plan.patients, plan.splits, content=content, notes=tuple(notes))
    notes += plan.looks.sentences
    slides = len(plan.looks.faults) + sum(map(len, cohort.slides.values()))
    if plan.extracts:
        report = extracted or extract(plan)
        failed = report.failed
        notes += [*report.notes, *(f"Slide {slide} was left out: {reason}" for slide, reason in failed.items())]
        cohort = without_slides(cohort, failed, study.where, slides)
    sums = embedding_sums(study, cohort)
    path = packed(study, cohort, sums)
    pack = PackedEmbeddings.open(path)
    notes += fault_sentences(pack.left_out, slides)
    left = without_slides(cohort, pack.left_out, study.where, slides)
    left = without_empty_bags(left, pack, plan.alternatives).needing_any(plan.alternatives)
    is_planned = left.patients == plan.patients.patients
    with left.account.told_first():
        splits = plan.splits if is_planned else splits_of(study, left, plan.drawn)
        check_parts(plan.methods, left, splits)
    if pack.origin.encoder is None:
        notes.append("Nothing says by which encoder the embeddings were made.")
    return Gathered(left, splits, path, pack.origin, content_of(left, pack), sums, tuple(notes), failed)
