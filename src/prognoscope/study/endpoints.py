"""A study with several endpoints: a run folder for each, or one of seeds, and one comparison over all of them."""

from collections.abc import Mapping
from pathlib import Path

from prognoscope.runs.seeds import ENDPOINT
from prognoscope.study.folder import check_folder
from prognoscope.study.places import check_place
from prognoscope.study.plan import Plan
from prognoscope.study.run import Finished
from prognoscope.study.seeds import DoPlan, need_several_or_room, plans_by_seed, run_several


def run_endpoints(plans: Mapping[str, Plan], folder: Path, run: DoPlan) -> dict[str, list[Finished]]:
    """Run the plan of each endpoint, with all seeds of the study; what is finished is not done again.

    Args:
        plans: By the name of the endpoint, as `plans` makes them.
        folder: Where `endpoint_OS` and so on are: a run folder each, or with several seeds a folder of run folders.

    Returns:
        The runs of each endpoint, in the order of the seeds.

    Raises:
        PrognoscopeError: As `run` does, or the folder cannot take the runs; then nothing was begun.
    """
    need_several_or_room(folder, ENDPOINT, "endpoints")
    placed = {name: plans_by_run(of_endpoint, folder / f"endpoint_{name}") for name, of_endpoint in plans.items()}
    finished = iter(run_several({at: each for found in placed.values() for at, each in found.items()}, "run", run))
    return {name: [next(finished) for _ in found] for name, found in placed.items()}


def plans_by_run(plan: Plan, at: Path) -> dict[Path, Plan]:
    """Each run folder of a plan -> what is done in it: one, or with several seeds one for each inside.

    Raises:
        StudyError: A folder cannot take the run.
    """
    spec = plan.study.spec
    if spec.seeds > 1:
        return plans_by_seed(plan, at)
    check_folder(spec, at)
    check_place(plan.study, at)
    return {at: plan}
