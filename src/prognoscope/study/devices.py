"""What a study's device and number of processes mean on this machine."""

import os

from prognoscope.core.errors import StudyError


def device_of(name: str) -> str:
    """The torch device of a name: "auto" is the GPU where there is one.

    Raises:
        StudyError: There is no such device.
    """
    import torch  # which takes seconds to come

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as cause:
        raise StudyError(f"training.device: there is no device {name!r}; take auto, cpu or cuda.") from cause
    if device.type == "cuda" and not torch.cuda.is_available():
        raise StudyError(
            "training.device is cuda, but torch sees no GPU here. Take auto or cpu; `prognoscope doctor` says more."
        )
    return name


def workers_for(jobs: int, threads: int) -> tuple[int, tuple[str, ...]]:
    """How many processes may run at once without their threads fighting for cores, and a sentence if they are fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(jobs, max(1, cores // threads))
    if workers == jobs:
        return jobs, ()
    each = f", each of {threads} threads," if threads > 1 else ""
    return workers, (f"{jobs} jobs{each} are more than the {cores} cores here can run; {workers} ran at once.",)
