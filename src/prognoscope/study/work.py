"""All trainings of a run and the surgery after them, in an order and with a clock."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from prognoscope.cohort.dataset import open_bags
from prognoscope.core.words import count
from prognoscope.runs.manifest import AGAIN, is_there, unseal
from prognoscope.study.clock import Clock, Standing, Work
from prognoscope.training.crossval import run_fold
from prognoscope.training.job import FoldJob
from prognoscope.training.jobs import Failure, Job, cross_validate
from prognoscope.training.surgery import Operation, operate, permuted_job

log = logging.getLogger(__name__)


def work_off(
    trainings: Sequence[FoldJob],
    *,
    surgery: bool = False,
    keep_models: bool = True,
    workers: int = 1,
    shares: bool = False,
    cluster: str = "",
    progress: Callable[[Standing], None] | None = None,
) -> list[Failure]:
    """Do what is not done yet. Folds go in turn, each with all methods, so that soon all costs are known.

    Args:
        surgery: Whether each method is also trained on permuted outcomes of its first fold, and operated on.
        keep_models: Without, the weights of a fold are removed once nothing of these needs them.
        shares: Other processes may do the same; what they do is waited for.
        cluster: The address of a Ray cluster, whose machines take the place of processes here.

    Returns:
        What failed; the rest is done.

    Raises:
        OSError: The disk is full.
    """
    for job in trainings:
        if not job.is_done:
            job.files.surgery.unlink(missing_ok=True)  # of a model that is made anew
    jobs = [*trainings, *(permuted_jobs(trainings) if surgery else ())]
    operations = [Operation(job) for job in trainings] if surgery else []
    guesses = {job.files: _guess(job) for job in jobs}
    at_once = workers > 1 or shares or bool(cluster)
    jobs.sort(key=lambda job: (job.split.fold, bool(job.purpose), -guesses[job.files] if at_once else 0))
    work = {job.label: Work(job.method.title, guesses[job.files], job.label) for job in jobs}
    for each in operations:
        # it only predicts, ten times, a small part of the patients
        guess = 0.5 * guesses[each.files] / each.job.n_epochs
        work[each.label] = Work(f"{each.method.title}, operated on", guess, each.label)
    clock = Clock(work, workers=workers)
    for job in [*jobs, *operations]:
        if job.is_done:
            clock.finish(job.label)

    def ended(job: Job) -> None:
        needs_weights = surgery and isinstance(job, FoldJob) and not job.purpose
        if not keep_models and not needs_weights:
            unseal(job.files.folder, job.files.only_to_predict)

    how = {"workers": workers, "shares": shares, "cluster": cluster}
    failures = _stage(jobs, run_fold, clock, how, progress, ended)
    able = [each for each in operations if each.files.is_done]
    return failures + _stage(able, operate, clock, how, progress, ended)


def permuted_jobs(trainings: Sequence[FoldJob]) -> list[FoldJob]:
    """The trainings of the first fold of each method on outcomes that patients have exchanged."""
    first = min(job.split.fold for job in trainings)
    return [permuted_job(job, job.spec.seed) for job in trainings if job.split.fold == first]


def without_weights(trainings: Sequence[FoldJob]) -> list[str]:
    """A sentence on finished folds whose weights were removed, though now they are to be kept; [] if there is none."""
    gone = [job for job in trainings if job.is_done and not is_there(job.files.weights)]
    if not gone:
        return []
    folder = gone[0].files.folder.parent.parent
    return [f"{count(len(gone), 'fold')} of {folder} kept no weights, made under keep_models: false. {AGAIN}"]


def _stage(
    jobs: Sequence[Job],
    function: Callable[..., object],
    clock: Clock,
    how: Mapping[str, Any],
    progress: Callable[[Standing], None] | None,
    ended: Callable[[Job], None],
) -> list[Failure]:
    resumed = {job.label for job in jobs if job.files.state.is_file() or job.files.trials.is_file()}

    def tell(job: Job, done: int, of: int) -> None:
        if of:
            clock.advance(job.label, done, of)
        else:
            log.info("%s: begun", job.label)
            clock.begin(job.label)
        show()

    def show() -> None:
        if progress is not None:
            progress(clock.standing())

    failures = []
    for job, end in cross_validate(jobs, function, **how, on_epoch=tell):
        clock.finish(job.label, counts=end is None and job.label not in resumed)
        if isinstance(end, Failure):
            failures.append(end)
            log.info("%s: failed: %s", job.label, end.sentence)
        elif end is None:
            ended(job)
            log.info("%s: ended", job.label)
        show()
    return failures


def _guess(job: FoldJob) -> float:
    """Seconds of a training, to begin with; what they are relative to each other is what matters."""
    profile = job.method.profile
    if profile.is_solved:
        return 1.0
    patients = len(job.split.train) + len(job.split.validation)
    numbers = 100.0
    embeddings = open_bags(job.pack)
    if "bag" in profile.uses and embeddings is not None:
        there = set(embeddings.patients)
        having = [patient for patient in job.split.train[:50] if patient in there]
        patches = [slides[-1][2] for slides in map(embeddings.slides, having) if slides]
        numbers += float(np.mean(patches or [0])) * embeddings.embedding_dim
    return 5e-8 * job.n_epochs * patients * numbers
