"""How far risks and C-index in bf16 are from those in float32, as a table in Markdown.

`python -m benchmarks.agreement`: methods are trained for a few epochs on a small made-up cohort, whose C-index is then
that of the patients they know: once in float32, whose weights predict in both precisions, and once in bf16.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.data import equal_bags
from benchmarks.measure import machine
from benchmarks.steps import GOALS
from benchmarks.training import table
from benchmarks.ways import new_model, our_loop
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.evaluation.concordance import concordance
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec

HEADER = (
    "| method | SD of risks | largest difference, same weights | C-index float32 | C-index bf16, same weights "
    "| C-index trained in bf16 |"
)


def row(name: str, data: PatientDataset, epochs: int) -> str:
    """A line of the table."""
    trained = {}
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        trained[precision] = new_model(name, "cpu")
        epoch = our_loop(name, data, "cpu", patients_per_step=4, precision=precision, model=trained[precision])
        for _ in range(epochs):
            epoch()
    risks = [
        predict(trained[weights], data, spec=TrainingSpec(precision=precision)).prediction.risk
        for weights, precision in (("float32", "float32"), ("float32", "bf16"), ("bf16", "bf16"))
    ]
    c_indices = [concordance(each, time=data.outcome.time, event=data.outcome.event).value for each in risks]
    said = " | ".join(f"{each:.4f}" for each in c_indices)
    return f"| {name} | {risks[0].std():.3g} | {np.abs(risks[0] - risks[1]).max():.2g} | {said} |"


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(GOALS), metavar="NAME")
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--patches", type=int, default=64, help="of a bag")
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args(given)
    torch.set_num_threads(1)
    print(f"{machine('cpu')}; {args.patients} patients of {args.patches} patches, {args.epochs} epochs\n")
    with tempfile.TemporaryDirectory() as folder:
        data = equal_bags(args.patients, args.patches, Path(folder) / "bench.bags")
        for line in table(HEADER, (row(name, data, args.epochs) for name in args.methods)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
