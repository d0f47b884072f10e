"""A small cohort whose slides and genes tell its survival, with its bags packed; and small models."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset, open_bags, prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.cohort.splits import Split
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.concordance import concordance
from prognoscope.features.store import Embeddings, pack_embeddings
from prognoscope.omics.tables import OmicsTable
from prognoscope.runs.layout import FoldFiles
from prognoscope.training.crossval import run_fold
from prognoscope.training.fold_data import FoldData
from prognoscope.training.job import FoldJob
from prognoscope.training.method import Method
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import new_model
from tests.run_files import UNEQUAL

DIM, GENES = 8, 10
OPTIONS = {  # without dropout, whose draws depend on what is packed with what
    "abmil": {"hidden_dim": 16, "attention_dim": 8, "dropout": 0.0},
    "meanmil": {"widths": (16, 16), "dropout": 0.0},
    "snn": {"widths": (16,), "dropout": 0.0},
    "mcti": {
        "k": 4,
        "d": 16,
        "gene_hidden": 8,
        "layers": 1,
        "gene_groups": 2,
        "gene_heads": 2,
        "ot_iters": 3,
        "dropout": 0.0,
    },
    "coxph": {"n_components": 3, "penalizers": (0.1,)},
}
FAST = {"learning_rate": 1e-2, "epochs": 4, "patients_per_step": 8}


@dataclass(frozen=True)
class Toy:
    """A cohort, its packed bags, and one split of it."""

    cohort: Cohort
    pack: Path
    split: Split

    def job(self, folder: Path, name: str = "abmil", **changes) -> FoldJob:
        """A small training of a method on the split; `changes` are of the job, `recipe` and `options` of its method."""
        recipe, options = changes.pop("recipe", {}), changes.pop("options", {})
        method = Method(name, name, OPTIONS.get(name, {}) | options, FAST | recipe)
        job = FoldJob(
            FoldFiles(folder), method, self.cohort, self.split, TrainingSpec(), self.pack, {"n_bins": 3}, c_index
        )
        return replace(job, **changes)

    def model(self, name: str, seed: int = 0, **options):
        """A new model that fits the toy's data."""
        job = self.job(Path(), name, options=options, spec=TrainingSpec(seed=seed))
        return new_model(job.method, self.data, job.spec)

    @property
    def data(self) -> FoldData:
        return self.job(Path()).data()

    @property
    def preparation(self) -> Preparation:
        return Preparation.fit(self.cohort, (*self.split.train, *self.split.validation), n_bins=3)

    def dataset(self, part: str) -> PatientDataset:
        return prepared_dataset(self.cohort, getattr(self.split, part), self.preparation, open_bags(self.pack))


def make_toy(folder: Path, n: int = 46, *, seed: int = 0, noise: float = 0.5, parts=(22, 12)) -> Toy:
    """n patients; the first of `parts` train, the next validate, the others test."""
    rng = np.random.default_rng(seed)
    patients = tuple(f"P{i:03d}" for i in range(n))
    danger = rng.normal(size=n)
    died, lost = rng.exponential(30 * np.exp(-1.5 * danger)), rng.exponential(60, n)
    outcome = Outcome(patients, np.minimum(died, lost) + 0.1, died <= lost)
    genes = noise * rng.normal(size=(n, GENES)) + danger[:, None] * (np.arange(GENES) < 4)
    values = pd.DataFrame(genes.astype(np.float32), patients, [f"G{i}_rnaseq" for i in range(GENES)])
    bags = {}
    for patient, z in zip(patients, danger, strict=True):
        features = rng.normal(size=(int(rng.integers(1, 13)), DIM)) * noise
        features[:, 0] += z
        coords = rng.uniform(0, 1e4, (len(features), 2)).astype(np.float32)
        one = Embeddings(f"{patient}s", features.astype(np.float16), coords_um=coords)
        bags[patient] = [(one.slide, lambda one=one: one)]
    pack_embeddings(bags, folder / "toy.bags", f"toy {seed}")
    cohort = Cohort(
        "toy",
        outcome,
        slides={p: (f"{p}s",) for p in patients},
        omics=OmicsTable(values),
        groups={"first": ("G0", "G1", "G2", "G3", "G4"), "second": ("G5", "G6", "G7", "G8", "G9")},
        covariates=pd.DataFrame({"age": 60 + 5 * danger + rng.normal(size=n)}, patients),
        subtype={p: "AB"[int(f > 0)] for p, f in zip(patients[:-2], rng.normal(size=n), strict=False)},
    )
    a, b = parts
    return Toy(cohort, folder / "toy.bags", Split(0, patients[:a], patients[a : a + b], patients[a + b :]))


def with_outcome(cohort: Cohort, order: dict[str, str]) -> Cohort:
    """The cohort in which each patient of `order` has the outcome of another."""
    place = {patient: i for i, patient in enumerate(cohort.patients)}
    of = np.array([place[order.get(patient, patient)] for patient in cohort.patients])
    return replace(cohort, outcome=Outcome(cohort.patients, cohort.outcome.time[of], cohort.outcome.event[of]))


def shuffled(patients, seed: int = 0) -> dict[str, str]:
    """Each patient with another one."""
    return dict(zip(patients, np.random.default_rng(seed).permutation(patients).tolist(), strict=True))


def folder_of(job: FoldJob, tell=None) -> Path:
    """Where the fold's files are, once it is trained."""
    return run_fold(job, tell).folder


def c_index(risk, *, time, event) -> float:
    return concordance(risk, time=time, event=event).value


def weights(model) -> dict[str, torch.Tensor]:
    """A copy of the model's state."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in UNEQUAL}
