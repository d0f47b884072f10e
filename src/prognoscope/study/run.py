"""Extract, cross-validate, evaluate, report: the run folder, and going on after a stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.splits import make_splits
from prognoscope.core.errors import CohortError, StudyError, TrainingError, some
from prognoscope.core.files import sha256, write_json, write_table
from prognoscope.features.store import PackedEmbeddings
from prognoscope.omics.groups import groups_without_genes
from prognoscope.report.ablations import ablation_rows
from prognoscope.report.page import write_report
from prognoscope.report.run_folder import read_run_folder
from prognoscope.report.tables import method_rows
from prognoscope.report.verdict import warnings_of
from prognoscope.study.ablations import ablation_table, pairs_of
from prognoscope.study.clock import Standing
from prognoscope.study.folder import begin, check_folder, provenance
from prognoscope.study.inputs import bag_loaders, embedding_files, packed, split_spec, without_empty_bags
from prognoscope.study.jobs import Inputs, fold_jobs, optimism, workers_for
from prognoscope.study.methods import needs_of, sizes_to_come
from prognoscope.study.optimism import optimism_table
from prognoscope.study.results import COMPARED, gene_notes, metrics_table, pairs_table, read_folds, read_truth
from prognoscope.study.search import search_notes, search_table
from prognoscope.study.study import Study, device_of
from prognoscope.study.surgery import surgery_table
from prognoscope.study.work import work_off
from prognoscope.training.jobs import Failure

__all__ = ["Inputs", "Run", "fold_jobs", "gather", "optimism", "refuse_early", "run_study"]


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    report: Path
    notes: tuple[str, ...]
    failures: tuple[Failure, ...] = ()  # of folds, each with its reason; their methods are in no table

    def table(self) -> tuple[str, pd.DataFrame]:
        """Title and rows of the comparison, as text."""
        run = read_run_folder(self.folder)
        header, *rows = method_rows(run)
        return f"{run.name}, protocol {run.protocol}, {len(run.folds)} folds", pd.DataFrame(rows, columns=header)

    def ablations(self) -> dict[str, pd.DataFrame]:
        """The ablation table of each method that was run with ablations, as text."""
        tables = ablation_rows(read_run_folder(self.folder))
        return {whole: pd.DataFrame(rows, columns=header) for whole, (header, *rows) in tables.items()}

    def warnings(self) -> list[str]:
        """Why some numbers flatter their methods, in sentences."""
        return [f"Optimistic: {names}. {reason}" for names, reason in warnings_of(read_run_folder(self.folder))]


def run_study(study: Study, folder: Path, *, jobs: int = 1, progress: Callable[[Standing], None] | None = None) -> Run:
    """Run a study into a folder; what is finished there is not done again.

    A fold that fails stops no other. The tables are of the methods whose folds are all done.

    Raises:
        PrognoscopeError: An input cannot be used, or no method could be trained.
    """
    folder, study = folder.absolute(), study.chosen
    needs = refuse_early(study, folder)
    inputs = gather(study, workers=jobs)
    begin(study, folder, inputs)
    workers, told = workers_for(jobs, study.spec.training.threads)
    has_surgery = study.spec.evaluation.surgery and {"bag", "omics"} <= needs
    trainings = fold_jobs(study, folder, inputs)
    failures = work_off(trainings, surgery=has_surgery, workers=workers, progress=progress)
    if progress is not None:
        progress(Standing(1.0, None, "measuring, comparing and drawing"))
    unfinished = {job.method.title for job in trainings if not job.is_done}
    sections = [method for method in study.spec.methods if method.title not in unfinished]
    if not sections:
        raise _no_method(failures, len(study.spec.methods))
    methods = [method.title for method in sections]
    draws, seed = study.spec.evaluation.draws, study.spec.training.seed
    truth = None
    if study.spec.cohort.truth is not None:
        truth = read_truth(study.folder / study.spec.cohort.truth, inputs.cohort.patients)
    metrics, notes = metrics_table(folder, methods, draws=draws, seed=seed, truth=truth)
    write_table(folder / "metrics.csv", metrics)
    notes = (*study.left_out, *search_notes(study.spec), *notes, *gene_notes(folder, methods))
    folds = {method: read_folds(folder, method) for method in methods}
    pairs = [pair for pair in pairs_of(study.spec.methods) if not unfinished.intersection(pair)]
    pairs = pairs_table(folds, pairs, metrics=COMPARED, draws=draws, seed=seed)
    write_table(folder / "comparison.csv", pairs)
    write_table(folder / "ablations.csv", ablation_table(sections, metrics, pairs))
    write_table(folder / "optimism.csv", optimism_table(folder, methods, seed=seed))
    if len(chosen := search_table(folder, methods)):
        write_table(folder / "search.csv", chosen)
    if has_surgery:
        write_table(folder / "surgery.csv", surgery_table(folder, folds, draws=draws, seed=seed))
    write_json(folder / "provenance.json", provenance(study, inputs, methods, notes, failures))
    lasting = [note for note in notes if "bootstrap draws" not in note]  # those few are in the report's provenance
    return Run(folder, write_report(folder), (*inputs.notes, *told, *lasting), tuple(failures))


def _no_method(failures: Sequence[Failure], methods: int) -> Exception:
    first = failures[0].sentence
    kind = StudyError if all(each.is_input for each in failures) else TrainingError
    return kind(
        first
        if methods == 1
        else f"None of the {methods} methods could be trained. The first of {len(failures)} failures: {first}"
    )


def refuse_early(study: Study, folder: Path) -> frozenset[str]:
    """Try whatever can be tried before any work, so that a wrong setting costs no hours.

    Returns:
        What the methods need of a patient: "bag", "omics", "clinical".

    Raises:
        PrognoscopeError: The folder, a method's options, the device, the truth or the folds cannot be used.
    """
    study = study.chosen
    check_folder(study, folder)
    cohort = study.cohort
    needs = needs_of(study.spec, cohort, sizes_to_come(cohort))
    device_of(study.spec.training.device)
    if study.spec.cohort.truth is not None:
        read_truth(study.folder / study.spec.cohort.truth, cohort.patients)
    make_splits(cohort.needing(needs), split_spec(study.spec, study.folder))
    return needs


def gather(study: Study, workers: int = 1) -> Inputs:
    """Embeddings made, patients chosen, folds drawn, bags packed.

    Raises:
        PrognoscopeError: A method needs what the cohort lacks, or an input cannot be used.
    """
    spec, cohort = study.spec, study.cohort
    needs = needs_of(spec, cohort, sizes_to_come(cohort))
    device_of(spec.training.device)
    notes: list[str] = []
    if "omics" in needs:
        notes += groups_without_genes(list(cohort.omics.values.columns), cohort.groups)
    pack = None
    if "bag" in needs:
        if spec.cohort.slides is not None:
            failed = study.extract(workers=workers).failed
            notes += [f"Slide {slide} was left out: {reason}" for slide, reason in failed.items()]
            cohort = without_slides(cohort, failed)
        files = embedding_files(spec, study.folder, study.extracted)
        bags = bag_loaders(spec, study.folder, cohort, files)
        about = spec.cohort.features.model_dump() if spec.cohort.features else None
        if spec.cohort.features is not None and spec.cohort.features.folder is None:
            about = {"table": sha256(study.folder / spec.cohort.features.table)}
        pack = packed(bags, files, study.cache, about)
        cohort = without_empty_bags(cohort, PackedEmbeddings.open(pack))
    cohort = cohort.needing(needs)
    splits = make_splits(cohort, split_spec(spec, study.folder))
    return Inputs(cohort, splits, pack, tuple(notes))


def without_slides(cohort: Cohort, failed: dict[str, str]) -> Cohort:
    """The cohort without slides that gave no embeddings, which its account tells."""
    if not failed:
        return cohort
    slides = {p: tuple(s for s in each if s not in failed) for p, each in cohort.slides.items()}
    lost = sum(map(len, cohort.slides.values())) - sum(map(len, slides.values()))
    named = some(f"{slide} ({reason})" for slide, reason in failed.items())
    if not any(slides.values()):
        slide, reason = next(iter(failed.items()))
        raise CohortError(f"None of the {lost} slides gave embeddings; of {slide}: {reason}.")
    account = cohort.account.then(
        f"{lost} slides left out: {named}", cohort.outcome, notes=(f"{lost} slides gave no embeddings: {named}.",)
    )
    return replace(cohort, slides={p: s for p, s in slides.items() if s}, account=account)
