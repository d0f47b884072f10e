"""Keeping freed memory for the next step of a long computation, with glibc; how much a process takes, on Linux."""

import ctypes
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
KEEP, LARGEST = 2**31 - 1, 2**26  # larger blocks would leave holes that nothing fits into
MOST_HOLES_MB, STEPS_BETWEEN = 512, 32
USUAL = 2**25  # 32 MiB: where glibc's own thresholds end when they grow with use


@contextmanager
def freed_memory_kept() -> Iterator[Callable[[], None]]:
    """Inside the block, tensors of up to 64 MiB reuse freed memory instead of pages that the system must clear first.

    A training step frees all that it took, and the next takes as much again. After the block, what is free goes back
    to the system. Does nothing where the C library is another one.

    What is yielded is to be called after each step: blocks of many sizes leave holes that the next ones do not fit in,
    more with each step. It gives them back when the process has grown by 512 MB, but seldom, as large steps grow so far
    without holes, and would each clear their pages anew.
    """
    libc = _glibc()
    if libc is None:
        yield lambda: None
        return
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST)
    libc.mallopt(M_TRIM_THRESHOLD, KEEP)
    most, steps = resident_mb("VmRSS") + MOST_HOLES_MB, 0

    def give_back_holes() -> None:
        nonlocal most, steps
        steps += 1
        if steps >= STEPS_BETWEEN and resident_mb("VmRSS") > most:
            libc.malloc_trim(0)
            most, steps = resident_mb("VmRSS") + MOST_HOLES_MB, 0

    try:
        yield give_back_holes
    finally:
        libc.mallopt(M_MMAP_THRESHOLD, USUAL)
        libc.mallopt(M_TRIM_THRESHOLD, 2 * USUAL)
        libc.malloc_trim(0)


def forget_peak() -> None:
    """From now on `resident_mb("VmHWM")` is the most since this call, where the system can do so."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def resident_mb(line: str) -> float:
    """MB (10^6 bytes) of memory that this process takes now, "VmRSS", or took at most, "VmHWM"; NaN if nobody tells."""
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(each.split()[1]) * 1024 / 1e6 for each in lines if each.startswith(line))
    return math.nan


def _glibc() -> ctypes.CDLL | None:
    with suppress(OSError, TypeError, AttributeError):  # no such library, or Windows, or another libc
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018 (AttributeError where it is not glibc)
        return libc
    return None
