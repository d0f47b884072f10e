"""Many folds, one after another or several at once; one that fails is told and does not stop the others."""

import json
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

import torch

from prognoscope.core.claims import ClaimedError, claimed, wait_for_one
from prognoscope.core.errors import DiskFullError, InputError, UnwritableError
from prognoscope.core.faults import NO_ROOM, describe
from prognoscope.core.files import write_json, write_text
from prognoscope.core.parallel import Cluster, run_many
from prognoscope.runs.layout import FoldFiles
from prognoscope.training.job import FoldJob
from prognoscope.training.surgery import Operation

TELL_EVERY_S = 0.25
Job = TypeVar("Job", FoldJob, Operation)  # what can be done beside others
OnEpoch = Callable[[Job, int, int], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a fold of a method has no predictions."""

    method: str
    fold: int
    sentence: str  # names both
    is_input: bool  # whether it is the input's fault
    trace: str  # for whoever looks for a defect


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A fold is another process's."""

    is_done: bool


def cross_validate(
    jobs: Sequence[Job],
    function: Callable[..., object],
    *,
    workers: int = 1,
    shares: bool = False,
    cluster: str = "",
    on_epoch: OnEpoch[Job] | None = None,
) -> Iterator[tuple[Job, Failure | Elsewhere | None]]:
    """Train and test what is not done yet; each job as it ends, with why it failed if it did, or that others did it.

    A failure is kept as `failure.json` in the fold's folder, and the fold is tried again the next time.

    Args:
        function: What is done to each job, called with it and a function of finished and all epochs; a module's own,
            such as `run_fold`.
        workers: Processes; the numbers do not depend on it.
        shares: Other processes may do the same jobs: each is done by whoever claims it first, and waited for.
        cluster: The address of a Ray cluster, whose machines take the place of processes here.
        on_epoch: Called with the job, its finished and all its epochs; with 0 of 0 when it begins.

    Raises:
        OSError: The disk is full, which would stop all other jobs too.
    """
    for job in jobs:
        job.files.failure.unlink(missing_ok=True)
        job.files.epochs.unlink(missing_ok=True)  # of a process that was killed
        if job.is_done:
            job.files.state.unlink(missing_ok=True)  # of a process that was killed between the two
    left = [job for job in jobs if not job.is_done]
    watch = None if on_epoch is None else _Watch(on_epoch)
    threads = left[0].spec.threads if left else 1
    run = partial(_run_and_tell, function=function)
    how = {"workers": workers, "threads": threads, "retries": 2, "lost": _killed, "on_wait": watch}
    if cluster and left:
        run_folder, gpus = left[0].files.folder.parent.parent, int(left[0].spec.device.startswith("cuda"))
        how["cluster"] = Cluster(cluster, run_folder, gpus)
    elif workers == 1:
        run = partial(run_or_fail, function=function, on_epoch=on_epoch)
    if shares:
        run = partial(_run_claimed, run=run)
    while left:
        held = list[Job]()
        for job, end in run_many(run, left, **how):
            if isinstance(end, Elsewhere) and not end.is_done:
                held.append(job)
            else:
                yield job, end
        wait_for_one([[job.files.claim] for job in held], partial(watch, held) if watch else lambda: None)
        left = held


def run_or_fail(job: Job, function: Callable[..., object], on_epoch: OnEpoch[Job] | None = None) -> Failure | None:
    """Run a job; whatever stops it is kept and returned, unless it would stop all others too."""
    try:
        if on_epoch is None:
            function(job, None)
        else:
            on_epoch(job, 0, 0)
            function(job, lambda done, of: on_epoch(job, done, of))
    except Exception as error:  # whatever stops a fold must not stop the others; it is kept with its traceback
        if isinstance(error, DiskFullError | UnwritableError) or getattr(error, "errno", None) in NO_ROOM:
            raise
        trace = "".join(traceback.format_exception(error))
        failure = _kept(job, describe(error)[0], isinstance(error, InputError), trace)
    else:
        return None
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # of what was too large, now that the error holds it no longer
    return failure


def _run_claimed(job: Job, run: Callable[[Job], Failure | None]) -> Failure | Elsewhere | None:
    """Run a job that nobody else works on; what somebody else has done or failed at since is taken from there."""
    try:
        with claimed(job.files.claim, job.label):
            if job.is_done:
                return Elsewhere(is_done=True)
            return _read_failure(job) or run(job)
    except ClaimedError:
        return Elsewhere(is_done=False)


def _run_and_tell(job: Job, function: Callable[..., object]) -> Failure | None:
    told_at = 0.0

    def tell(_: FoldJob | Operation, done: int, of: int) -> None:
        nonlocal told_at
        if of and time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            write_text(job.files.epochs, f"{done} {of}")

    try:
        return run_or_fail(job, function, tell)
    finally:
        job.files.epochs.unlink(missing_ok=True)


def _killed(job: FoldJob | Operation) -> Failure:
    job.files.epochs.unlink(missing_ok=True)
    sentence = (
        "Its process was killed by the system, alone as beside others, most likely for want of memory. Lower "
        "training.patches_per_pass, or take a machine with more memory."
    )
    return _kept(job, sentence, False, "")


def _kept(job: FoldJob | Operation, sentence: str, is_input: bool, trace: str) -> Failure:
    sentence = sentence if sentence.startswith(job.label) else f"{job.label}: {sentence}"
    failure = Failure(job.method.title, job.split.fold, sentence, is_input, trace)
    write_json(job.files.failure, asdict(failure))
    return failure


def _read_failure(job: FoldJob | Operation) -> Failure | None:
    """What another process failed at since this one began."""
    try:
        return Failure(**json.loads(job.files.failure.read_bytes()))
    except FileNotFoundError:
        return None


class _Watch:
    """Tells the epochs of jobs in other processes, as those note them."""

    def __init__(self, on_epoch: OnEpoch):
        self.on_epoch = on_epoch
        self.told: dict[FoldFiles, tuple[int, int]] = {}

    def __call__(self, jobs: Sequence[FoldJob | Operation]) -> None:
        for job in jobs:
            now = (0, 0)
            with suppress(OSError, ValueError):
                done, of = job.files.epochs.read_text(encoding="utf-8").split()
                now = (int(done), int(of))
            if self.told.get(job.files) != now:
                self.told[job.files] = now
                self.on_epoch(job, *now)
