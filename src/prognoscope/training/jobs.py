"""Many folds, one after another or several at once; one that fails is told and does not stop the others."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from prognoscope.core.errors import DiskFullError, InputError
from prognoscope.core.faults import NO_ROOM, describe
from prognoscope.core.files import write_json, write_text
from prognoscope.core.parallel import run_many
from prognoscope.training.checkpoint import STATE
from prognoscope.training.crossval import FoldJob, run_fold

FAILURE, EPOCHS = "failure.json", "epochs.txt"  # EPOCHS: finished and all, of a fold that another process works on
TELL_EVERY_S = 0.25
OnEpoch = Callable[[FoldJob, int, int], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a fold of a method has no predictions."""

    method: str
    fold: int
    sentence: str  # names both
    is_input: bool  # whether it is the input's fault
    trace: str  # for whoever looks for a defect


def cross_validate(
    jobs: Sequence[FoldJob],
    *,
    workers: int = 1,
    on_epoch: OnEpoch | None = None,
    function: Callable[..., object] = run_fold,
) -> Iterator[tuple[FoldJob, Failure | None]]:
    """Train and test what is not done yet; each job as it ends, with why it failed if it did.

    A failure is kept as `failure.json` in the fold's folder, and the fold is tried again the next time.

    Args:
        workers: Processes; the numbers do not depend on it.
        on_epoch: Called with the job, its finished and all its epochs; with 0 of 0 when it begins.
        function: What is done to each job, called with it and a function of finished and all epochs; a module's own.

    Raises:
        OSError: The disk is full, which would stop all other jobs too.
    """
    for job in jobs:
        _remove(job.folder / FAILURE)
        _remove(job.folder / EPOCHS)  # of a process that was killed
        if job.is_done:
            _remove(job.folder / STATE)  # of a process that was killed between the two
    left = [job for job in jobs if not job.is_done]
    if workers == 1:
        for job in left:
            yield job, run_or_fail(job, on_epoch, function)
        return
    watch = None if on_epoch is None else _Watch(on_epoch)
    threads = left[0].spec.threads if left else 1
    run = partial(_run_and_tell, function=function)
    yield from run_many(run, left, workers=workers, threads=threads, retries=2, lost=_killed, on_wait=watch)


def run_or_fail(
    job: FoldJob, on_epoch: OnEpoch | None = None, function: Callable[..., object] = run_fold
) -> Failure | None:
    """Run a job; whatever stops it is kept and returned, unless it would stop all others too."""
    try:
        if on_epoch is None:
            function(job, None)
        else:
            on_epoch(job, 0, 0)
            function(job, lambda done, of: on_epoch(job, done, of))
    except Exception as error:  # whatever stops a fold must not stop the others; it is kept with its traceback
        if isinstance(error, DiskFullError) or (isinstance(error, OSError) and error.errno in NO_ROOM):
            raise
        trace = "".join(traceback.format_exception(error))
        failure = _kept(job, describe(error)[0], isinstance(error, InputError), trace)
    else:
        return None
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # of what was too large, now that the error holds it no longer
    return failure


def _run_and_tell(job: FoldJob, function: Callable[..., object]) -> Failure | None:
    told_at = 0.0

    def tell(_: FoldJob, done: int, of: int) -> None:
        nonlocal told_at
        if of and time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            write_text(job.folder / EPOCHS, f"{done} {of}")

    try:
        return run_or_fail(job, tell, function)
    finally:
        _remove(job.folder / EPOCHS)


def _killed(job: FoldJob) -> Failure:
    _remove(job.folder / EPOCHS)
    sentence = (
        "Its process was killed by the system, alone as beside others, most likely for want of memory. Lower "
        "training.patches_per_pass, or take a machine with more memory."
    )
    return _kept(job, sentence, False, "")


def _kept(job: FoldJob, sentence: str, is_input: bool, trace: str) -> Failure:
    sentence = sentence if sentence.startswith(job.label) else f"{job.label}: {sentence}"
    failure = Failure(job.method.title, job.split.fold, sentence, is_input, trace)
    write_json(job.folder / FAILURE, asdict(failure))
    return failure


class _Watch:
    """Tells the epochs of jobs in other processes, as those note them."""

    def __init__(self, on_epoch: OnEpoch):
        self.on_epoch = on_epoch
        self.told: dict[Path, tuple[int, int]] = {}

    def __call__(self, jobs: Sequence[FoldJob]) -> None:
        for job in jobs:
            now = (0, 0)
            with suppress(OSError, ValueError):
                done, of = (job.folder / EPOCHS).read_text(encoding="utf-8").split()
                now = (int(done), int(of))
            if self.told.get(job.folder) != now:
                self.told[job.folder] = now
                self.on_epoch(job, *now)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
