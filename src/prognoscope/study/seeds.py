"""A study with several seeds: a run folder for each, an ordinary run, and one comparison over all of them."""

from collections.abc import Callable, Iterator, Sequence
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


def plans_by_seed(plan: Plan, folder: Path) -> dict[Path, Plan]:
    """The run folder of each seed -> what is done in it: training.seed and the numbers that follow it, in turn.

    Patients, folds and all settings are the same.

    Raises:
        StudyError: The folder holds something else, or a run with other settings.
    """
    spec = plan.study.spec
    _need_seeds_or_room(folder)
    shared = stored(plan.study, RunFiles(folder.absolute()).embeddings)  # of all seeds, where the study has no room
    found = {}
    for seed in range(spec.training.seed, spec.training.seed + spec.seeds):
        own = spec.model_copy(update={"seeds": 1, "training": replace(spec.training, seed=seed)})
        at, study = folder / f"seed_{seed}", replace(shared, spec=own)
        check_folder(own, at)
        check_place(study, at)
        found[at] = replace(plan, study=study, methods=planned_methods(own, plan.device, plan.precision))
    return found


def run_seeds(
    plan: Plan, folder: Path, run: Callable[[Plan, Path, Callable[[Standing], Standing]], Finished]
) -> list[Finished]:
    """Run a plan with every seed of its study; what is finished is not done again.

    Args:
        run: Does a plan in a folder; what it is given besides tells of where that run stands where all of them do.

    Raises:
        PrognoscopeError: As `run` does, or the folder cannot take the runs.
    """
    plans, finished = plans_by_seed(plan, folder), []
    clock = Several(len(plans), "seed")
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
    """Write the comparisons over all seeds beside their runs; each with its page."""
    return [(found, write_comparison(found, folder)[0]) for found in compare_seeds(runs, draws=draws)]


def report_again(folder: Path) -> list[Path]:
    """The page of a run made again; of a folder of seeds that of each, and the comparisons beside them.

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


def _need_seeds_or_room(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file. Choose a folder with --out.")
    if RunFiles(folder).splits.is_file():
        raise StudyError(f"{folder} holds a run with one seed. {ELSEWHERE}")
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    ours = (*STEMS.values(), RunFiles(folder).embeddings.name)
    if others := [name for name in names if not SEED.fullmatch(name) and not name.startswith(ours)]:
        raise StudyError(f"{folder} holds more than runs with several seeds: {some(others)}. {ELSEWHERE}")
    need_our_comparison(folder, *STEMS.values())
