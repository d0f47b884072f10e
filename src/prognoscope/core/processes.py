"""Who writes: a process by a mark that no other ever has, and whether it is gone."""

import hashlib
import os
import re
import socket
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

LOST_S = 600.0  # without a sign of life after which a process of another machine counts as gone
PART = ".part"  # the ending of a file that is being written
LONGEST_STEM = 150  # bytes of a name that its partial file keeps, so that a disk takes whatever name the file may have
MARK = re.compile(r"[0-9a-f]{8}-\d+-\d+")


def mark_of_this_process() -> str:
    """Machine, number and beginning of this process, in letters that a file name may have."""
    return f"{_machine()}-{os.getpid()}-{_begun(os.getpid()) or 0}"


def part_beside(path: Path) -> Path:
    """A name beside a file that only this process has, and only once, for what is being written."""
    stem = path.name.encode()[:LONGEST_STEM].decode(errors="ignore")
    return path.with_name(f".{stem}.{mark_of_this_process()}-{uuid4().hex[:8]}{PART}")


def is_left(part: Path) -> bool:
    """Whether whoever was writing a partial file has ended."""
    mark = part.name.removesuffix(PART).rpartition(".")[2].rpartition("-")[0]
    return not is_mark(mark) or is_gone(mark, part)


def is_mark(text: object) -> bool:
    """Whether this can be the mark of a process."""
    return isinstance(text, str) and MARK.fullmatch(text) is not None


def is_gone(mark: str, path: Path) -> bool:
    """Whether the process with this mark has ended.

    Args:
        path: A file that it changes while it lives, by which processes of other machines are judged.
    """
    machine, pid, begun = mark.split("-")
    if machine != _machine():
        return age_s(path) > LOST_S
    now = _begun(int(pid))
    return now is None or now != int(begun)


def age_s(path: Path) -> float:
    """Seconds since the file was changed by the clock of its own disk, which may be another machine's; 0 if gone.

    Of a file from a time to come, which that clock was set back from, the seconds until then: nobody changes it now.
    """
    probe = part_beside(path)
    try:
        probe.touch()
        now = probe.stat().st_mtime
    except OSError:
        now = time.time()
    finally:
        with suppress(OSError):
            probe.unlink()
    try:
        return abs(now - path.stat().st_mtime)
    except OSError:
        return 0.0


@cache
def _machine() -> str:
    """Eight digits for what process numbers are counted in: a machine since its start, or a container of it."""
    told = [socket.gethostname()]
    with suppress(OSError):
        told.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        told.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]


def _begun(pid: int) -> int | None:
    """When a process of this machine began, in ticks of its clock, 0 where that is not told; None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None if Path("/proc/self/stat").exists() or not _answers(pid) else 0
    return None if fields[0] in "ZX" else int(fields[19])


def _answers(pid: int) -> bool:
    if os.name == "nt":
        return True  # there, a signal of 0 would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
