"""The embeddings of a cohort, whole, on a device where they fit: a batch is an indexing there, and nothing is read."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from prognoscope.core.bags import Bags
from prognoscope.features.store import PackedEmbeddings

LARGEST_SHARE = 0.6  # of the device's free memory; the rest is for activations


class ResidentEmbeddings:
    """The bags of all packed patients on a device, as they are stored: half precision stays so until it is used."""

    def __init__(self, packed: PackedEmbeddings, device: str):
        bags = [packed.bag(patient) for patient in packed.patients]
        ends = np.cumsum([0, *(len(values) for values, _ in bags)]).tolist()
        self._rows = dict(zip(packed.patients, map(slice, ends[:-1], ends[1:]), strict=True))
        self._located = {patient for patient, (_, at) in zip(packed.patients, bags, strict=True) if at is not None}
        kind = torch.from_numpy(np.zeros(0, bags[0][0].dtype)).dtype
        self._values = torch.empty(ends[-1], packed.embedding_dim, dtype=kind, device=device)
        self._coords = torch.zeros(ends[-1], 2, device=device)
        for patient, (values, coords) in zip(packed.patients, bags, strict=True):  # one by one: the file may be huge
            rows = self._rows[patient]
            self._values[rows] = torch.from_numpy(np.array(values))
            if coords is not None:
                self._coords[rows] = torch.from_numpy(np.array(coords))

    def bags(self, patients: Sequence[str], drawn: Sequence[np.ndarray | None]) -> Bags:
        """The bags of these patients in float32, equal bit for bit to those read from the file.

        Args:
            drawn: Rows of each bag; None: all of them.
        """
        parts = [self._place(patient, rows) for patient, rows in zip(patients, drawn, strict=True)]
        values = [self._values[part] for part in parts]
        lengths = torch.tensor([len(bag) for bag in values], dtype=torch.int64)
        located = self._located.issuperset(patients)
        coords = torch.cat([self._coords[part] for part in parts]) if located else None
        return Bags(torch.cat(values).float(), lengths, coords)

    def _place(self, patient: str, drawn: np.ndarray | None) -> slice | torch.Tensor:
        rows = self._rows[patient]
        if drawn is None:
            return rows
        return torch.from_numpy(drawn + rows.start).to(self._values.device, non_blocking=True)


def on_device(packed: PackedEmbeddings, device: str) -> ResidentEmbeddings | None:
    """The embeddings on the device if that is a GPU with room for them, else None."""
    return _if_they_fit(packed.path, packed.key, device) if device.startswith("cuda") else None


@lru_cache(maxsize=1)  # all folds and methods of a study share one copy, and one decision
def _if_they_fit(path: Path, key: str, device: str) -> ResidentEmbeddings | None:
    free, _ = torch.cuda.mem_get_info(device)
    packed = PackedEmbeddings.open(path)
    return None if packed.nbytes > LARGEST_SHARE * free else ResidentEmbeddings(packed, device)
