"""How trainings run, whatever the method: what they choose by, and on what machine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from prognoscope.core.errors import InputError


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How trainings run, whatever the method."""

    seed: int = 0
    choose: Literal["last", "validation_loss", "validation_c_index", "test_c_index"] = "validation_loss"
    patience: int | None = None  # epochs without a better one before stopping; None runs all
    device: str = "cpu"
    precision: Literal["auto", "float32", "bf16"] = "auto"  # auto: bf16 on a GPU, float32 elsewhere
    threads: int = 1  # of a CPU training; fixed, because sums depend on it
    patches_per_pass: int | None = None  # a step of more is cut into passes whose gradients add up; None: by device
    save_every_s: float = 30.0  # seconds between the states that an interrupted training continues from

    def __post_init__(self):
        least = {"seed": 0, "threads": 1, "patches_per_pass": 1, "patience": 1}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise InputError(f"training.{name} is {value}. Give a whole number from {smallest} on.")

    @property
    def is_on_gpu(self) -> bool:
        """Whether the device is a CUDA one."""
        return self.device.startswith("cuda")

    @property
    def most_patches(self) -> int:
        """Of one pass. A GPU wants few large products; a CPU is faster while activations stay near its cache."""
        return self.patches_per_pass or (131_072 if self.is_on_gpu else 4096)


def autocast(spec: TrainingSpec) -> AbstractContextManager:
    """bfloat16 where the spec wants it; models keep reductions, softmax, transport and losses in float32."""
    wanted = spec.precision == "bf16" or (spec.precision == "auto" and spec.is_on_gpu)
    return torch.autocast("cuda" if spec.is_on_gpu else "cpu", dtype=torch.bfloat16, enabled=wanted)


@contextmanager
def fixed_threads(spec: TrainingSpec) -> Iterator[None]:
    """The spec's number of threads inside the block, the caller's after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(spec.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
