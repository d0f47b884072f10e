"""Patients -> batches: their bags packed, their genes scaled, what is missing marked."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.preparation import Preparation
from prognoscope.core.bags import Bag, Bags
from prognoscope.core.batch import Batch, Inputs, Target
from prognoscope.core.outcome import Outcome
from prognoscope.features.store import PackedEmbeddings


@dataclass(frozen=True)
class PatientDataset:
    """Prepared patients in a fixed order, from which batches are taken by position."""

    outcome: Outcome
    target: Target
    omics: tuple[Tensor, ...] = ()  # (P, G) a gene group, NaN for a patient without omics
    clinical: Tensor | None = None  # (P, V)
    embeddings: PackedEmbeddings | None = None  # None: bags are empty

    @property
    def patients(self) -> tuple[str, ...]:
        """Who is in it, in order."""
        return self.outcome.patients

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def lengths(self) -> list[int]:
        """Patches of each patient."""
        if self.embeddings is None:
            return [0] * len(self)
        return [self.embeddings.slides(patient)[-1][2] for patient in self.patients]

    def batch(self, index: Sequence[int]) -> Batch:
        """The patients at these positions, on the CPU, in float32."""
        rows = torch.tensor(list(index), dtype=torch.int64)
        target = Target(
            self.target.bin[rows],
            self.target.event[rows],
            self.target.time[rows],
            None if self.target.subtype is None else self.target.subtype[rows],
        )
        omics = tuple(group[rows] for group in self.omics)
        clinical = None if self.clinical is None else self.clinical[rows]
        patients = tuple(self.patients[i] for i in index)
        return Batch(patients, Inputs(self._bags(patients), omics, clinical), target)

    def _bags(self, patients: Sequence[str]) -> Bags:
        if self.embeddings is None:
            return Bags(torch.zeros(0, 1), torch.zeros(len(patients), dtype=torch.int64))
        return Bags.pack([Bag(*map(_float_tensor, self.embeddings.bag(patient))) for patient in patients])


def open_bags(path: Path | None) -> PackedEmbeddings | None:
    """The packed embeddings of a cohort; None without a file."""
    return None if path is None else PackedEmbeddings.open(path)


def prepared_dataset(
    cohort: Cohort,
    patients: Sequence[str],
    preparation: Preparation,
    embeddings: PackedEmbeddings | None = None,
) -> PatientDataset:
    """These patients of the cohort, prepared by what was learned from training patients.

    Raises:
        CohortError: A patient is not in the cohort, or lacks what training had.
    """
    prepared = preparation.prepare(cohort, patients)
    outcome = cohort.take(patients).outcome
    target = Target(
        torch.from_numpy(prepared.bin),
        torch.from_numpy(outcome.event.astype(bool)),
        torch.from_numpy(outcome.time.astype(np.float32)),
        None if prepared.subtype is None else torch.from_numpy(prepared.subtype),
    )
    omics = tuple(_float_tensor(group) for group in prepared.omics)
    return PatientDataset(outcome, target, omics, _float_tensor(prepared.clinical), embeddings)


def loaded_ahead(
    dataset: PatientDataset, parts: Sequence[Sequence[int]], device: str, depth: int = 2
) -> Iterator[Batch]:
    """The batch of each part, on the device; the next ones are read while the caller computes."""
    with ThreadPoolExecutor(1) as loader:
        waiting = deque(loader.submit(dataset.batch, part) for part in parts[:depth])
        for following in range(depth, len(parts) + depth):
            batch = waiting.popleft().result() if waiting else None
            if following < len(parts):
                waiting.append(loader.submit(dataset.batch, parts[following]))
            if batch is not None:
                yield Batch(batch.patients, batch.inputs.to(device), batch.target.to(device))


def cut_into_passes(step: Sequence[int], lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """The patients of a step in parts of at most `most` patches, or one patient, each."""
    part: list[int] = []
    patches = 0
    for patient in step:
        if part and patches + lengths[patient] > most:
            yield part
            part, patches = [], 0
        part.append(patient)
        patches += lengths[patient]
    if part:
        yield part


def _float_tensor(values: np.ndarray | None) -> Tensor | None:
    return None if values is None else torch.from_numpy(np.array(values, dtype=np.float32))
