"""All trainings of a run and the surgery after them, in an order and with a clock."""

from collections.abc import Callable, Sequence

import numpy as np

from prognoscope.cohort.dataset import open_bags
from prognoscope.models.registry import model_class
from prognoscope.study.clock import Clock, Standing, Work
from prognoscope.study.surgery import SURGERY, operate, operation_on, permuted_job
from prognoscope.training.checkpoint import STATE
from prognoscope.training.crossval import PREDICTIONS, FoldJob
from prognoscope.training.jobs import Failure, cross_validate
from prognoscope.training.search import SEARCH


def work_off(
    trainings: Sequence[FoldJob],
    *,
    surgery: bool = False,
    workers: int = 1,
    progress: Callable[[Standing], None] | None = None,
) -> list[Failure]:
    """Do what is not done yet. Folds go in turn, each with all methods, so that soon all costs are known.

    Args:
        surgery: Whether each method is also trained on permuted outcomes of its first fold, and operated on.

    Returns:
        What failed; the rest is done.

    Raises:
        OSError: The disk is full.
    """
    for job in trainings:
        if not job.is_done:
            (job.folder / SURGERY).unlink(missing_ok=True)  # of a model that is made anew
    first = min(job.split.fold for job in trainings)
    jobs = [*trainings]
    if surgery:
        jobs += [permuted_job(job, job.spec.seed) for job in trainings if job.split.fold == first]
    operations = [operation_on(job) for job in trainings] if surgery else []
    guesses = {job.folder: _guess(job) for job in jobs}
    jobs.sort(key=lambda job: (job.split.fold, bool(job.purpose), -guesses[job.folder] if workers > 1 else 0))
    work = {job.label: Work(job.method.title, guesses[job.folder], job.label) for job in jobs}
    for each in operations:
        guess = 0.5 * guesses[each.folder] / each.n_epochs  # it only predicts, ten times, a small part of the patients
        work[each.label] = Work(f"{each.method.title}, operated on", guess, each.label)
    clock = Clock(work, workers=workers)
    for job in [*jobs, *operations]:
        if job.is_done:
            clock.finish(job.label)
    failures = []
    for stage, function in ((jobs, None), (operations, operate)):
        able = [job for job in stage if function is None or (job.folder / PREDICTIONS).is_file()]
        failures += _stage(able, function, clock, workers, progress)
    return failures


def _stage(jobs, function, clock: Clock, workers: int, progress) -> list[Failure]:
    resumed = {job.label for job in jobs if any((job.folder / begun).is_file() for begun in (STATE, SEARCH))}

    def tell(job: FoldJob, done: int, of: int) -> None:
        clock.advance(job.label, done, of) if of else clock.begin(job.label)
        show()

    def show() -> None:
        if progress is not None:
            progress(clock.standing())

    failures = []
    how = {} if function is None else {"function": function}
    for job, failure in cross_validate(jobs, workers=workers, on_epoch=tell, **how):
        clock.finish(job.label, counts=failure is None and job.label not in resumed)
        failures += [failure] if failure is not None else []
        show()
    return failures


def _guess(job: FoldJob) -> float:
    """Seconds of a training, to begin with; what they are relative to each other is what matters."""
    kind = model_class(job.method.name)
    if kind.fits_at_once:
        return 1.0
    patients = len(job.split.train) + len(job.split.validation)
    numbers = 100.0
    if "bag" in kind.needs | kind.learns_from and job.pack is not None:
        embeddings = open_bags(job.pack)
        patches = [slides[-1][2] for slides in map(embeddings.slides, job.split.train[:50]) if slides]
        numbers += float(np.mean(patches or [0])) * embeddings.embedding_dim
    return 5e-8 * job.n_epochs * patients * numbers
