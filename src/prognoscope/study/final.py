"""Models of all patients, trained once the folds of a run are finished."""

from collections.abc import Sequence

from prognoscope.core.words import count
from prognoscope.runs.card import read_card
from prognoscope.training.final import final_job, run_final
from prognoscope.training.job import FoldJob
from prognoscope.training.jobs import Failure, cross_validate


def train_finals(
    trainings: Sequence[FoldJob], *, workers: int = 1, shares: bool = False, cluster: str = ""
) -> tuple[list[Failure], list[str]]:
    """Train each method whose folds are all done on all of its patients; what is finished is not done again.

    Returns:
        What failed, and a sentence for each model.
    """
    folds: dict[str, list[FoldJob]] = {}
    for job in trainings:
        folds.setdefault(job.method.title, []).append(job)
    jobs = {title: final_job(each) for title, each in folds.items() if all(job.is_done for job in each)}
    ended = list(cross_validate(list(jobs.values()), run_final, workers=workers, shares=shares, cluster=cluster))
    failures = [end for _, end in ended if isinstance(end, Failure)]
    failed = {failure.method for failure in failures}
    return failures, [_told(job, folds[title]) for title, job in jobs.items() if title not in failed]


def _told(job: FoldJob, folds: Sequence[FoldJob]) -> str:
    said = f"{job.method.title} was trained on all {count(len(job.split.train) + len(job.split.validation), 'patient')}"
    if job.spec.stop_after is None:
        return f"{said}."
    chosen = [str((read_card(each.files.card).chosen_epoch or 0) + 1) for each in folds]
    return (
        f"{said}, for {count(job.spec.stop_after, 'epoch')}, the median of what its folds chose ({', '.join(chosen)})."
    )
