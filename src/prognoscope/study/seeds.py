"""A study with several seeds: a run folder for each, an ordinary run, and one comparison over all of them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from prognoscope.analysis.comparison import Comparison
from prognoscope.core.errors import StudyError, some
from prognoscope.report.comparison_page import STEMS, need_our_comparison, write_comparison
from prognoscope.report.page import write_report
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.seeds import SEED, runs_in
from prognoscope.study.clock import Several, Standing
from prognoscope.study.comparing import compare_runs
from prognoscope.study.folder import check_folder
from prognoscope.study.jobs import planned_methods
from prognoscope.study.kept_study import study_of
from prognoscope.study.places import ELSEWHERE, check_place, stored
from prognoscope.study.plan import Plan
from prognoscope.study.run import Finished

# does a plan in a folder; what it is given besides tells of where that run stands where all of them do
DoPlan = Callable[[Plan, Path, Callable[[Standing], Standing]], Finished]


def plans_by_seed(plan: Plan, folder: Path) -> dict[Path, Plan]:
    """The run folder of each seed -> what is done in it: training.seed and the numbers that follow it, in turn.

    Patients, folds and all settings are the same.

    Raises:
        StudyError: The folder holds something else, or a run with other settings.
    """
    spec = plan.study.spec
    need_several_or_room(folder, SEED, "seeds")
    shared = stored(plan.study, RunFiles(folder.absolute()).embeddings)  # of all seeds, where the study has no room
    found = {}
    for seed in range(spec.training.seed, spec.training.seed + spec.seeds):
        own = spec.model_copy(update={"seeds": 1, "training": replace(spec.training, seed=seed)})
        at, study = folder / f"seed_{seed}", replace(shared, spec=own)
        check_folder(own, at)
        check_place(study, at)
        found[at] = replace(plan, study=study, methods=planned_methods(own, plan.device, plan.precision))
    return found


def run_seeds(plan: Plan, folder: Path, run: DoPlan) -> list[Finished]:
    """Run a plan with every seed of its study; what is finished is not done again.

    Raises:
        PrognoscopeError: As `run` does, or the folder cannot take the runs.
    """
    return run_several(plans_by_seed(plan, folder), "seed", run)


def run_several(plans: Mapping[Path, Plan], what: str, run: DoPlan) -> list[Finished]:
    """Run plans one after the other, each in its folder.

    Args:
        what: What each of them is called.

    Raises:
        PrognoscopeError: As `run` does.
    """
    finished = []
    clock = Several(len(plans), what)
    for at, of_seed in plans.items():
        clock.begin()
        finished.append(run(of_seed, at, clock.whole))
    return finished


def compare_seeds(runs: Sequence[Path], *, draws: int) -> Iterator[Comparison]:
    """The methods over all seeds, then their ablations and sweeps where there are any."""
    yield compare_runs(runs, draws=draws)
    if len(Run(runs[0]).ablations):
        yield compare_runs(runs, "ablations", draws=draws)
    if len(Run(runs[0]).sweeps):
        yield compare_runs(runs, "sweeps", draws=draws)


def write_seeds(folder: Path, runs: Sequence[Path], *, draws: int) -> list[tuple[Comparison, Path]]:
    """Write the comparisons over all seeds, or endpoints, beside their runs; each with its page.

    Of endpoints with several seeds, the comparisons over seeds are written beside these, too, and not returned.
    """
    inner: dict[Path, list[Path]] = {}
    for run in runs:
        inner.setdefault(run.absolute().parent, []).append(run)
    for at, inside in inner.items():
        if at != folder.absolute():
            write_seeds(at, inside, draws=draws)
    return [(found, write_comparison(found, folder)[0]) for found in compare_seeds(runs, draws=draws)]


def report_again(folder: Path) -> list[Path]:
    """The page of a run made again; of a folder of several that of each, and the comparisons beside them.

    Returns:
        The pages.

    Raises:
        InputError: A run is not finished, or a file of it cannot be used; then no page is made.
    """
    runs = runs_in(folder)
    if runs == [folder]:
        return [write_report(folder)]
    found = [open_finished(run) for run in runs]
    need_our_comparison(folder, *STEMS.values())
    draws = study_of(found[0]).spec.evaluation.draws
    return [*map(write_report, found), *(page for _, page in write_seeds(folder, runs, draws=draws))]


def need_several_or_room(folder: Path, names: re.Pattern[str], what: str) -> None:
    """Refuse a folder that holds anything but runs of several seeds, or endpoints, and their comparison.

    Args:
        names: What the folders in it are called.
        what: What there are several of.

    Raises:
        StudyError: It does, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file. Choose a folder with --out.")
    if RunFiles(folder).splits.is_file():
        raise StudyError(f"{folder} holds a run with one {what.removesuffix('s')}. {ELSEWHERE}")
    inside = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    ours = (*STEMS.values(), RunFiles(folder).embeddings.name)
    if others := [name for name in inside if not names.fullmatch(name) and not name.startswith(ours)]:
        raise StudyError(f"{folder} holds more than runs with several {what}: {some(others)}. {ELSEWHERE}")
    need_our_comparison(folder, *STEMS.values())
