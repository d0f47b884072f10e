"""Patients -> batches: their bags packed, their genes scaled, what is missing marked."""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.patch_draw import PatchDraw
from prognoscope.cohort.preparation import Preparation
from prognoscope.cohort.resident import ResidentEmbeddings, on_device
from prognoscope.core.bags import Bags
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
    resident: ResidentEmbeddings | None = None  # the same on the device; None: read from the file batch by batch
    without_slides: frozenset[str] = frozenset()  # who have none, and an empty bag, of a method that can do without

    @property
    def patients(self) -> tuple[str, ...]:
        """Who is in it, in order."""
        return self.outcome.patients

    def __len__(self) -> int:
        return len(self.outcome)

    @cached_property
    def lengths(self) -> list[int]:
        """Patches of each patient."""
        if self.embeddings is None:
            return [0] * len(self)
        without = self.without_slides
        slides = [() if patient in without else self.embeddings.slides(patient) for patient in self.patients]
        return [each[-1][2] if each else 0 for each in slides]

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digits that stand for all that is in it, so that equal ones train equal models."""
        tensors = [self.target.bin, self.target.event, self.target.time, self.target.subtype]
        tensors += [] if self.target.competing is None else [self.target.competing]
        words = [*self.patients, "" if self.embeddings is None else self.embeddings.key]
        return fingerprint([*tensors, *self.omics, self.clinical], words)

    def batch(self, index: Sequence[int], device: str = "cpu", draw: PatchDraw | None = None, first: int = 0) -> Batch:
        """The patients at these positions, on the device, in float32.

        Args:
            draw: Which of their patches; None: all.
            first: The place in the epoch of the first one; the others follow.
        """
        rows = torch.tensor(list(index), dtype=torch.int64)
        omics = tuple(group[rows] for group in self.omics)
        target = replace(self.target.take(rows), omics=omics, patient=rows)
        clinical = None if self.clinical is None else self.clinical[rows]
        patients = tuple(self.patients[i] for i in index)
        seen: list[np.ndarray | None] = [None] * len(patients)
        if draw is not None:
            seen = [draw.rows(place, self.lengths[i]) for place, i in enumerate(index, start=first)]
        inputs = Inputs(self._bags(patients, seen, device), omics, clinical)
        return Batch(patients, inputs.to(device, non_blocking=True), target.to(device, non_blocking=True))

    def near(self, device: str) -> "PatientDataset":
        """The same patients with their embeddings on the device, if it is a GPU with room for the whole cohort."""
        return self if self.embeddings is None else replace(self, resident=on_device(self.embeddings, device))

    def _bags(self, patients: Sequence[str], rows: Sequence[np.ndarray | None], device: str) -> Bags:
        if self.embeddings is None:
            return Bags(torch.zeros(0, 1, device=device), torch.zeros(len(patients), dtype=torch.int64))
        if not self.without_slides.isdisjoint(patients):
            return self._with_empty(patients, rows, device)
        if self.resident is not None:
            return self.resident.bags(patients, rows)
        bags = [_taken(self.embeddings.bag(patient), drawn) for patient, drawn in zip(patients, rows, strict=True)]
        values, coords = zip(*bags, strict=True)
        lengths = torch.tensor([len(bag) for bag in values], dtype=torch.int64)
        known = all(each is not None for each in coords)
        return Bags(_end_to_end(values, device), lengths, _end_to_end(coords, device) if known else None)

    def _with_empty(self, patients: Sequence[str], rows: Sequence[np.ndarray | None], device: str) -> Bags:
        """The bags, empty ones of patients without slides."""
        assert self.embeddings is not None
        there = [i for i, patient in enumerate(patients) if patient not in self.without_slides]
        lengths = torch.zeros(len(patients), dtype=torch.int64)
        if not there:
            return Bags(torch.zeros(0, self.embeddings.embedding_dim, device=device), lengths)
        bags = self._bags([patients[i] for i in there], [rows[i] for i in there], device)
        lengths[there] = bags.lengths
        return Bags(bags.values, lengths, bags.coords)


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
        competing=None if outcome.competing is None else torch.from_numpy(outcome.competing.astype(bool)),
    )
    omics = tuple(_float_tensor(group) for group in prepared.omics)
    clinical = None if prepared.clinical is None else _float_tensor(prepared.clinical)
    without = frozenset() if embeddings is None else frozenset(patients) - set(embeddings.patients)
    without -= cohort.having("bag")  # whose bags must be there
    return PatientDataset(outcome, target, omics, clinical, embeddings, without_slides=without)


def loaded_ahead(
    dataset: PatientDataset,
    parts: Sequence[Sequence[int]],
    device: str,
    draw: PatchDraw | None = None,
    firsts: Sequence[int] | None = None,
) -> Generator[Batch, None, None]:
    """The batch of each part, on the device; the next one is read while the caller computes.

    An error of reading is raised where its batch is asked for. Closing the generator ends its thread.

    Args:
        firsts: The place in the epoch of the first patient of each part, where one does not follow the other.
    """
    firsts = firsts or [0, *accumulate(map(len, parts))]  # how many go before each part
    if dataset.embeddings is None or dataset.resident is not None:  # nothing to read that would be worth a thread
        yield from (dataset.batch(part, device, draw, first) for part, first in zip(parts, firsts, strict=False))
        return
    loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
    try:
        coming = [loader.submit(dataset.batch, part, device, draw, firsts[0]) for part in parts[:1]]
        for following in range(1, len(parts) + 1):
            batch = coming.pop().result()
            if following < len(parts):
                coming.append(loader.submit(dataset.batch, parts[following], device, draw, firsts[following]))
            yield batch
            del batch  # it need not live until the next one is there
    finally:
        loader.shutdown(cancel_futures=True)


def cut_into_passes(
    step: Sequence[int], lengths: Sequence[int], most: int, most_patients: int | None = None
) -> Iterator[list[int]]:
    """The patients of a step in parts of at most `most` patches each, or one patient."""
    part: list[int] = []
    patches = 0
    for patient in step:
        if part and (patches + lengths[patient] > most or len(part) == most_patients):
            yield part
            part, patches = [], 0
        part.append(patient)
        patches += lengths[patient]
    if part:
        yield part


def fingerprint(tensors: Sequence[Tensor | None], words: Sequence[str]) -> str:
    """Hexadecimal digits that stand for these tensors and words."""
    sha = hashlib.sha256(repr(list(words)).encode())
    for tensor in tensors:
        if tensor is not None:
            sha.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            sha.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        sha.update(b";")
    return sha.hexdigest()


def _taken(bag: tuple[np.ndarray, np.ndarray | None], rows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """These rows of a bag's embeddings and coordinates; None: all of them."""
    values, coords = bag
    return bag if rows is None else (values[rows], None if coords is None else coords[rows])


def _end_to_end(parts: Sequence[np.ndarray], device: str) -> Tensor:
    """One float32 tensor of all parts. They travel as they are stored, and widen only on the device."""
    shape = (sum(map(len, parts)), parts[0].shape[1])
    kind = torch.from_numpy(parts[0][:0].copy()).dtype
    packed = torch.empty(shape, dtype=kind, pin_memory=device.startswith("cuda"))
    np.concatenate(parts, out=packed.numpy())
    return packed.to(device, non_blocking=True).float()


def _float_tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))
