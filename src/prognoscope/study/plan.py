"""What will be done with a study, settled once: with whom, by which folds, with which methods, trained how and where.

A Plan is made from the tables and a look at each embedding file, and writes nothing. `check` prints it, `extract` and
`run` take it. Who has patches in slides that are not extracted yet, only their embeddings tell: `gather(plan)` makes
them and settles patients and folds, of which `fold_jobs(plan.methods, gathered, folder)` makes the list of trainings.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prognoscope.analysis.oracles import read_oracles
from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.preparation import Preparation, binned
from prognoscope.cohort.splits import Split, check_comparable, check_measured, make_splits, told_of_splits
from prognoscope.core.errors import CohortError, InputError, StudyError, some
from prognoscope.core.genes import GeneSelection
from prognoscope.core.outcome import TimeBins
from prognoscope.core.words import count
from prognoscope.omics.differential import uses_deseq2
from prognoscope.study.departures import departure_notes, general_notes, rule_notes
from prognoscope.study.devices import device_of, workers_for
from prognoscope.study.input_files import input_sums
from prognoscope.study.inputs import read_cohort, without_patchless
from prognoscope.study.jobs import Gathered, PlannedMethod, bins_of, fold_jobs, planned_methods
from prognoscope.study.left_out import without_slides
from prognoscope.study.looks import Looks, look_at_embeddings
from prognoscope.study.methods import choose_methods, sizes_to_come
from prognoscope.study.search import check_searches, search_notes
from prognoscope.study.sections import changes
from prognoscope.study.spec import StudySpec
from prognoscope.study.study_file import StudyFile
from prognoscope.training.search import inner_splits
from prognoscope.training.spec import Precision, settled_precision

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """A study, settled: every value here was made once, and whoever works by it takes it from here."""

    study: StudyFile  # with the methods that the cohort allows in the place of `all`
    cohort: Cohort  # everybody with usable follow-up and, as far as files tell, a patch
    needs: frozenset[str]  # what a patient must have: "bag", "omics", "clinical"
    splits: tuple[Split, ...]  # of the patients who have it
    methods: tuple[PlannedMethod, ...]
    device: str
    precision: Precision
    workers: int  # processes at once
    inputs: Mapping[str, str]  # table that the study names -> SHA-256, before it was read
    looks: Looks  # what the embedding files say that were there, and which cannot be used
    notes: tuple[str, ...]  # what the results will be told with: methods left out, settings not searched
    told: tuple[str, ...]  # what concerns this machine alone, and no result
    warnings: tuple[str, ...]  # what may stop the run, or spoil it

    @property
    def patients(self) -> Cohort:
        """The patients who have all that any method needs."""
        return self.cohort.needing(self.needs)

    @property
    def extracts(self) -> bool:
        """Whether slides become embeddings first."""
        return "bag" in self.needs and self.study.spec.cohort.slides is not None


def plan(study: StudyFile, *, jobs: int = 1, elsewhere: bool = False) -> Plan:
    """Settle a study: read its tables, choose and try its methods, draw its folds, prepare each; nothing is written.

    Args:
        jobs: Processes at once that are wished for.
        elsewhere: The study will run on another machine, so a device that this one lacks is a warning.

    Raises:
        PrognoscopeError: What a run would stop at before it trains anything.
    """
    where, training, inputs = study.where, study.spec.training, input_sums(study)
    cohort = read_cohort(study.spec.name, where)
    chosen = choose_methods(study.spec.methods, cohort, sizes_to_come(cohort), changes(training))
    spec = study.spec.model_copy(update={"methods": chosen.methods})
    study = replace(study, spec=spec)
    check_searches(spec, sizes_to_come(cohort))
    device, warnings = _device(training.device, elsewhere)
    if where.truth is not None:
        truth = read_oracles(Path(where.truth), cohort.patients)
        cohort = cohort.told(truth.notes, truth.warnings)
    looks = Looks()
    if "bag" in chosen.needs:
        looks = look_at_embeddings(where, cohort)
        cohort = without_slides(cohort, looks.faults, where, sum(map(len, cohort.slides.values())))
        cohort = without_patchless(cohort, looks.heads)
    notes, odd = told_of_splits(cohort, study.splits)
    cohort = cohort.told(notes, odd)
    with cohort.account.told_first():
        complete = cohort.needing(chosen.needs)
    with complete.account.told_first():
        splits = make_splits(complete, study.splits)
        check_measured(splits, complete.outcome)
    precision = settled_precision(training.precision, device)
    methods = planned_methods(spec, device, precision)
    workers, told = workers_for(jobs, training.threads)
    told += _try_folds(spec, complete, splits, methods)
    like = rule_notes(spec, len(splits))
    differs = departure_notes(spec, folds=len(splits), precision=precision)
    notes = (*chosen.left_out, *like, *general_notes(spec), *differs, *search_notes(spec), *looks.notes)
    sizes = (count(len(methods), "method"), count(len(complete), "patient"), count(len(splits), "fold"))
    log.info("planned %s, %s, %s, on %s", *sizes, device)
    return Plan(
        study, cohort, chosen.needs, splits, methods, device, precision, workers, inputs, looks, notes, told, warnings
    )


def _device(asked: str, elsewhere: bool) -> tuple[str, tuple[str, ...]]:
    try:
        return device_of(asked), ()
    except StudyError as cause:
        if not elsewhere:
            raise
        return asked, (str(cause),)


def _try_folds(
    spec: StudySpec, cohort: Cohort, splits: Sequence[Split], methods: Sequence[PlannedMethod]
) -> tuple[str, ...]:
    """Whatever each fold does before it trains: prepare its patients, choose genes, divide its training part again.

    Returns:
        A sentence on what takes too long to be tried.
    """
    is_solved = {each.method.title: each.method.profile.recipe is None for each in methods}
    told: list[str] = []
    selections: dict[GeneSelection | None, str] = {None: ""}
    for each in methods:
        selection = each.method.profile.gene_selection
        if selection is None or cohort.omics is None:
            continue
        if uses_deseq2(cohort.omics.values, selection):
            told.append(f"{each.method.title} chooses genes by DESeq2 in each fold, which is first tried by the run.")
        else:
            selections.setdefault(selection, f"{each.method.title}, ")
    for split in splits:
        choosing = [each for each in methods if each.spec.choose.startswith("validation")]
        if not split.validation and not all(is_solved[each.method.title] for each in choosing):
            raise StudyError(
                f"Fold {split.fold} has no validation part to choose an epoch by. Give splits.validation more than 0"
                + (", or take training.choose: last." if spec.protocol == "honest" else ".")
            )
        _check_compared(cohort, split, methods)
    _check_bins(cohort, {f"fold {each.fold}": each for each in splits}, bins_of(spec))
    for split in splits:
        for selection, title in selections.items():
            _prepare(cohort, split, bins_of(spec), selection, title)
    for job in fold_jobs(methods, Gathered(cohort, tuple(splits)), Path()):
        if job.search is not None:
            inner = {f"inner fold {each.fold} of {job.label}": each for each in inner_splits(job, job.search)}
            patients = (*job.split.train, *job.split.validation)
            _check_bins(cohort.take(patients), inner, job.bins)
    return tuple(dict.fromkeys(told))


def _check_compared(cohort: Cohort, split: Split, methods: Sequence[PlannedMethod]) -> None:
    """Refuse a fold of whom a loss that compares patients finds no two."""
    for each in methods:
        if each.method.profile.compares_patients:
            is_chosen = each.spec.choose == "validation_loss"
            parts = {"training": split.train, "validation": split.validation if is_chosen else ()}
            for part, patients in parts.items():
                if patients:
                    check_comparable(cohort.take(patients).outcome, f"{each.method.title}, fold {split.fold}: ", part)


def _check_bins(cohort: Cohort, splits: Mapping[str, Split], bins: Mapping[str, Any]) -> None:
    """Refuse more time bins than the follow-up of each fold gives; the cure then holds for all of them.

    Raises:
        CohortError: Some fold does not give so many.
    """
    wanted, whole = bins["n_bins"], bins["bins_from"] == "cohort"
    times = {
        label: binned(cohort, cohort.take((*split.train, *split.validation)), bins["bins_from"])
        for label, split in splits.items()
    }

    def lacking(number: int) -> list[str]:
        most = {label: TimeBins.most(*of_fold, n_bins=number, closed_ends=whole) for label, of_fold in times.items()}
        return [label for label in times if most[label] < number]

    if few := lacking(wanted):
        possible = next((number for number in range(wanted - 1, 1, -1) if not lacking(number)), None)
        cure = f"Set training.n_bins to {possible}" if possible else "Give times that differ more"
        raise CohortError(
            f"training.n_bins is {wanted}, but the times of events are too few, or too often the same, for {wanted} "
            f"time bins, in {some(few)}. {cure}."
        )


def _prepare(
    cohort: Cohort, split: Split, bins: Mapping[str, Any], selection: GeneSelection | None, title: str
) -> None:
    try:
        Preparation.fit(cohort, (*split.train, *split.validation), **bins, selection=selection)
    except InputError as cause:
        raise type(cause)(f"{title}fold {split.fold}: {cause}") from cause
