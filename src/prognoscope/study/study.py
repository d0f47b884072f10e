"""The whole way as one thing: `Study.load("study.yaml").run()`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import StudyError
from prognoscope.features.extract import ExtractionReport
from prognoscope.study.audit import Audit, audit
from prognoscope.study.clock import Standing
from prognoscope.study.devices import device_of
from prognoscope.study.endpoints import run_endpoints
from prognoscope.study.gather import extract_for, need_slides
from prognoscope.study.inputs import read_cohort
from prognoscope.study.places import need_extracted
from prognoscope.study.plan import Plan, plan, plans
from prognoscope.study.run import Finished, run_plan
from prognoscope.study.seeds import run_seeds, write_seeds
from prognoscope.study.study_file import StudyFile


class Study(StudyFile):
    """A study file with what can be done with it; each of these makes a plan, and works by it."""

    __slots__ = ()

    @property
    def cohort(self) -> Cohort:
        """All patients as the tables have them, read anew; a plan has them read."""
        return read_cohort(self.spec.name, self.where)

    def plan(self, *, jobs: int = 1, cluster: str = "") -> Plan:
        """All that is settled before anything is done; nothing is written."""
        return plan(self, jobs=jobs, cluster=cluster)

    def check(self) -> Audit:
        """Audit the inputs; nothing is written."""
        return audit(plan(self, elsewhere=True))

    def extract(
        self, *, workers: int = 1, cluster: str = "", progress: Callable[[int, int], None] | None = None
    ) -> ExtractionReport:
        """Slides of the cohort's patients -> embeddings, one file a slide; continues where it was stopped.

        Slides may come in one by one, so neither methods nor folds are settled for it.

        Args:
            progress: Called with the number of finished and of all slides.

        Raises:
            StudyError: The study has no slides.
        """
        need_slides(self)
        need_extracted(self)
        device = device_of(self.spec.training.device)
        how = {"device": device, "workers": workers, "cluster": cluster}
        return extract_for(self, self.cohort, progress=progress, **how)

    def run(
        self,
        folder: Path | str | None = None,
        *,
        jobs: int = 1,
        progress: Callable[[Standing], None] | None = None,
        final: bool = False,
        shares: bool = False,
        cluster: str = "",
    ) -> Finished:
        """Cross-validate every method, evaluate, report; continues where it was stopped.

        Args:
            folder: The run folder; `run` beside the study file by default.
            jobs: Processes at once; the numbers do not depend on it.
            progress: Called with the share of the work that is done, and the seconds that are left.
            final: Train each method on all patients, too.
            shares: Other processes may do the same, each fold is done by one of them.
            cluster: The address of a Ray cluster, whose machines take the place of processes here.

        Raises:
            StudyError: The study asks for several seeds or endpoints.
        """
        if self.spec.seeds > 1:
            raise StudyError(f"The study has seeds: {self.spec.seeds}, so it makes several runs. Call `run_seeds`.")
        at = Path(folder or self.folder / "run")
        return run_plan(self.plan(jobs=jobs, cluster=cluster), at, progress=progress, final=final, shares=shares)

    def run_seeds(
        self,
        folder: Path | str | None = None,
        *,
        jobs: int = 1,
        progress: Callable[[Standing], None] | None = None,
    ) -> list[Finished]:
        """The same with every seed of the study: a run folder for each, and the comparisons over all of them.

        Args:
            folder: Where the run folders are, `seed_0` and so on, with `comparison.html` beside them.
            progress: Called as by `run`, with the share of all seeds' work.
        """
        at = Path(folder or self.folder / "run")
        finished = run_seeds(plan(self, jobs=jobs), at, partial(_run, progress))
        write_seeds(at, [each.folder for each in finished], draws=self.spec.evaluation.draws)
        return finished

    def run_endpoints(
        self,
        folder: Path | str | None = None,
        *,
        jobs: int = 1,
        progress: Callable[[Standing], None] | None = None,
    ) -> dict[str, list[Finished]]:
        """The same with every endpoint of the study, and every seed: the runs of each, and the comparisons over all.

        Args:
            folder: Where the run folders are, `endpoint_OS` and so on, with `comparison.html` beside them; with several
                seeds each of them holds `seed_0` and so on.
            progress: Called as by `run`, with the share of all runs' work.
        """
        at = Path(folder or self.folder / "run")
        finished = run_endpoints(plans(self, jobs=jobs), at, partial(_run, progress))
        runs = [each.folder for of_endpoint in finished.values() for each in of_endpoint]
        write_seeds(at, runs, draws=self.spec.evaluation.draws)
        return finished


def _run(
    progress: Callable[[Standing], None] | None, plan: Plan, at: Path, whole: Callable[[Standing], Standing]
) -> Finished:
    """One of several runs; `whole` makes of where it stands where all of them do."""
    return run_plan(plan, at, progress=None if progress is None else partial(_tell, progress, whole))


def _tell(progress: Callable[[Standing], None], whole: Callable[[Standing], Standing], now: Standing) -> None:
    progress(whole(now))
