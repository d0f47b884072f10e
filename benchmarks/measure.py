"""Seconds, peak memory, and what the machine could do at best."""

import ctypes
import gc
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from prognoscope.core.memory import forget_peak, resident_mb
from prognoscope.training.cost import gflop_of


@dataclass
class Way:
    """One way to train, and what was measured of it."""

    method: str
    name: str
    precision: str
    run: Callable[[], int]  # trains; returns how many patients
    seconds: list[float] = field(default_factory=list)  # a patient, turn by turn
    peak_mb: float = 0.0

    @property
    def each(self) -> float:
        """Seconds a patient: the median, without the first turn, which warms up, where there are others."""
        return statistics.median(self.seconds[1:] or self.seconds)


def measure(
    ways: Sequence[Way],
    device: str,
    *,
    rounds: int,
    budget_s: float,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Let the ways take turns, so that whatever else the machine does slows all of them.

    A way takes a first turn, which also measures its memory, and up to `rounds` more until it has had its seconds.
    """
    spent = dict.fromkeys(map(id, ways), 0.0)
    for turn in range(1 + rounds):
        for way in ways:
            if turn and spent[id(way)] >= budget_s:
                continue
            before = settled_mb(device) if turn == 0 else 0.0
            start = clock()
            n = way.run()
            wait_for(device)
            took = clock() - start
            if turn == 0:
                way.peak_mb = highest_mb(device) - before
            way.seconds.append(took / n)
            spent[id(way)] += took


def settled_mb(device: str) -> float:
    """MB (10^6 bytes) taken now, with what is no longer used given back and the highest so far forgotten."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 1e6
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    forget_peak()
    return resident_mb("VmRSS")


def highest_mb(device: str) -> float:
    """The most MB taken since `settled_mb`."""
    return torch.cuda.max_memory_allocated() / 1e6 if device.startswith("cuda") else resident_mb("VmHWM")


def wait_for(device: str) -> None:
    """Until the device has done all that it was told to."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def product_seconds(device: str, precision: str) -> float:
    """A product of 2048 x 2048 matrices, 17.2 GFLOP, median; of a processor its own seconds."""
    a, b = torch.randn(2, 2048, 2048, device=device).to(torch.bfloat16 if precision == "bf16" else torch.float32)
    return _median_seconds(lambda: a @ b, device)


def copy_gb_per_s(device: str) -> float:
    """GB a second that are read and written by a copy of 256 MB, too much for a cache."""
    values = torch.ones(64 * 2**20, device=device)
    into = torch.empty_like(values)
    return 2 * values.nbytes / 1e9 / _median_seconds(lambda: into.copy_(values), device)


def work_of(step: Callable[[], object]) -> tuple[float, float]:
    """GFLOP of the products, and GB that all operations read and write, of a step that is run once for it."""
    with ByteCounter() as traffic:
        return gflop_of(step), traffic.total / 1e9


class ByteCounter(TorchDispatchMode):
    """Adds up the bytes of all tensors that operations read and write; views cost nothing."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [each for each in tree_leaves((args, kwargs, result)) if isinstance(each, Tensor)]
            self.total += sum(min(each.nbytes, each.untyped_storage().nbytes()) for each in tensors)
        return result


def machine(device: str) -> str:
    """The device and the versions, on one line."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else f"{_processor()}, one thread"
    return f"{name}; Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"


def _median_seconds(run: Callable[[], object], device: str, rounds: int = 3) -> float:
    clock = time.perf_counter if device.startswith("cuda") else time.process_time  # other work does not count

    def once() -> float:
        start = clock()
        run()
        wait_for(device)
        return clock() - start

    return statistics.median([once() for _ in range(1 + rounds)][1:])


def _processor() -> str:
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        for line in islice((line for line in lines if line.startswith("model name")), 1):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
