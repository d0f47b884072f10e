"""A study with several seeds: a run folder for each, an ordinary run, and one comparison over all of them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from prognoscope.analysis.comparison import Comparison
from prognoscope.core.errors import StudyError, some
from prognoscope.report.comparison_page import STEMS, write_comparison
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run
from prognoscope.study.comparing import compare_runs
from prognoscope.study.folder import check_folder
from prognoscope.study.jobs import planned_methods
from prognoscope.study.places import ELSEWHERE, check_place
from prognoscope.study.plan import Plan
from prognoscope.study.run import Finished

SEED = re.compile(r"seed_(\d+)")  # the name of a seed's run folder


def plans_by_seed(plan: Plan, folder: Path) -> dict[Path, Plan]:
    """The run folder of each seed -> what is done in it: training.seed and the numbers that follow it, in turn.

    Patients, folds and all settings are the same.

    Raises:
        StudyError: The folder holds something else, or a run with other settings.
    """
    spec = plan.study.spec
    _need_seeds_or_room(folder)
    found = {}
    for seed in range(spec.training.seed, spec.training.seed + spec.seeds):
        own = spec.model_copy(update={"seeds": 1, "training": replace(spec.training, seed=seed)})
        at, study = folder / f"seed_{seed}", replace(plan.study, spec=own)
        check_folder(own, at)
        check_place(study, at)
        found[at] = replace(plan, study=study, methods=planned_methods(own, plan.device, plan.precision))
    return found


def run_seeds(plan: Plan, folder: Path, run: Callable[[Plan, Path], Finished]) -> list[Finished]:
    """Run a plan with every seed of its study; what is finished is not done again.

    Args:
        run: Does a plan in a folder, such as `run_plan`.

    Raises:
        PrognoscopeError: As `run` does, or the folder cannot take the runs.
    """
    return [run(of_seed, at) for at, of_seed in plans_by_seed(plan, folder).items()]


def compare_seeds(runs: Sequence[Path], *, draws: int) -> Iterator[Comparison]:
    """The methods over all seeds, then their ablations and sweeps where there are any."""
    yield compare_runs(runs, draws=draws)
    if len(Run(runs[0]).ablations):
        yield compare_runs(runs, "ablations", draws=draws)
    if len(Run(runs[0]).sweeps):
        yield compare_runs(runs, "sweeps", draws=draws)


def write_seeds(folder: Path, finished: Sequence[Finished], *, draws: int) -> list[tuple[Comparison, Path]]:
    """Write the comparisons over all seeds beside their runs; each with its page."""
    runs = [each.folder for each in finished]
    return [(found, write_comparison(found, folder)[0]) for found in compare_seeds(runs, draws=draws)]


def runs_in(folder: Path) -> list[Path]:
    """The run folders of all seeds in a folder that holds such, in their order; else the folder itself."""
    if not folder.is_dir() or RunFiles(folder).splits.exists():
        return [folder]
    found = {int(match[1]): each for each in folder.iterdir() if (match := SEED.fullmatch(each.name))}
    return [found[seed] for seed in sorted(found)] or [folder]


def _need_seeds_or_room(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file. Choose a folder with --out.")
    if RunFiles(folder).splits.is_file():
        raise StudyError(f"{folder} holds a run with one seed. {ELSEWHERE}")
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    ours = tuple(STEMS.values())
    if others := [name for name in names if not SEED.fullmatch(name) and not name.startswith(ours)]:
        raise StudyError(f"{folder} holds more than runs with several seeds: {some(others)}. {ELSEWHERE}")
