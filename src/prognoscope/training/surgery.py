"""What each modality is worth to a trained model: genes or bags of other patients, and outcomes of others in training.

The model is not trained again where genes or bags are shuffled between the test patients of a fold, so a fall of its
C-index is what it took from them. One that learned from shuffled outcomes must be near 0.5.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset, open_bags
from prognoscope.cohort.splits import Split
from prognoscope.runs.layout import FoldFiles
from prognoscope.runs.manifest import is_there, seal_also
from prognoscope.runs.tables import OUTCOMES_PERMUTED, SURGERY_RISKS
from prognoscope.training.job import FoldJob
from prognoscope.training.method import Method
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained

SHUFFLES = 5
TAKEN_FROM = {"genes": "omics", "bags": "bag"}  # how columns of risks begin -> what a model then needs


@dataclass(frozen=True, slots=True)
class Operation:
    """A finished fold whose model is to predict the test patients with genes and bags of others."""

    job: FoldJob

    @property
    def files(self) -> FoldFiles:
        """Where the model lies, and its risks will."""
        return self.job.files

    @property
    def method(self) -> Method:
        """Whose model it is."""
        return self.job.method

    @property
    def split(self) -> Split:
        """Whose patients they are."""
        return self.job.split

    @property
    def spec(self) -> TrainingSpec:
        """What the model computes in."""
        return self.job.spec

    @property
    def is_done(self) -> bool:
        """Whether the fold has the risks."""
        return self.files.is_done and is_there(self.files.surgery)

    @property
    def label(self) -> str:
        """What a message calls it."""
        return f"{self.job.label}, genes and bags shuffled"


def permuted_job(job: FoldJob, seed: int) -> FoldJob:
    """The same training of outcomes that patients of the training part have exchanged; test patients keep theirs."""
    trained = [*job.split.train, *job.split.validation]
    place = {patient: i for i, patient in enumerate(job.cohort.patients)}
    at = np.array([place[patient] for patient in trained])
    order = np.arange(len(job.cohort))
    order[at] = np.random.default_rng((seed, job.split.fold)).permutation(at)
    cohort = with_outcomes(job.cohort, order)
    return replace(job, files=job.files.permuted, cohort=cohort, purpose=OUTCOMES_PERMUTED)


def with_outcomes(cohort: Cohort, order: np.ndarray) -> Cohort:
    """The cohort whose i-th patient has the outcome of the order[i]-th."""
    outcome = cohort.outcome.take(order)
    return replace(cohort, outcome=replace(outcome, patients=cohort.patients))


def operate(operation: Operation, on_epoch: Callable[[int, int], None] | None = None) -> None:
    """Write the risks of the fold's test patients, in columns genes_0, ..., bags_0, ... for what the model needs.

    Everything but the genes, or but the bag, stays the patient's own; who has none goes on without.
    """
    if operation.is_done:
        return
    job = operation.job
    trained = Trained.load(job.files, job.spec)
    needs = trained.model.profile.needs
    own = trained.dataset(job.cohort, job.split.test, open_bags(job.pack) if "bag" in needs else None)
    own = own.near(trained.spec.device)
    table = pd.DataFrame({"patient_id": own.patients})
    for what in (what for what, need in TAKEN_FROM.items() if need in needs):
        having = np.flatnonzero(_has(own, what))
        for i in range(SHUFFLES):
            order = np.arange(len(own))
            order[having] = np.random.default_rng((job.spec.seed, job.split.fold, i)).permutation(having)
            table[f"{what}_{i}"] = trained.predict_prepared(with_shuffled(own, what, order)).prediction.risk
    SURGERY_RISKS.write(job.files.surgery, table)
    seal_also([job.files.surgery])


def _has(own: PatientDataset, what: str) -> np.ndarray:
    """Who has genes, or a bag: these alone exchange theirs, so that nobody comes to have what they had not."""
    if what == "bags":
        return np.array(own.lengths) > 0
    return ~np.any([group.isnan().any(dim=1).numpy() for group in own.omics], axis=0)


def with_shuffled(own: PatientDataset, what: str, order: np.ndarray) -> PatientDataset:
    """The dataset whose i-th patient has the genes, or the bag, of the order[i]-th."""
    if what == "genes":
        return replace(own, omics=tuple(group[order] for group in own.omics))
    outcome = own.outcome  # bags go by the patient's name, and nothing else in predicting does
    return replace(own, outcome=replace(outcome, patients=tuple(outcome.patients[i] for i in order)))
