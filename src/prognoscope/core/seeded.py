"""Random numbers of torch from a seed, within a block."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, devices: Sequence[torch.device] = ()) -> Iterator[None]:
    """Let torch draw from a seed within, on the CPU and on these GPUs, and then go on as if nothing had been drawn.

    Without a GPU the CPU's generator alone is seeded: `torch.manual_seed` would also write out the stack of its caller,
    at every call, for each kind of accelerator that may yet be used.
    """
    with torch.random.fork_rng(devices=devices):
        if devices:
            torch.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)
        yield
