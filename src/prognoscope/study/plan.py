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
from prognoscope.cohort.splits import Split, check_comparable, check_splits, make_splits, told_of_splits
from prognoscope.core.errors import CohortError, InputError, StudyError, some
from prognoscope.core.genes import GeneSelection
from prognoscope.core.outcome import TimeBins
from prognoscope.core.parallel import need_cluster
from prognoscope.core.words import count
from prognoscope.omics.differential import uses_deseq2
from prognoscope.study.departures import competing_notes, departure_notes, general_notes, rule_notes
from prognoscope.study.devices import device_of, workers_for
from prognoscope.study.input_files import input_sums
from prognoscope.study.inputs import read_cohorts, without_patchless
from prognoscope.study.jobs import (
    Gathered,
    PlannedMethod,
    bins_of,
    check_parts,
    enough_of,
    fold_jobs,
    needs_of,
    planned_methods,
)
from prognoscope.study.lacking import told_of_lacking
from prognoscope.study.left_out import without_slides
from prognoscope.study.looks import Looks, look_at_embeddings
from prognoscope.study.methods import choose_methods, sizes_to_come
from prognoscope.study.search import check_searches, search_notes
from prognoscope.study.sections import changes
from prognoscope.study.spec import StudySpec
from prognoscope.study.study_file import StudyFile
from prognoscope.training.job import FoldJob
from prognoscope.training.parts import member_splits
from prognoscope.training.search import inner_splits
from prognoscope.training.spec import Precision, settled_precision

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """A study, settled: every value here was made once, and whoever works by it takes it from here."""

    study: StudyFile  # with the methods that the cohort allows in the place of `all`
    cohort: Cohort  # everybody with usable follow-up and, as far as files tell, a patch
    needs: frozenset[str]  # what any method predicts or learns from: "bag", "omics", "clinical"
    splits: tuple[Split, ...]  # of the patients whom any method can predict
    drawn: tuple[Split, ...]  # where several endpoints share folds: of everybody who has any of them; else empty
    methods: tuple[PlannedMethod, ...]
    device: str
    precision: Precision
    workers: int  # processes at once
    cluster: str  # the address of a Ray cluster, whose machines take their place; "" without
    inputs: Mapping[str, str]  # table that the study names -> SHA-256, before it was read
    looks: Looks  # what the embedding files say that were there, and which cannot be used
    notes: tuple[str, ...]  # what the results will be told with: methods left out, settings not searched
    told: tuple[str, ...]  # what concerns this machine alone, and no result
    warnings: tuple[str, ...]  # what may stop the run, or spoil it

    @property
    def patients(self) -> Cohort:
        """The patients who have all that one method or another predicts from."""
        return self.cohort.needing_any(self.alternatives)

    @property
    def alternatives(self) -> tuple[frozenset[str], ...]:
        """What is enough for one method or another to predict a patient from."""
        return _alternatives(self.methods, self.cohort)

    @property
    def has_surgery(self) -> bool:
        """Whether each method is also trained on permuted outcomes, and predicts with genes and bags of others."""
        return self.study.spec.evaluation.surgery and {"bag", "omics"} <= self.needs

    @property
    def extracts(self) -> bool:
        """Whether slides become embeddings first."""
        return "bag" in self.needs and self.study.spec.cohort.slides is not None


def plans(study: StudyFile, *, jobs: int = 1, cluster: str = "", elsewhere: bool = False) -> dict[str, Plan]:
    """The name of each endpoint -> the plan of it: the same settings and folds, with the patients who have it.

    Of a study with one endpoint, or with one chosen, the name is "".

    Raises:
        PrognoscopeError: As `plan`.
    """
    clinical = study.spec.cohort.clinical
    if not clinical.is_of_several:
        return {"": plan(study, jobs=jobs, cluster=cluster, elsewhere=elsewhere)}
    found = {}
    for name in clinical.endpoints:
        cohort = replace(study.spec.cohort, clinical=clinical.of(name))
        own = replace(study, spec=study.spec.model_copy(update={"cohort": cohort}))
        found[name] = plan(own, jobs=jobs, cluster=cluster, elsewhere=elsewhere)
    return found


def plan(study: StudyFile, *, jobs: int = 1, cluster: str = "", elsewhere: bool = False) -> Plan:
    """Settle a study: read its tables, choose and try its methods, draw its folds, prepare each; nothing is written.

    Args:
        jobs: Processes at once that are wished for.
        cluster: The address of a Ray cluster, whose machines take their place.
        elsewhere: The study will run on another machine, so a device that this one lacks is a warning.

    Raises:
        StudyError: The study has several endpoints, so that `plans` makes a plan for each.
        PrognoscopeError: What a run would stop at before it trains anything.
    """
    if cluster:
        need_cluster(cluster, jobs)
    where, training, inputs = study.where, study.spec.training, input_sums(study)
    if where.clinical.is_of_several:
        raise StudyError(
            f"The study has the endpoints {some(where.clinical.endpoints)}, each with a plan and a run of its own. "
            "Name one in cohort.clinical.endpoint, or call `run_endpoints`."
        )
    cohort, everybody = read_cohorts(study.spec.name, where)
    chosen = choose_methods(study.spec.methods, cohort, sizes_to_come(cohort), changes(training))
    spec = study.spec.model_copy(update={"methods": chosen.methods})
    study = replace(study, spec=spec)
    check_searches(spec, sizes_to_come(cohort))
    device, warnings = _device(training.device, elsewhere)
    precision = settled_precision(training.precision, device)
    methods = planned_methods(spec, device, precision)
    alternatives = _alternatives(methods, cohort)
    if where.truth is not None:
        truth = read_oracles(Path(where.truth), cohort.patients)
        cohort = cohort.told(truth.notes, truth.warnings)
    looks = Looks()
    if "bag" in chosen.needs:
        looks = look_at_embeddings(where, cohort)
        cohort = without_slides(cohort, looks.faults, where, sum(map(len, cohort.slides.values())))
        cohort = without_patchless(cohort, looks.heads, alternatives)
    notes, odd = told_of_splits(cohort, study.splits)
    cohort = cohort.told(notes, odd)
    with cohort.account.told_first():
        complete = cohort.needing_any(alternatives)
    with complete.account.told_first():
        drawn = () if everybody is None else make_splits(everybody.needing_any(alternatives), study.splits)
        splits = splits_of(study, complete, drawn)
        check_parts(methods, complete, splits)
    workers, told = workers_for(jobs, training.threads)
    told += _try_folds(spec, complete, splits, methods)
    like = rule_notes(spec, len(splits))
    differs = departure_notes(spec, folds=len(splits), precision=precision)
    lacking = told_of_lacking([each.method for each in methods], complete)
    told_of = (*chosen.left_out, *competing_notes(cohort), *like, *general_notes(spec), *differs)
    notes = (*told_of, *search_notes(spec), *looks.notes, *lacking)
    sizes = (count(len(methods), "method"), count(len(complete), "patient"), count(len(splits), "fold"))
    log.info("planned %s, %s, %s, on %s", *sizes, device)
    return Plan(
        *(study, cohort, chosen.needs, splits, drawn, methods, device, precision, workers, cluster, inputs, looks),
        *(notes, told, warnings),
    )


def _alternatives(methods: Sequence[PlannedMethod], cohort: Cohort) -> tuple[frozenset[str], ...]:
    enough = enough_of([each.method for each in methods], cohort)
    return tuple(needs for alternatives in enough.values() for needs in alternatives)


def splits_of(study: StudyFile, cohort: Cohort, drawn: Sequence[Split]) -> tuple[Split, ...]:
    """The folds of these patients.

    Args:
        drawn: Those of everybody with any endpoint, where several share them.

    Raises:
        CohortError: As `make_splits`; or the folds that endpoints share have a part without an event of this one.
    """
    if not drawn:
        return make_splits(cohort, study.splits)
    patients = set(cohort.patients)
    splits = tuple(split.only(patients) for split in drawn)
    try:
        check_splits(splits, cohort.outcome)
    except CohortError as cause:
        raise CohortError(f"Endpoint {study.spec.cohort.clinical.endpoint}: {cause}") from cause
    return splits


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
    told: list[str] = []
    selections: set[GeneSelection | None] = {None}
    for each in methods:
        selection = each.method.profile.gene_selection
        if selection is None or cohort.omics is None:
            continue
        if uses_deseq2(cohort.omics.values, selection):
            told.append(f"{each.method.title} chooses genes by DESeq2 in each fold, which is first tried by the run.")
        else:
            selections.add(selection)
    jobs = sorted(fold_jobs(methods, Gathered(cohort, tuple(splits)), Path()), key=lambda job: job.split.fold)
    own = {job.label: "" if job.drawn is None else f"{job.method.title}, " for job in jobs}  # whose parts they are
    for job in jobs:
        is_solved = job.method.profile.is_solved
        if not (is_solved or job.split.validation) and job.spec.choose.startswith("validation"):
            whom = f" of patients whom {job.method.title} can predict" if own[job.label] else ""
            raise StudyError(
                f"Fold {job.split.fold} has no validation part{whom} to choose an epoch by. Give splits.validation "
                "more than 0" + (", or take training.choose: last." if spec.protocol == "honest" else ".")
            )
        _check_compared(job)
    _check_bins(cohort, {f"{own[job.label]}fold {job.split.fold}": job.split for job in jobs}, bins_of(spec))
    tried = set[tuple[Split, GeneSelection | None]]()
    for job in jobs:
        for selection in (None, job.method.profile.gene_selection):
            if selection in selections and (job.split, selection) not in tried:
                tried.add((job.split, selection))
                whose = own[job.label] if selection is None else f"{job.method.title}, "
                _prepare(cohort, job.split, bins_of(spec), selection, whose)
    for job in jobs:
        if job.search is not None:
            inner = {f"inner fold {each.fold} of {job.label}": each for each in inner_splits(job, job.search)}
            patients = (*job.split.train, *job.split.validation)
            _check_bins(cohort.take(patients), inner, job.bins)
        for label, divided in inner_member_splits(job).items():
            inner = {f"inner fold {each.fold} of {label} in {job.label}": each for each in divided}
            patients = sorted(p for part in (divided[0].train, divided[0].validation, divided[0].test) for p in part)
            _check_bins(cohort.take(patients), inner, job.bins)
    return tuple(dict.fromkeys(told))


def inner_member_splits(job: FoldJob) -> dict[str, tuple[Split, ...]]:
    """Label -> the inner folds by which the run will train each member of a method, as far as tables tell.

    Raises:
        CohortError: A member has too few patients with events for them.
    """
    members, found = job.method.members, {}
    needs = needs_of(members.values(), job.cohort) if members else {}
    for label in members:
        able = job.cohort.able(needs[label])
        try:
            found[label] = member_splits(job.method, job.cohort, job.split.only(able), job.spec)
        except CohortError as cause:
            raise CohortError(f"{job.label}, member {label}: {cause}") from cause
    return found


def _check_compared(job: FoldJob) -> None:
    """Refuse a fold of whom a loss that compares patients finds no two."""
    if not job.method.profile.compares_patients:
        return
    parts = {"training": job.split.train}
    if job.spec.choose == "validation_loss":
        parts["validation"] = job.split.validation
    for part, patients in parts.items():
        if patients:
            check_comparable(job.cohort.take(patients).outcome, f"{job.label}: ", part)


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
