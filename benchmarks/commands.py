"""What a command takes, seen from outside while it runs: processor seconds, memory, open files. On Linux."""

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 0.05  # between two looks


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process took, its children's seconds included."""

    code: int
    seconds: float  # of processors
    peak_mb: float  # resident at most
    own_mb: float  # of it, what cannot be read again from files
    mapped_mb: float  # of it, pages of files, which the system can take back
    open_files: int


def spent_by(command: list[str], said: Path, limit_s: int | None = None) -> Spent:
    """Run a command to its end, with one thread a process.

    Args:
        said: A file for what it prints.
        limit_s: Processor seconds after which it is ended.
    """
    most = {"VmHWM": 0.0, "RssAnon": 0.0, "RssFile": 0.0}
    open_files = 0
    limit = () if limit_s is None else ("prlimit", f"--cpu={limit_s}")
    with said.open("w") as file:
        process = subprocess.Popen(
            [*limit, *command], stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            with suppress(OSError, ValueError):  # it has just ended
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                    name, _, value = line.partition(":")
                    if name in most:
                        most[name] = max(most[name], int(value.split()[0]) * 1024 / 1e6)
                open_files = max(open_files, len(os.listdir(f"/proc/{process.pid}/fd")))
            time.sleep(LOOK_S)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime + usage.ru_stime
    return Spent(process.returncode, seconds, most["VmHWM"], most["RssAnon"], most["RssFile"], open_files)
