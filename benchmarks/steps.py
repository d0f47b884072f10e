"""Processor seconds of forward and backward of one patient, the plain reading's over ours, as a table in Markdown.

`python -m benchmarks.steps`: one thread, all in one process, taking turns; plain is always float32. Beside each ratio,
the median and the range of the pairs of turns, stands how far ours is from what the machine can do: the time of its
products at the speed of large ones, and of the bytes that its operations read and write at a copy's speed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.data import DIM, equal_bags
from benchmarks.measure import Way, copy_gb_per_s, machine, measure, product_seconds, work_of
from benchmarks.training import PRODUCT_GFLOP, table
from benchmarks.ways import our_step, plain_step
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.memory import freed_memory_kept
from prognoscope.training.spec import has_bf16_units

GOALS = {  # (float32, bf16 on a processor with matrix units): plain's seconds over ours, at least
    **dict.fromkeys(("abmil", "clam_sb", "dsmil", "mcat", "porpoise", "survpath"), (1.25, 2.5)),
    **dict.fromkeys(("ghanet", "transmil"), (1.25, 3.0)),
    "cmta": (2.0, 3.0),
    **dict.fromkeys(("ccl", "mcti"), (25.0, 25.0)),
}
PATCHES = (1024, 4096, 16_384)
PRECISIONS = ("float32", "bf16")
LEAST_S = 0.1  # of a turn; shorter steps are repeated
HEADER = (
    "| method | precision | plain s | ours s | plain / ours | range | goal "
    "| GFLOP | s at the product's speed | share of ours | GB | s at the copy's speed |"
)


def rows(methods: Sequence[str], patches: int, args: argparse.Namespace) -> Iterator[str]:
    """The lines of bags of one size."""
    with tempfile.TemporaryDirectory() as folder:
        data = equal_bags(1, patches, Path(folder) / "bench.bags")
        for name in methods:
            yield from rows_of(name, data, args)
            print(f"{name}, {patches} patches: done", file=sys.stderr, flush=True)


def rows_of(name: str, data: PatientDataset, args: argparse.Namespace) -> Iterator[str]:
    """A line a precision."""
    steps = {each: our_step(name, data, "cpu", each) for each in args.precision}
    ways = [Way(name, "ours", each, repeated(step)) for each, step in steps.items()]
    plain = Way(name, "plain", "float32", repeated(plain_step(name, data, "cpu")))
    measure([*ways, plain], "cpu", rounds=args.rounds, budget_s=args.seconds, clock=time.process_time)
    for way, goal in zip(ways, GOALS.get(name, ("", "")), strict=False):
        ratios = sorted(a / b for a, b in zip(plain.seconds[1:], way.seconds[1:], strict=False))
        gflop, gb = work_of(steps[way.precision])
        least = gflop * args.product[way.precision] / PRODUCT_GFLOP
        yield (
            f"| {name} | {way.precision} | {plain.each:.3g} | {way.each:.3g} | {statistics.median(ratios):.2f} "
            f"| {ratios[0]:.2f} to {ratios[-1]:.2f} | {goal} "
            f"| {gflop:.3g} | {least:.3g} | {100 * least / way.each:.0f} % | {gb:.3g} | {gb / args.bandwidth:.3g} |"
        )


def repeated(step: Callable[[], object]) -> Callable[[], int]:
    """The step as often as fills a turn, told by the first; the number of patients."""
    often = 0

    def run() -> int:
        nonlocal often
        if not often:
            step()  # the first of all makes what later ones have
            start = time.process_time()
            step()
            often = 1 + int(LEAST_S / max(time.process_time() - start, 1e-4))
            return 2
        for _ in range(often):
            step()
        return often

    return run


def main(given: Sequence[str] | None = None) -> None:
    """Print the table of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(GOALS), choices=[*GOALS, "meanmil"], metavar="NAME")
    parser.add_argument("--patches", nargs="+", type=int, default=PATCHES, help="of a bag")
    parser.add_argument("--precision", nargs="+", default=PRECISIONS, choices=PRECISIONS, help="of ours")
    parser.add_argument("--rounds", type=int, default=5, help="turns after the first, which warms up")
    parser.add_argument("--seconds", type=float, default=90.0, help="of a way, after which it takes no further turn")
    args = parser.parse_args(given)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    args.product = {each: product_seconds("cpu", each) for each in PRECISIONS}
    args.bandwidth = copy_gb_per_s("cpu")
    said = ", ".join(f"{seconds:.4f} s in {each}" for each, seconds in args.product.items())
    units = "has" if has_bf16_units() else "has no"
    print(f"{machine('cpu')}; the processor {units} matrix units for bf16 (AMX)")
    print(f"The product of 2048 x 2048 matrices: {said}; a copy moves {args.bandwidth:.3g} GB/s", flush=True)
    for patches in args.patches:
        print(f"\nBags of {patches} patches of {DIM}-d\n")
        with freed_memory_kept():  # as trainings do; the plain reading has it too
            for line in table(HEADER, rows(args.methods, patches, args)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
