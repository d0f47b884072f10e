"""How trainings run, whatever the method: what they choose by, and on what machine."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How trainings run, whatever the method."""

    seed: int = 0
    choose: Literal["last", "validation_loss", "validation_c_index", "test_c_index"] = "validation_loss"
    patience: int | None = None  # epochs without a better one before stopping; None runs all
    device: str = "cpu"
    precision: Literal["auto", "float32", "bf16"] = "auto"  # auto: bf16 on a GPU, float32 elsewhere
    threads: int = 1  # of a CPU training; fixed, because sums depend on it
    patches_per_pass: int = 131_072  # a step of more patches is cut into passes whose gradients add up
    save_every_s: float = 30.0  # seconds between the states that an interrupted training continues from


def autocast(spec: TrainingSpec) -> AbstractContextManager:
    """bfloat16 where the spec wants it; models keep reductions, softmax, transport and losses in float32."""
    on_gpu = spec.device.startswith("cuda")
    wanted = spec.precision == "bf16" or (spec.precision == "auto" and on_gpu)
    return torch.autocast("cuda" if on_gpu else "cpu", dtype=torch.bfloat16, enabled=wanted)
