"""Patients a second and peak memory of a training step, ours beside the loop everyone else runs.

`python -m benchmarks.training` prints one table a bag size, all of one process, on one thread. The ways take turns, so
that whatever else the machine does slows all of them; times are medians over the rounds.
"""

import argparse
import ctypes
import gc
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.bags import Bag, Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.outcome import Outcome
from prognoscope.features.store import Embeddings, PackedEmbeddings, pack_embeddings
from prognoscope.models.base import Recipe, Sizes, SurvivalModel
from prognoscope.models.registry import create_model
from prognoscope.training.loop import make_optimizer, set_learning_rate, train_epoch
from prognoscope.training.spec import TrainingSpec

DIM, BINS = 1024, 4
GENES = (94, 334, 521, 468, 1496, 479)  # TCGA-BLCA's columns in the six groups of the signatures
SIZES = Sizes(BINS, DIM, GENES, n_subtypes=2)
RECIPE = Recipe(sampler="shuffled", patients_per_step=8)
PACKED, ONE_PASS, ALONE, PLAIN = "ours, 8 a step", "ours, 8 a step in one pass", "ours, 1 a step", "plain loop"


@dataclass
class Way:
    """One way to train, and what was measured of it."""

    name: str
    run: Callable[[], int]  # trains; returns how many patients
    rounds: int
    seconds: list[float]  # a patient
    peak_mb: float = 0.0


class PlainABMIL(nn.Module):
    """ABMIL as it is commonly written: one bag, attention as a row, a softmax over it."""

    def __init__(self):
        super().__init__()
        self.project = nn.Sequential(nn.Linear(DIM, 512), nn.ReLU(), nn.Dropout(0.25))
        self.a = nn.Sequential(nn.Linear(512, 256), nn.Tanh(), nn.Dropout(0.25))
        self.b = nn.Sequential(nn.Linear(512, 256), nn.Sigmoid(), nn.Dropout(0.25))
        self.c = nn.Linear(256, 1)
        self.narrow = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.25))
        self.head = nn.Linear(256, BINS)

    def forward(self, bag: Tensor) -> Tensor:
        patches = self.project(bag)
        attention = self.c(self.a(patches) * self.b(patches)).T.softmax(dim=1)
        return self.head(self.narrow(attention @ patches))


class PlainMean(nn.Module):
    """Two layers on every patch, and their mean."""

    def __init__(self):
        super().__init__()
        first, second = nn.Linear(DIM, 256), nn.Linear(256, 256)
        self.embed = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.25), second, nn.ReLU(), nn.Dropout(0.25))
        self.head = nn.Linear(256, BINS)

    def forward(self, bag: Tensor) -> Tensor:
        return self.head(self.embed(bag).mean(dim=0, keepdim=True))


def plain_losses(name: str) -> tuple[nn.Module, Callable[[Inputs, Target], Tensor]]:
    """A model without short cuts and its loss of one patient.

    `mcti`: k gene tokens of their own instead of one that counts k times, and exact transport on the CPU.
    """
    if name == "mcti":
        model = create_model("mcti", sizes=SIZES, gene_init="zero", ot="emd")

        def loss(inputs: Inputs, target: Target) -> Tensor:
            output = model(inputs)
            each = [model.survival_loss(output, target), *model.extra_losses(output, target).values()]
            return sum(each).sum()

        return model, loss
    model = {"abmil": PlainABMIL, "meanmil": PlainMean}[name]()
    likelihood = SurvivalModel().survival_loss
    return model, lambda inputs, target: likelihood(Output(model(inputs.bags.values)), target).sum()


def plain_loop(name: str, data: PatientDataset, device: str, n: int) -> Callable[[], int]:
    """The common loop: read one patient, forward, `item()`, backward; a step every eighth."""
    model, loss_of = plain_losses(name)
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4, weight_decay=1e-5)

    def run() -> int:
        model.train()
        total = 0.0
        for i in range(n):
            inputs, target = read_one(data, i)
            loss = loss_of(inputs.to(device), target.to(device))
            total += loss.item()
            (loss / 8).backward()
            if i % 8 == 7 or i == n - 1:
                optimizer.step()
                optimizer.zero_grad()
        return n

    return run


def read_one(data: PatientDataset, i: int) -> tuple[Inputs, Target]:
    """One patient, converted to float32 by numpy, as common datasets do."""
    values, _ = data.embeddings.bag(data.patients[i])
    bags = Bags.pack([Bag(torch.from_numpy(np.array(values, dtype=np.float32)))])
    target = data.target.split()[i]
    return Inputs(bags, tuple(group[i : i + 1] for group in data.omics)), target


def our_loop(
    name: str, data: PatientDataset, device: str, patients_per_step: int, patches_per_pass: int | None = None
) -> Callable[[], int]:
    """The package's own loop."""
    model = create_model(name, sizes=SIZES).to(device)
    recipe = replace(RECIPE, patients_per_step=patients_per_step)
    spec = TrainingSpec(device=device, patches_per_pass=patches_per_pass)
    optimizer = make_optimizer(model, recipe)
    set_learning_rate(optimizer, recipe, 0)

    def run() -> int:
        train_epoch(model, data, optimizer, recipe=recipe, spec=spec, epoch=0)
        return len(data)

    return run


def make_data(folder: Path, n_patches: int, n: int) -> PatientDataset:
    """n patients with random bags and genes."""
    rng = np.random.default_rng(0)
    patients = tuple(f"P{i}" for i in range(n))

    def slide(i: int) -> Embeddings:
        return Embeddings(f"S{i}", np.random.default_rng(i).standard_normal((n_patches, DIM)).astype(np.float16))

    bags = {p: [(f"S{i}", lambda i=i: slide(i))] for i, p in enumerate(patients)}
    pack_embeddings(bags, folder / "bench.bags", "bench")
    time_, event = rng.uniform(1, 100, n), np.arange(n) % 2 == 0
    target = Target(
        torch.from_numpy(rng.integers(0, BINS, n)),
        torch.from_numpy(event),
        torch.from_numpy(time_).float(),
        torch.from_numpy(rng.integers(0, 2, n)),
    )
    omics = tuple(torch.from_numpy(rng.standard_normal((n, size))).float() for size in GENES)
    return PatientDataset(
        Outcome(patients, time_, event), target, omics, None, PackedEmbeddings.open(folder / "bench.bags")
    )


def measure(ways: list[Way], device: str) -> None:
    """Let the ways take turns; the first turn of each warms it up and measures its memory."""
    for way in ways:
        way.peak_mb = peak_mb(way.run, device)
    for turn in range(max(way.rounds for way in ways)):
        for way in ways:
            if turn < way.rounds:
                start = time.perf_counter()
                n = way.run()
                wait_for(device)
                way.seconds.append((time.perf_counter() - start) / n)


def peak_mb(run: Callable[[], int], device: str) -> float:
    """How many MB (10^6 bytes) of memory the run takes at its height beyond what was taken before it."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before = resident_mb("VmRSS")
    run()
    return resident_mb("VmHWM") - before


def resident_mb(field: str) -> float:
    """A line of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field))


def wait_for(device: str) -> None:
    """Until the device has done all that it was told to."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def product_seconds(device: str, rounds: int = 7) -> float:
    """A float32 product of 2048 x 2048 matrices, median."""
    a, b = torch.randn(2, 2048, 2048, device=device)

    def one() -> float:
        start = time.perf_counter()
        a @ b
        wait_for(device)
        return time.perf_counter() - start

    return statistics.median([one() for _ in range(rounds + 2)][2:])


def rows(name: str, ways: list[Way]) -> Iterator[str]:
    """A line of the table a way, speed as a ratio to the plain loop."""
    plain = statistics.median(ways[-1].seconds)
    for way in ways:
        each = statistics.median(way.seconds)
        ratio = plain / each
        yield f"| {name} | {way.name} | {1 / each:.3g} | {each:.3g} | {ratio:.3g} | {way.peak_mb:.0f} |"


def processor() -> str:
    """The processor's name."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        for line in islice((line for line in lines if line.startswith("model name")), 1):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=["meanmil", "abmil", "mcti"])
    parser.add_argument("--patches", nargs="+", type=int, default=[1000, 4096])
    parser.add_argument("--patients", type=int, default=8, help="of an epoch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    machine = torch.cuda.get_device_name() if args.device.startswith("cuda") else f"{processor()}, one thread"
    print(f"{machine}; {versions}", flush=True)
    for n_patches in args.patches:
        with tempfile.TemporaryDirectory() as folder:
            data = make_data(Path(folder), n_patches, args.patients)
            before = product_seconds(args.device)
            lines = []
            for name in args.methods:
                slow = name == "mcti"
                plain = plain_loop(name, data, args.device, 2 if slow else args.patients)
                ways = [
                    Way(PACKED, our_loop(name, data, args.device, 8), args.rounds, []),
                    Way(ONE_PASS, our_loop(name, data, args.device, 8, 8 * n_patches), args.rounds, []),
                    Way(ALONE, our_loop(name, data, args.device, 1), args.rounds, []),
                    Way(PLAIN, plain, 3 if slow else args.rounds, []),
                ]
                measure(ways, args.device)
                lines += rows(name, ways)
                print(f"{name}, {n_patches} patches: done", file=sys.stderr, flush=True)
            after = product_seconds(args.device)
        product = f"2048 x 2048 x 2048 in float32: {before:.3f} s before, {after:.3f} s after"
        print(f"\n{n_patches} patches of {DIM}-d; {product}")
        print("\n| method | way | patients a second | seconds a patient | speed to plain | peak MB |")
        print("|---|---|---|---|---|---|", *lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
