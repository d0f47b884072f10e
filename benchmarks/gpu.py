"""All networks on one GPU, within ten minutes: 32 patients a step against one, bags that stay there against bags
that are read, bf16 against float32; then a cross-validation of TCGA-BLCA's size.

`python -m benchmarks.gpu`, in Markdown, line by line as it is measured; what the time does not suffice for is told.
`--device cpu --quick` tries the command itself where there is no GPU.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.cross_validation import HEADER, cross_validation_rows
from benchmarks.data import BLCA_PATCHES, BLCA_PATIENTS, DIM, equal_bags, first
from benchmarks.measure import Way, machine, measure, product_seconds
from benchmarks.profile import STEPPING
from benchmarks.training import table
from benchmarks.ways import our_loop
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.memory import freed_memory_kept

SHARE = 0.5  # of the time for the steps; the rest is for making the cohort of the cross-validation, and for that
STEPS = "| method | 32 a step, bf16: ms a patient | peak MB | one a step | bags read | float32 |"
FOLDS_OF = ("abmil", "mcat", "mcti")  # cross-validated in turn, as far as the time suffices


def steps(data: PatientDataset, device: str, seconds: float, rounds: int) -> Iterator[str]:
    """A line for each method: milliseconds a patient, and how many times as long the other ways take."""
    until = time.monotonic() + seconds
    for number, name in enumerate(STEPPING):
        left = until - time.monotonic()
        if left <= 0:
            yield f"| {name} | not reached in {seconds:.0f} s | | | | |"
            continue
        try:
            yield step_row(name, data, device, left / (len(STEPPING) - number), rounds)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            yield f"| {name} | out of memory | | | | |"


def step_row(name: str, data: PatientDataset, device: str, seconds: float, rounds: int) -> str:
    """The line of one method, whose ways take turns."""
    n, few = len(data), first(data, max(1, len(data) // 4))
    ways = [
        Way(name, "whole", "bf16", our_loop(name, data, device, patients_per_step=n, precision="bf16")),
        Way(name, "one a step", "bf16", our_loop(name, few, device, patients_per_step=1, precision="bf16")),
        Way(name, "read", "bf16", our_loop(name, data, device, patients_per_step=n, precision="bf16", resident=False)),
        Way(name, "float32", "float32", our_loop(name, data, device, patients_per_step=n, precision="float32")),
    ]
    measure(ways, device, rounds=rounds, budget_s=seconds / len(ways) / 2)
    whole, *others = ways
    times = " | ".join(f"{way.each / whole.each:.2f}" for way in others)
    return f"| {name} | {1e3 * whole.each:.3g} | {whole.peak_mb:.0f} | {times} |"


def folds(device: str, until: float, *, patients: int, patches: int, epochs: int) -> Iterator[str]:
    """The lines of the cross-validations that can be begun in time."""
    how = {"patients": patients, "patches": patches, "epochs": epochs, "patients_per_step": 32, "device": device}
    rows = cross_validation_rows(FOLDS_OF, ["bf16"], **how)
    for name in FOLDS_OF:
        if time.monotonic() > until:
            yield f"| {name} | not reached |" + " |" * (HEADER.count("|") - 3)
        else:
            yield next(rows)
    rows.close()


def main(given: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=10.0, help="in which all is to end")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the command")
    args = parser.parse_args(given)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("torch sees no GPU here. Try the command itself with --device cpu --quick.")
    began = time.monotonic()
    torch.manual_seed(0)
    n, patches = (4, 64) if args.quick else (32, 4096)
    print(machine(args.device))
    said = ", ".join(f"{product_seconds(args.device, each):.3g} s in {each}" for each in ("float32", "bf16"))
    print(f"The product of 2048 x 2048 matrices: {said}\n\n{n} patients of {patches} patches of {DIM}-d\n", flush=True)
    with tempfile.TemporaryDirectory() as folder, freed_memory_kept():
        data = equal_bags(n, patches, Path(folder) / "bench.bags")
        for line in table(STEPS, steps(data, args.device, SHARE * 60 * args.minutes, 1 if args.quick else 5)):
            print(line, flush=True)
    sizes = {"patients": BLCA_PATIENTS, "patches": BLCA_PATCHES, "epochs": 5}
    if args.quick:
        sizes = {"patients": 20, "patches": 30, "epochs": 1}
    print("\nFive folds; one a step, bags read and float32 above are times of the first column\n")
    for line in table(HEADER, folds(args.device, began + 0.8 * 60 * args.minutes, **sizes)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
