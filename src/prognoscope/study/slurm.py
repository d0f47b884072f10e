"""A script for Slurm: an array of tasks that share one run, each taking the slides and folds that nobody has taken."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prognoscope.core.files import need_ours, write_text

OURS = "# Written by prognoscope slurm"
TERM_BEFORE_S = 90  # the time limit, so that what is begun is kept


@dataclass(frozen=True, slots=True)
class SlurmSpec:
    """What each task of the array is given."""

    tasks: int = 8
    cpus: int = 1  # each a process of `run --jobs`
    gpus: int = 0
    memory: str = ""  # as --mem takes it: 16G
    time: str = ""  # as --time takes it: 1-00:00:00
    partition: str = ""
    account: str = ""


def write_script(path: Path, study: Path, folder: Path, spec: SlurmSpec, options: Sequence[str] = ()) -> Path:
    """Write what `sbatch` takes. Submitted again, it goes on where tasks were stopped.

    Args:
        path: The script.
        study: The study file.
        folder: The run folder, which all machines see under this path.
        options: More options of `prognoscope run`.

    Raises:
        InputError: The path holds something else.
        UnwritableError: It cannot be written.
    """
    need_ours(path, OURS, cure="Name another file with --script.")
    told = {
        "job-name": f"prognoscope-{folder.name}",
        "array": f"1-{spec.tasks}",
        "cpus-per-task": str(spec.cpus),
        "gres": f"gpu:{spec.gpus}" if spec.gpus else "",
        "mem": spec.memory,
        "time": spec.time,
        "partition": spec.partition,
        "account": spec.account,
        "output": str(folder.absolute()).replace("%", "%%") + ".slurm-%A_%a.txt",
        "open-mode": "append",
        "signal": f"B:TERM@{TERM_BEFORE_S}",
    }
    command = [sys.executable, "-m", "prognoscope", "run", str(study.absolute()), "--out", str(folder.absolute())]
    command += ["--share", "--jobs", str(spec.cpus), *options]
    lines = [
        "#!/bin/bash",
        f"{OURS}: the tasks share the slides and folds of one run. Submitted again, it goes on.",
        *(f"#SBATCH --{name}={shlex.quote(value)}" for name, value in told.items() if value),  # read as by a shell
        "#SBATCH --requeue",
        f"exec {shlex.join(command)}",
    ]
    write_text(path, "\n".join([*lines, ""]))
    return path
