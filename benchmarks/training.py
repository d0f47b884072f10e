"""Speed and memory of training, ours beside the plain reading of each method, as tables in Markdown.

`python -m benchmarks.training` times steps, all in one process and on one CPU thread or one GPU; with `--longest` it
trains one step on one very long bag, with `--cross-validation` a whole cohort of TCGA-BLCA's size.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.cross_validation import HEADER, cross_validation_rows
from benchmarks.data import BLCA_PATCHES, BLCA_PATIENTS, DIM, equal_bags, first
from benchmarks.measure import (
    Way,
    copy_gb_per_s,
    highest_mb,
    machine,
    measure,
    product_seconds,
    work_of,
)
from benchmarks.ways import our_loop, our_step, plain_loop
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.memory import freed_memory_kept

METHODS = ("mcti", "cmta", "ghanet", "ccl")
PATCHES = (1000, 4096, 16_384)
PRODUCT_GFLOP = 2 * 2048**3 / 1e9
REFERENCE_S = 0.09  # of the product, on the machine for which the goals are
GOALS = {  # (method, patches): seconds a patient, float32, there: ours at most, and the published code
    ("mcti", 4096): (0.5, 12.0),
    ("cmta", 4096): (0.6, 1.52),
    ("ghanet", 4096): (0.2, 0.48),
    ("ccl", 4096): (0.12, 0.54),
    ("cmta", 16_384): (2.4, 6.5),
    ("ghanet", 16_384): (0.8, 1.9),
    ("ccl", 16_384): (0.4, 6.2),
}
LONGEST, MOST_MB = 200_000, 8000
STEPS = (
    "| method | way | precision | patients a second | seconds a patient | to plain | peak MB "
    "| product s | seconds where it takes 0.09 s | goal |"
)
LIMITS = (
    "| method | precision | GFLOP | s at the product's speed | share of the time "
    "| GB | s at the copy's speed | seconds a patient |"
)


def step_tables(methods: Sequence[str], patches: int, args: argparse.Namespace) -> Iterator[str]:
    """Two tables for bags of one size: how fast each way is, and how far ours is from what the machine can do."""
    steps, limits = [], []
    bandwidth = copy_gb_per_s(args.device)
    with tempfile.TemporaryDirectory() as folder:
        data = equal_bags(args.patients, patches, Path(folder) / "bench.bags")
        for name in methods:
            before = product_seconds(args.device, "float32")
            ways = ways_of(name, data, args)
            measure(ways, args.device, rounds=args.rounds, budget_s=args.seconds)
            product = (before + product_seconds(args.device, "float32")) / 2
            steps += [step_row(way, ways[-1].each, product, patches) for way in ways]
            limits += [limit_row(way, data, args, bandwidth) for way in ways[: len(args.precision)]]
            print(f"{name}, {patches} patches: done", file=sys.stderr, flush=True)
    yield f"\nBags of {patches} patches of {DIM}-d; a copy moves {bandwidth:.3g} GB/s\n"
    yield from table(STEPS, steps)
    yield ""
    yield from table(LIMITS, limits)


def ways_of(name: str, data: PatientDataset, args: argparse.Namespace) -> list[Way]:
    """Ours many a step in each precision, ours one a step, and the plain reading, on fewer patients as it is slow."""
    device, n = args.device, len(data)
    ways = [
        Way(name, f"ours, {n} a step", each, our_loop(name, data, device, patients_per_step=n, precision=each))
        for each in args.precision
    ]
    few = first(data, max(1, n // 4))
    alone = our_loop(name, few, device, patients_per_step=1, precision=args.precision[0])
    ways.append(Way(name, "ours, 1 a step", args.precision[0], alone))
    plain = plain_loop(name, first(data, 1 if name == "mcti" else len(few)), device)
    return [*ways, Way(name, "plain, 1 a step", "float32", plain)]


def step_row(way: Way, plain: float, product: float, patches: int) -> str:
    """Of the first table."""
    ours, published = GOALS.get((way.method, patches), (None, None))
    goal = f"{published} published" if way.name.startswith("plain") else f"<= {ours}"
    return (
        f"| {way.method} | {way.name} | {way.precision} | {1 / way.each:.3g} | {way.each:.3g} | {plain / way.each:.3g} "
        f"| {way.peak_mb:.0f} | {product:.3f} | {way.each * REFERENCE_S / product:.3g} | {goal if ours else ''} |"
    )


def limit_row(way: Way, data: PatientDataset, args: argparse.Namespace, bandwidth: float) -> str:
    """Of the second table: forward and backward of one patient."""
    gflop, gb = work_of(our_step(way.method, data, args.device, way.precision))
    least = gflop * args.product[way.precision] / PRODUCT_GFLOP
    return (
        f"| {way.method} | {way.precision} | {gflop:.3g} | {least:.3g} | {100 * least / way.each:.0f} % | {gb:.3g} "
        f"| {gb / bandwidth:.3g} | {way.each:.3g} |"
    )


def longest_rows(methods: Sequence[str], patches: int, args: argparse.Namespace) -> Iterator[str]:
    """One step of one patient with a very long bag, reading included."""
    with tempfile.TemporaryDirectory() as folder:
        data = equal_bags(1, patches, Path(folder) / "bench.bags")
        for name in methods:
            for precision in args.precision:
                run = our_loop(name, data, args.device, patients_per_step=1, precision=precision)
                way = Way(name, "", precision, run)
                measure([way], args.device, rounds=0, budget_s=0)
                peak = highest_mb(args.device)  # of the whole process
                verdict = "yes" if peak < MOST_MB else "no"
                yield f"| {name} | {precision} | {patches} | {way.each:.3g} | {peak:.0f} | {verdict} |"


def table(header: str, rows: Iterable[str]) -> Iterator[str]:
    """In Markdown, line by line."""
    yield header
    yield "|---" * (header.count("|") - 1) + "|"
    yield from rows


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for; what depends on the device is filled in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="NAME", help="also abmil and meanmil")
    parser.add_argument("--patches", nargs="+", type=int, help="of a bag; with --cross-validation on average")
    parser.add_argument("--patients", type=int, help="of a step; with --cross-validation of the cohort")
    parser.add_argument("--precision", nargs="+", default=["float32", "bf16"], choices=["float32", "bf16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5, help="at most, after the first")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a way, after which it takes no further round")
    parser.add_argument("--epochs", type=int, default=20, help="of the cross-validation")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--longest", action="store_true", help=f"one step of one bag of {LONGEST} patches")
    mode.add_argument("--cross-validation", action="store_true", help="5 folds of a cohort of TCGA-BLCA's size")
    args = parser.parse_args(given)
    args.per_step = 32 if args.device.startswith("cuda") else 8
    if args.patches is None:
        args.patches = [BLCA_PATCHES] if args.cross_validation else [LONGEST] if args.longest else PATCHES
    if args.patients is None:
        args.patients = BLCA_PATIENTS if args.cross_validation else args.per_step
    return args


def main(given: Sequence[str] | None = None) -> None:
    """Print the tables."""
    args = arguments(given)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(machine(args.device), flush=True)
    args.product = {each: product_seconds(args.device, each) for each in ("float32", "bf16")}
    said = ", ".join(f"{seconds:.4f} s in {each}" for each, seconds in args.product.items())
    print(f"The product of 2048 x 2048 matrices: {said}", flush=True)
    for patches in args.patches:
        if args.longest:
            rows = longest_rows(args.methods, patches, args)
            lines = table("| method | precision | patches | seconds | peak MB | under 8 GB |", rows)
        elif args.cross_validation:
            rows = cross_validation_rows(
                args.methods,
                args.precision,
                patients=args.patients,
                patches=patches,
                epochs=args.epochs,
                patients_per_step=args.per_step,
                device=args.device,
            )
            lines = table(HEADER, rows)
        else:
            lines = step_tables(args.methods, patches, args)
        with freed_memory_kept():  # as trainings do; the plain reading has it too
            print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
