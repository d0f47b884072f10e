"""A method trained on all patients: the same recipe, to the epoch that its folds chose in the middle."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median_low

from prognoscope.cohort.splits import Split, inner_split
from prognoscope.core.errors import PrognoscopeError
from prognoscope.runs.card import read_card
from prognoscope.runs.manifest import damage, read_manifest, seal
from prognoscope.training.crossval import keep_training
from prognoscope.training.job import FoldJob
from prognoscope.training.search import chosen_job
from prognoscope.training.spec import fixed_threads
from prognoscope.training.trained import Trained

PURPOSE = "all patients"


def final_job(folds: Sequence[FoldJob]) -> FoldJob:
    """The training of a method on everybody in its finished folds.

    Nobody is left to choose an epoch by, so it is the median of those that the folds chose, the lower one of two; the
    learning rate goes as if all epochs were to come. Of a method that is made of members, which choose epochs of their
    own, as many patients choose as in a fold.
    """
    job, splits = folds[0], [each.split for each in folds]
    everybody = sorted({p for split in splits for part in (split.train, split.validation, split.test) for p in part})
    job = replace(job, files=job.files.final, drawn=None, purpose=PURPOSE)
    number = max(split.fold for split in splits) + 1
    if job.method.members and job.split.validation:
        share = len(job.split.validation) / (len(job.split.train) + len(job.split.validation))
        train, validation = inner_split(everybody, job.cohort.outcome, share, job.spec.seed, fold=number)
        return replace(job, split=Split(number, train, validation, ()))
    chosen = [epoch for each in folds if (epoch := read_card(each.files.card).chosen_epoch) is not None]
    stop = median_low(chosen) + 1 if chosen else None
    spec = replace(job.spec, choose="last", patience=None, stop_after=stop)
    return replace(job, split=Split(number, tuple(everybody), (), ()), spec=spec)


def run_final(job: FoldJob, on_epoch: Callable[[int, int], None] | None = None) -> None:
    """Train on all patients; writes the model, what it says of them, and what they are like as a whole.

    Raises:
        PrognoscopeError: The training cannot go on; the message names the method, and no file is left.
    """
    if is_finished(job):
        return
    for path in (job.files.manifest, *job.files.kept):
        path.unlink(missing_ok=True)
    try:
        with fixed_threads(job.spec):
            asked = job
            if job.search is not None:
                asked, on_epoch = chosen_job(job, job.search, on_epoch)
            data = asked.data()
            how = {"metric": asked.metric, "files": job.files, "about": asked.notes, "on_epoch": on_epoch}
            trained = Trained.fit(asked.method, data, asked.spec, **how)
            trained.save(job.files)
            keep_training(trained, data.dataset(data.learned, trained.model.profile.uses), job.files)
    except PrognoscopeError as cause:
        job.files.state.unlink(missing_ok=True)
        raise type(cause)(f"{job.label}: {cause}") from cause
    seal(job.files.folder, job.files.kept, job.made_of)
    job.files.state.unlink(missing_ok=True)
    shutil.rmtree(job.files.members, ignore_errors=True)  # the model has them


def is_finished(job: FoldJob) -> bool:
    """Whether it is there as a whole, made of what it would be made of now."""
    folder = job.files.folder
    if not job.files.is_done or damage(folder):
        return False
    manifest = read_manifest(folder)
    return manifest is not None and manifest.made_of.parts == job.made_of.parts
