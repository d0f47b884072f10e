"""Where the processor seconds of a whole `run` go: data, training steps, evaluation after every epoch, tables, page.

`python -m benchmarks.whole_run [METHOD ...]`: a simulated cohort (300 patients, bags of 300 patches), 5 folds, 12
epochs, in one process with one thread. What a part calls of another one counts there alone.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.measure import machine
from benchmarks.training import table
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.study import Study

METHODS = ("coxph", "snn", "abmil", "clam_sb", "mcat", "porpoise", "ghanet", "ccl")
PARTS = {  # where the name is called from -> what it is part of
    "prognoscope.study.study.plan": "reading and checking tables",
    "prognoscope.study.run.gather": "packing and binding bags",
    "prognoscope.study.run.bind": "packing and binding bags",
    "prognoscope.study.run.begin": "packing and binding bags",
    "prognoscope.training.job.FoldData.prepare": "preparing folds",
    "prognoscope.training.loop.train_epoch": "training steps",
    "prognoscope.training.loop._measure": "evaluation after every epoch",
    "prognoscope.training.loop.save_state": "states to continue from",
    "prognoscope.training.trained.Trained.predict_prepared": "predicting",
    "prognoscope.study.work.run_fold": "the rest of a fold: solved methods, weights, tables",
    "prognoscope.study.work.operate": "surgery",
    "prognoscope.study.run.write_tables": "metrics, intervals, comparisons",
    "prognoscope.study.run.write_report": "figures and page",
}
REST = "the rest"


class Clock:
    """Processor seconds of parts, each without what it calls of another."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.inside, self.since = [REST], time.process_time()

    def turn(self) -> None:
        """What has gone by is of the part that is worked on."""
        now = time.process_time()
        self.spent[self.inside[-1]] += now - self.since
        self.since = now

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The same function, whose time is told."""

        @wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            self.turn()
            self.inside.append(part)
            try:
                return function(*arguments, **named)
            finally:
                self.turn()
                self.inside.pop()

        return run


def spent_by_part(study: Path, folder: Path, settings: Sequence[str]) -> Counter[str]:
    """Run a study; processor seconds of each part."""
    clock = Clock()
    found = {place: patch(place, autospec=False) for place in PARTS}
    try:
        for place, patched in found.items():
            original, _ = patched.get_original()
            bare = original.__func__ if isinstance(original, classmethod) else original
            timed = clock.timed(bare, PARTS[place])
            patched.new = classmethod(timed) if isinstance(original, classmethod) else timed
            patched.start()
        Study.load(study, settings).run(folder)
    finally:
        for patched in found.values():
            patched.stop()
    clock.turn()
    return clock.spent


def main(given: Sequence[str] | None = None) -> None:
    """Print a table of parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", default=METHODS, help=f"by default {' '.join(METHODS)}")
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--patches", type=int, default=300, help="of a patient")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--folds", type=int, default=5)
    args = parser.parse_args(given)
    torch.set_num_threads(1)
    settings = [f"methods=[{','.join(args.methods)}]", f"training.epochs={args.epochs}", f"splits.folds={args.folds}"]
    with tempfile.TemporaryDirectory() as folder:
        bags = (args.patches, args.patches)
        study = simulate_cohort(Path(folder) / "cohort", patients=args.patients, features_only=True, bag_sizes=bags)
        spent = spent_by_part(study, Path(folder) / "run", settings)
    whole = sum(spent.values())
    sizes = f"{args.patients} patients of {args.patches} patches, {args.folds} folds, {args.epochs} epochs"
    print(f"{machine('cpu')}; {sizes}")
    print(f"{', '.join(args.methods)}: {whole:.0f} processor seconds\n")
    lines = (
        f"| {part} | {spent[part]:.1f} | {100 * spent[part] / whole:.0f} % |"
        for part in [*dict.fromkeys(PARTS.values()), REST]
    )
    for line in table("| part | CPU s | share |", lines):
        print(line)


if __name__ == "__main__":
    main()
