"""Made-up cohorts of the size that benchmarks ask for: blends of tissue types, and TCGA-BLCA's gene groups."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.batch import Target
from prognoscope.core.outcome import Outcome
from prognoscope.features.store import Embeddings, PackedEmbeddings, pack_embeddings
from prognoscope.models.sizes import Sizes
from prognoscope.omics.tables import OmicsTable

DIM, BINS = 1024, 4
GENES = (94, 334, 521, 468, 1496, 479)  # columns of TCGA-BLCA in the six groups of the signatures
SIZES = Sizes(BINS, DIM, GENES, n_subtypes=2)
BLCA_PATIENTS, BLCA_PATCHES = 373, 15_000  # patches on average
TISSUES, NOISE_ROWS = 10, 1 << 12


class Slides:
    """Embeddings of any number of patches, quickly: blends of two tissue types and noise drawn once."""

    def __init__(self, seed: int = 0):
        self.rng = np.random.default_rng(seed)
        self.tissues = self.rng.standard_normal((TISSUES, DIM)).astype(np.float32)
        self.noise = self.rng.standard_normal((NOISE_ROWS, DIM)).astype(np.float32) / 2

    def draw(self, name: str, n: int) -> Embeddings:
        """A slide of n patches."""
        parts = [self._draw(min(NOISE_ROWS, n - start)) for start in range(0, n, NOISE_ROWS)]
        return Embeddings(name, np.concatenate(parts))

    def _draw(self, n: int) -> np.ndarray:
        weight = np.zeros((n, TISSUES), np.float32)
        rows, share = np.arange(n), self.rng.random(n, dtype=np.float32)
        weight[rows, self.rng.integers(0, TISSUES, n)] += share
        weight[rows, self.rng.integers(0, TISSUES, n)] += 1 - share
        values = weight @ self.tissues
        values += self.noise[self.rng.permutation(NOISE_ROWS)[:n]]
        return values.astype(np.float16)


def pack_slides(lengths: Sequence[int], path: Path) -> PackedEmbeddings:
    """Patients P0, P1 ... with a slide of each length."""
    slides = Slides()
    bags = {f"P{i}": [(f"S{i}", lambda i=i, n=n: slides.draw(f"S{i}", n))] for i, n in enumerate(lengths)}
    return pack_embeddings(bags, path, f"bench {path.name}")


def equal_bags(n: int, n_patches: int, path: Path) -> PatientDataset:
    """n patients of as many patches each."""
    rng = np.random.default_rng(0)
    patients = tuple(f"P{i}" for i in range(n))
    time, event = rng.uniform(1, 100, n), np.arange(n) % 2 == 0
    omics = tuple(torch.from_numpy(rng.standard_normal((n, size))).float() for size in GENES)
    labels = [torch.from_numpy(rng.integers(0, classes, n)) for classes in (BINS, 2)]
    target = Target(labels[0], torch.from_numpy(event), torch.from_numpy(time).float(), labels[1])
    return PatientDataset(Outcome(patients, time, event), target, omics, None, pack_slides([n_patches] * n, path))


def first(data: PatientDataset, n: int) -> PatientDataset:
    """The first n patients."""
    omics = tuple(group[:n] for group in data.omics)
    return PatientDataset(data.outcome.take(np.arange(n)), data.target.take(slice(n)), omics, None, data.embeddings)


def blca_like(n: int, n_patches: int, path: Path) -> Cohort:
    """n patients of n_patches on average, a few with many more, as in TCGA-BLCA; packed in `path`."""
    rng = np.random.default_rng(1)
    lengths = rng.lognormal(sigma=0.5, size=n)
    pack_slides(np.maximum(1, lengths / lengths.mean() * n_patches).astype(int).tolist(), path)
    patients = tuple(f"P{i}" for i in range(n))
    names = [f"G{i}" for i in range(sum(GENES))]
    groups, ends = {}, np.cumsum((0, *GENES)).tolist()
    for i, size in enumerate(GENES):
        groups[f"group {i + 1}"] = tuple(names[ends[i] : ends[i] + size])
    genes = pd.DataFrame(
        rng.standard_normal((n, len(names))).astype(np.float32), patients, [f"{g}_rnaseq" for g in names]
    )
    return Cohort(
        "BLCA's size",
        Outcome(patients, rng.exponential(30, n) + 0.1, rng.random(n) < 0.5),
        slides={patient: (f"S{i}",) for i, patient in enumerate(patients)},
        omics=OmicsTable(genes),
        groups=groups,
        subtype={patient: "AB"[i % 2] for i, patient in enumerate(patients)},
    )
