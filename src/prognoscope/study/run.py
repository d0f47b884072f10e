"""Extract, cross-validate, evaluate, report: the run folder, and going on after a stop."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from prognoscope.analysis.all_tables import Questions, write_tables
from prognoscope.analysis.oracles import read_oracles
from prognoscope.analysis.standings import method_table
from prognoscope.core.errors import InputError, StudyError, TrainingError
from prognoscope.core.files import remove_leftovers
from prognoscope.features.extract import ExtractionReport
from prognoscope.report.page import write_report
from prognoscope.report.sections.ablations import ablation_rows
from prognoscope.report.sections.sweeps import sweep_rows
from prognoscope.report.sections.verdict import warnings_of
from prognoscope.report.table_text import method_rows
from prognoscope.runs.explanations import KeptExplanation
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run
from prognoscope.study.binding import bind
from prognoscope.study.clock import Standing
from prognoscope.study.explain import explain_run
from prognoscope.study.final import train_finals
from prognoscope.study.folder import begin, check_folder, end, need_same_study, provenance
from prognoscope.study.gather import extract, gather
from prognoscope.study.input_files import input_sums, told_changes
from prognoscope.study.inputs import embedding_sums
from prognoscope.study.jobs import Gathered, fold_jobs
from prognoscope.study.method_pairs import ablation_rows_of, pairs_of, sweep_rows_of
from prognoscope.study.places import check_place, stored, try_places
from prognoscope.study.plan import Plan
from prognoscope.study.previews import keep_previews
from prognoscope.study.protocols import rule_of
from prognoscope.study.run_log import at_work
from prognoscope.study.work import permuted_jobs, without_weights, work_off
from prognoscope.training.job import FoldJob
from prognoscope.training.jobs import Failure
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedFolds(Mapping[str, Mapping[int, Trained]]):
    """Title of a method -> fold -> its trained model."""

    run: Run

    def __getitem__(self, title: str) -> Mapping[int, Trained]:
        if title not in self.run.methods:
            raise KeyError(title)
        folds = [files for files in self.run.methods[title].files if files.is_tested]
        return {files.number: Trained.load(files, TrainingSpec()) for files in folds}

    def __iter__(self) -> Iterator[str]:
        return iter(self.run.methods)

    def __len__(self) -> int:
        return len(self.run.methods)


@dataclass(frozen=True)
class Finished:
    """What running a study came to: the run, and what is to be told once."""

    run: Run
    notes: tuple[str, ...]
    failures: tuple[Failure, ...] = ()  # of folds, each with its reason; their methods are in no table

    @property
    def folder(self) -> Path:
        """Where every number is."""
        return self.run.folder

    @property
    def report(self) -> Path:
        """The page."""
        return self.run.files.report

    @property
    def metrics(self) -> pd.DataFrame:
        """Every metric of every method and fold: method, metric, fold ("all" for their mean), value, low, high, sd."""
        return self.run.metrics

    @property
    def predictions(self) -> pd.DataFrame:
        """What every method predicted of its held-out patients."""
        return self.run.predictions

    @property
    def models(self) -> TrainedFolds:
        """Title of a method -> fold -> its trained model; weights are read when a method is asked for."""
        return TrainedFolds(self.run)

    def table(self) -> pd.DataFrame:
        """The methods with their numbers, as numbers: a row for each method and oracle, see `method_table`."""
        return method_table(self.run)

    def printed(self) -> tuple[str, pd.DataFrame]:
        """Title and rows of the same, as text."""
        header, *rows = method_rows(self.run)
        title = f"{self.run.title}, protocol {self.run.protocol}, {len(self.run.fold_numbers)} folds"
        return title, pd.DataFrame(rows, columns=header)

    def ablations(self) -> dict[str, pd.DataFrame]:
        """The ablation table of each method that was run with ablations, as text."""
        tables = ablation_rows(self.run)
        return {whole: pd.DataFrame(rows, columns=header) for whole, (header, *rows) in tables.items()}

    def sweeps(self) -> dict[str, pd.DataFrame]:
        """The table of each sweep, as text."""
        tables = sweep_rows(self.run)
        return {title: pd.DataFrame(rows, columns=header) for title, (header, *rows) in tables.items()}

    def explain(self, **asked: Any) -> list[KeptExplanation]:
        """What predictions rest on; the arguments are those of `study.explain.explain_run`."""
        return explain_run(self.run, **asked)

    def warnings(self) -> list[str]:
        """Why some numbers flatter their methods, in sentences."""
        return [f"Optimistic: {names}. {reason}" for names, reason in warnings_of(self.run)]


def run_plan(
    plan: Plan,
    folder: Path,
    *,
    extraction: Callable[[Plan], ExtractionReport] = extract,
    progress: Callable[[Standing], None] | None = None,
    final: bool = False,
    shares: bool = False,
) -> Finished:
    """Do what is planned, into a folder; what is finished there is not done again.

    A fold that fails stops no other. The tables are of the methods whose folds are all done.

    Args:
        extraction: How slides become embeddings, if there are any.
        final: Train each method on all patients, too, after its folds.
        shares: Other processes, on this machine or another, may do the same: each slide and fold is done by whoever
            claims it first, and the last one measures and draws.

    Raises:
        ClaimedError: Another process works on the folder.
        UnwritableError: The folder, or where embeddings are kept, cannot be written to.
        PrognoscopeError: An input cannot be used, or no method could be trained.
    """
    spec = plan.study.spec
    check_folder(spec, folder)
    check_place(plan.study, folder)
    folder = folder.absolute()
    study = stored(plan.study, RunFiles(folder).embeddings)
    plan = replace(plan, study=study)
    try_places(study, folder, has_bags="bag" in plan.needs, extracts=plan.extracts)
    with at_work(folder, shares=shares) as turn:
        for sentence in (*plan.warnings, *plan.notes, *plan.told):
            log.info("%s", sentence)
        extracted = extraction(plan) if plan.extracts else None
        with turn():
            if shares:
                check_folder(spec, folder)  # as others have left it by now
                need_same_study(plan, folder)
            inputs, trainings = _begin(plan, folder, extracted)
        how = {"workers": plan.workers, "shares": shares, "cluster": plan.cluster}
        failures = work_off(trainings, surgery=plan.has_surgery, keep_models=spec.keep_models, progress=progress, **how)
        if progress is not None:
            progress(Standing(1.0, None, "measuring, comparing and drawing"))
        with turn():
            run, notes = _measure(plan, folder, inputs, trainings, failures)
        failed, told = train_finals(trainings, **how) if final else ([], [])
        told += without_weights(trainings) if spec.keep_models else []
        remove_leftovers(folder)  # of workers that died
        finished = Finished(run, (*inputs.notes, *plan.told, *notes, *told), (*failures, *failed))
        for sentence in (*finished.warnings(), *finished.notes):
            log.info("%s", sentence)
    return finished


def _begin(plan: Plan, folder: Path, extracted: ExtractionReport | None) -> tuple[Gathered, list[FoldJob]]:
    """What the trainings share, and the trainings; the run folder has all that precedes them."""
    study = plan.study
    inputs = gather(plan, extracted)
    trainings = fold_jobs(plan.methods, inputs, folder)
    mended = bind(folder, inputs.content, [*trainings, *permuted_jobs(trainings)])
    for sentence in mended:
        log.warning(sentence)
    begin(plan, folder, inputs)
    if study.extracted is not None:
        keep_previews(RunFiles(folder), study.extracted, plan.cohort.slides, inputs.failed)
    return inputs, trainings


def _measure(
    plan: Plan, folder: Path, inputs: Gathered, trainings: Sequence[FoldJob], failures: Sequence[Failure]
) -> tuple[Run, list[str]]:
    """The run with its tables and page, and what is to be told of them; another process may have made them by now."""
    study, before = plan.study, Run(folder)
    unfinished = {job.method.title for job in trainings if not job.is_done}
    sections = [method for method in study.spec.methods if method.title not in unfinished]
    if not sections:
        raise _no_method(failures, len(study.spec.methods))
    methods = [method.title for method in sections]
    if before.files.report.is_file() and before.provenance.methods == tuple(methods):
        return before, list(plan.notes)
    oracles = None
    if study.spec.cohort.truth is not None:
        oracles = read_oracles(study.folder / study.spec.cohort.truth, inputs.cohort.patients).risks
    rule = rule_of(study.spec.protocol)
    asked = Questions(
        methods=tuple(methods),
        pairs=tuple(pair for pair in pairs_of(study.spec.methods) if not unfinished.intersection(pair)),
        ablations=tuple(ablation_rows_of(sections)),
        sweeps=tuple(sweep_rows_of(sections, study.spec.training)),
        oracles=oracles,
        has_surgery=plan.has_surgery,
        draws=study.spec.evaluation.draws,
        seed=study.spec.training.seed,
        ddof=0 if rule is None else rule.ddof,
    )
    notes = (*plan.notes, *_changed_meanwhile(plan, inputs), *write_tables(Run(folder), asked))
    end(folder, inputs, provenance(plan, folder, inputs, methods, notes, failures))
    run = Run(folder)  # read anew, for a table may have looked for the provenance before it was there
    write_report(run)
    return run, [note for note in notes if "bootstrap draws" not in note]  # those few are in the report's provenance


def _changed_meanwhile(plan: Plan, inputs: Gathered) -> list[str]:
    """A sentence for tables, and one for embeddings, that are not any more what was read at the start."""
    study, said = plan.study, told_changes(plan.inputs, input_sums(plan.study))
    if inputs.sums and "" not in inputs.sums:  # a table of embeddings is among the tables
        try:
            now = embedding_sums(study, inputs.cohort)
        except InputError:  # their folder is gone
            now = {}
        own = {slide for slides in inputs.cohort.slides.values() for slide in slides}
        then = {slide: told for slide, told in inputs.sums.items() if slide in own}
        said += told_changes(then, now, "The embeddings of ")
    return said


def _no_method(failures: Sequence[Failure], methods: int) -> Exception:
    first = failures[0].sentence
    kind = StudyError if all(each.is_input for each in failures) else TrainingError
    return kind(
        first
        if methods == 1
        else f"None of the {methods} methods could be trained. The first of {len(failures)} failures: {first}"
    )
