"""The bags of a cohort in one memory-mapped file, patients end to end; processes that open it share its pages.

The file: features (T, D), then coordinates (T, 2) float32 in um (NaN where unknown), then an index in JSON, then its
length in eight bytes and the mark. The index comes last because the loaders are asked only once, and in turn.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float, Float32

from prognoscope.core.errors import FeatureError, MissingFileError
from prognoscope.core.files import written_whole
from prognoscope.features.embeddings import Embeddings

MARK = b"PROGNOSCOPEBAGS1"
ALIGNMENT = 64  # bytes at whose multiples coordinates start
Loader = Callable[[], Embeddings]


class PackedEmbeddings:
    """The bags of P patients in a file that is mapped, not read: opening it takes no memory.

    Attributes:
        path: The file.
        key: What it was packed under; a pack with another key than expected is stale.
        patients: In the order of the file.
        embedding_dim: D, the length of an embedding; 0 if all slides are empty.
        encoder: Its name, where the files say it.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        index = _read_index(self.path)
        self.key: str = index["key"]
        self.patients: tuple[str, ...] = tuple(index["patients"])
        self.embedding_dim: int = index["embedding_dim"]
        self.encoder: str | None = index["encoder"]
        self._slides = {patient: [tuple(slide) for slide in slides] for patient, slides in index["patients"].items()}
        self._start = index["start"]
        rows, kind = index["rows"], np.dtype(index["dtype"])
        self._features = _mapped(self.path, kind, (rows, self.embedding_dim), 0)
        coords_at = _aligned(rows * self.embedding_dim * kind.itemsize)
        self._coords = _mapped(self.path, np.dtype(np.float32), (rows, 2), coords_at)

    @classmethod
    def open(cls, path: Path | str) -> "PackedEmbeddings":
        """The packed file at `path`.

        Raises:
            MissingFileError: There is none.
            FeatureError: It is not a whole packed file.
        """
        return cls(path)

    def __reduce__(self):  # another process maps the file anew instead of receiving a copy of it
        return PackedEmbeddings, (self.path,)

    def __len__(self) -> int:
        return len(self.patients)

    def bag(self, patient: str) -> tuple[Float[np.ndarray, "N D"], Float32[np.ndarray, "N 2"] | None]:
        """The patient's embeddings, a read-only view of the file, and coordinates in um where all slides have them."""
        slides = self._of(patient)
        start = self._start[patient]
        rows = slice(start, start + (slides[-1][2] if slides else 0))
        known = all(has_coords for *_, has_coords in slides)
        return self._features[rows], self._coords[rows] if known else None

    def slides(self, patient: str) -> tuple[tuple[str, int, int], ...]:
        """The patient's slides in the order of the bag: id, first row, last row + 1 within the bag."""
        return tuple((slide, first, last) for slide, first, last, _ in self._of(patient))

    def _of(self, patient: str) -> list[tuple]:
        if patient not in self._slides:
            raise FeatureError(f"Patient {patient} is not among the {len(self)} packed in {self.path}. Pack it again.")
        return self._slides[patient]


def pack_embeddings(bags: Mapping[str, Sequence[tuple[str, Loader]]], path: Path | str, key: str) -> PackedEmbeddings:
    """Pack the bags of all patients into one file, whole or not at all; float16 if all embeddings are, else float32.

    Args:
        bags: Patient -> slide ids with functions that read them; the slides of a patient become one bag, in this order.
        key: Stands for all that went in, so that the caller can tell a stale pack from a fresh one.

    Raises:
        FeatureError: Embeddings of two lengths or of two encoders; names a slide of each.
        DiskFullError: There was no room.
    """
    path = Path(path)
    with written_whole(path) as beside, beside.open("wb") as file:
        half = _write_features(file, bags, np.dtype(np.float16))
        index, coords = half or _write_features(file, bags, np.dtype(np.float32))
        file.write(b"\0" * (_aligned(file.tell()) - file.tell()))
        for each in coords:
            file.write(each)
        text = json.dumps({"key": key, **index}).encode()
        file.write(text + len(text).to_bytes(8, "little") + MARK)
    return PackedEmbeddings(path)


def _write_features(
    file: IO[bytes], bags: Mapping[str, Sequence[tuple[str, Loader]]], dtype: np.dtype
) -> tuple[dict[str, object], list[np.ndarray]] | None:
    """Write all features from the start of the file; None as soon as embeddings are wider than `dtype`."""
    file.seek(0)
    file.truncate()
    rows, first, encoded = 0, None, None  # first: the slide that all later ones must be as long as
    patients, start, coords = {}, {}, []
    for patient, slides in bags.items():
        start[patient], patients[patient] = rows, []
        for slide, load in slides:
            one = load()
            if one.features.dtype.itemsize > dtype.itemsize:
                return None
            if len(one):
                first = _agree(first, "embedding_dim", one)
                encoded = _agree(encoded, "encoder", one) if one.encoder else encoded
            file.write(np.ascontiguousarray(one.features, dtype=dtype))
            unknown = one.coords_um is None
            coords.append(
                np.full((len(one), 2), np.nan, np.float32) if unknown else np.ascontiguousarray(one.coords_um)
            )
            begin = rows - start[patient]
            patients[patient].append([slide, begin, begin + len(one), not unknown])
            rows += len(one)
    index = {
        "rows": rows,
        "embedding_dim": first[1] if first else 0,
        "dtype": dtype.name,
        "encoder": encoded[1] if encoded else None,
        "patients": patients,
        "start": start,
    }
    return index, coords


def _agree(first: tuple[str, object] | None, name: str, one: Embeddings) -> tuple[str, object]:
    value = getattr(one, name)
    if first is not None and first[1] != value:
        what = {"embedding_dim": "embeddings of length", "encoder": "embeddings by"}[name]
        raise FeatureError(
            f"Slide {first[0]} has {what} {first[1]} and slide {one.slide} has {what} {value}; one cohort needs one "
            "encoder. Name one folder of embeddings, or extract these slides again."
        )
    return first or (one.slide, value)


def _read_index(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise MissingFileError(f"The packed embeddings {path} do not exist. Pack the cohort's embeddings first.")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8 - len(MARK)))
        tail = file.read()
        length = int.from_bytes(tail[:8], "little")
        if tail[8:] != MARK or length > size - len(tail):
            raise FeatureError(f"{path} is not a whole file of packed embeddings. Remove it; it will be packed again.")
        file.seek(size - len(tail) - length)
        return json.loads(file.read(length))


def _mapped(path: Path, dtype: np.dtype, shape: tuple[int, int], offset: int) -> np.ndarray:
    if 0 in shape:  # nothing to map
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def _aligned(position: int) -> int:
    return -(-position // ALIGNMENT) * ALIGNMENT
