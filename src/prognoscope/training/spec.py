"""How trainings run, whatever the method: what they choose by, and on what machine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Interval

from prognoscope.core.settings import Seed, settle

Precision = Literal["float32", "bf16"]
AskedPrecision = Literal["auto", "float32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBasics:
    """What a study asks of all its trainings, and each of them does."""

    seed: Seed = 0
    patience: Annotated[int, Ge(1)] | None = None  # epochs without a better one before stopping; None runs all
    threads: Annotated[int, Interval(ge=1, le=1024)] = 1  # of a CPU training; fixed, because sums depend on it
    patches_per_pass: Annotated[int, Ge(1)] | None = None  # a longer step takes several; by default to suit the device
    save_every_s: Annotated[float, Ge(0)] = 30.0  # seconds between the states that an interrupted training goes on from

    def __post_init__(self):
        settle(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSpec(TrainingBasics):
    """How trainings run, whatever the method. It asks the machine nothing, so that it means the same in every process.

    What "auto" means on a machine is settled before, by `settled_precision`.
    """

    choose: Literal["last", "validation_loss", "validation_c_index", "test_c_index", "latest_test_c_index"] = (
        "validation_loss"  # by name in progress.RULES
    )
    warm_up: Annotated[int, Ge(0)] = 0  # first epochs that are chosen only if there are no others
    earliest_stop: Annotated[int, Ge(0)] = 0  # epochs before which patience does not stop a training
    stop_after: Annotated[int, Ge(1)] | None = (
        None  # epochs at which it ends, the recipe's schedule being cut off there
    )
    device: str = "cpu"
    precision: Precision = "float32"  # of products

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
    device = "cuda" if spec.is_on_gpu else "cpu"
    return torch.autocast(device, dtype=torch.bfloat16, enabled=spec.precision == "bf16")


def settled_precision(asked: AskedPrecision | None, device: str) -> Precision:
    """The precision of products on a device of this machine.

    Args:
        asked: None is "float32" on a processor, so that numbers do not hang on which one it is, and "auto" on a GPU;
            "auto" is "bf16" on a GPU and on a processor with bf16 matrix units, else "float32".
    """
    if asked in ("float32", "bf16"):
        return asked
    is_fast = device.startswith("cuda") or (asked == "auto" and has_bf16_units())
    return "bf16" if is_fast else "float32"


def has_bf16_units() -> bool:
    """Whether the processor has matrix units for bf16 (AMX), which multiply about 7 times faster than float32.

    Processors with bf16 dot products alone (AVX512-BF16) multiply 2.3 times and train 1.5 to 1.8 times faster in bf16:
    not enough to give up float32 unasked. A fact about the machine, not a timing, so that its numbers repeat.
    """
    return torch.cpu._is_amx_tile_supported()  # the public torch.cpu.get_capabilities is younger than 2.6


@contextmanager
def fixed_threads(spec: TrainingSpec) -> Iterator[None]:
    """The spec's number of threads inside the block, the caller's after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(spec.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
