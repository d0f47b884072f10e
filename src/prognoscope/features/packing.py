"""The bags of a cohort in one memory-mapped file, patients end to end; processes that open it share its pages.

The file: features (T, D), then coordinates (T, 2) float32 in um (NaN where unknown), then an index in JSON, then its
length and its checksum in eight bytes each, and the mark. The index comes last because the loaders are asked only once,
and in turn. It has a checksum of each patient's bag, which whoever takes a pack that was there verifies once.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, TypedDict

import numpy as np
from jaxtyping import Float, Float32

from prognoscope.core.errors import FeatureError, MissingFileError
from prognoscope.core.files import written_whole
from prognoscope.features.bad_files import BadFileError
from prognoscope.features.embeddings import Embeddings
from prognoscope.features.in_use import held, marked
from prognoscope.features.origin import Origin, common_origin

MARK = b"PROGNOSCOPEBAGS2"
ALIGNMENT = 64  # bytes at whose multiples coordinates start
CHECKERS = 4  # threads that compute checksums; one does 1.7 GB/s
Loader = Callable[[], Embeddings]


class PackIndex(TypedDict):
    """What the end of the file says of the rest, in JSON."""

    key: str
    rows: int  # T
    embedding_dim: int
    dtype: str
    origin: dict[str, Any]
    sums: dict[str, str]  # patient -> CRC-32 of features and coordinates
    patients: dict[str, list[tuple[str, int, int, bool]]]  # slides: id, first row, last row + 1, has coordinates
    start: dict[str, int]  # patient -> first row
    left_out: dict[str, tuple[str, str, str, str]]  # slide -> path, what is wrong, cure, detail


class PackedEmbeddings:
    """The bags of P patients in a file that is mapped, not read: opening it takes no memory.

    Attributes:
        path: The file.
        key: What it was packed under; a pack with another key than expected is stale.
        patients: In the order of the file.
        embedding_dim: D, the length of an embedding; 0 if all slides are empty.
        origin: By what they were made, where the files say it.
        sums: Patient -> what stands for the content of the bag.
        left_out: Slide -> why its file could not be used.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        index = _read_index(self.path)
        file = held(self.path)  # as long as it is mapped
        self.key: str = index["key"]
        self.patients: tuple[str, ...] = tuple(index["patients"])
        self.embedding_dim: int = index["embedding_dim"]
        self.origin = Origin.told(index["origin"])
        self.sums: Mapping[str, str] = index["sums"]
        self.left_out: dict[str, BadFileError] = {s: BadFileError(*why) for s, why in index["left_out"].items()}
        self._slides = {
            patient: [(slide, first, last, has_coords) for slide, first, last, has_coords in slides]  # lists in JSON
            for patient, slides in index["patients"].items()
        }
        self._start = index["start"]
        rows, kind = index["rows"], np.dtype(index["dtype"])
        self._features = _mapped(file, kind, (rows, self.embedding_dim), 0)
        self._coords = _mapped(file, np.dtype(np.float32), (rows, 2), _coords_at(index))

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

    def damaged(self) -> list[str]:
        """The patients whose bags are not as they were packed; reads the whole file once."""
        with ThreadPoolExecutor(CHECKERS) as pool:
            found = pool.map(self._sum_of, self.patients)
            return [patient for patient, now in zip(self.patients, found, strict=True) if now != self.sums[patient]]

    def _sum_of(self, patient: str) -> str:
        slides, start = self._of(patient), self._start[patient]
        rows = slice(start, start + (slides[-1][2] if slides else 0))
        return f"{_crc(self._coords[rows], _crc(self._features[rows])):08x}"

    def _of(self, patient: str) -> list[tuple[str, int, int, bool]]:
        if patient not in self._slides:
            raise FeatureError(f"Patient {patient} is not among the {len(self)} packed in {self.path}. Pack it again.")
        return self._slides[patient]


def pack_embeddings(bags: Mapping[str, Sequence[tuple[str, Loader]]], path: Path | str, key: str) -> PackedEmbeddings:
    """Pack the bags of all patients into one file, whole or not at all; float16 if all embeddings are, else float32.

    Files that cannot be used are left out and listed.

    Args:
        bags: Patient -> slide ids with functions that read them; the slides of a patient become one bag, in this order.
        key: Stands for all that went in, so that the caller can tell a stale pack from a fresh one.

    Raises:
        FeatureError: Embeddings of two lengths, or of two origins; names slides of each.
        DiskFullError: There was no room.
    """
    path = Path(path)
    with written_whole(path) as beside, beside.open("wb") as file, marked(file):
        written = _write_features(file, bags, key, np.float16) or _write_features(file, bags, key, np.float32)
        assert written is not None  # no embeddings are wider than float32
        index, coords = written
        file.write(b"\0" * (_aligned(file.tell()) - file.tell()))
        for each in coords:
            file.write(each.data)
        text = json.dumps(index).encode()
        file.write(text + len(text).to_bytes(8, "little") + zlib.crc32(text).to_bytes(8, "little") + MARK)
    return PackedEmbeddings(path)


def _write_features(
    file: IO[bytes], bags: Mapping[str, Sequence[tuple[str, Loader]]], key: str, kind: type[np.floating]
) -> tuple[PackIndex, list[np.ndarray]] | None:
    """Write all features from the start of the file; None as soon as embeddings are wider than `kind`."""
    dtype = np.dtype(kind)
    file.seek(0)
    file.truncate()
    rows = 0
    first: tuple[str, int] | None = None  # the slide that all later ones must be as long as
    origins: dict[str, Origin] = {}
    sums: dict[str, int] = {}
    patients: dict[str, list[tuple[str, int, int, bool]]] = {}
    start: dict[str, int] = {}
    coords: list[np.ndarray] = []
    left_out: dict[str, tuple[str, str, str, str]] = {}
    for patient, slides in bags.items():
        start[patient], patients[patient] = rows, []
        for slide, load in slides:
            try:
                one = load()
            except BadFileError as cause:
                left_out[slide] = (cause.path, cause.what, cause.cure, cause.detail)
                continue
            if one.features.dtype.itemsize > dtype.itemsize:
                return None
            if len(one):
                first = _agree(first, one.slide, one.embedding_dim)
                origins[slide] = Origin.of(one)
            features = np.ascontiguousarray(one.features, dtype=dtype)
            file.write(features.data)
            sums[patient] = _crc(features, sums.get(patient, 0))
            known = one.coords_um is not None
            coords.append(np.ascontiguousarray(one.coords_um) if known else np.full((len(one), 2), np.nan, np.float32))
            begin = rows - start[patient]
            patients[patient].append((slide, begin, begin + len(one), known))
            rows += len(one)
    at = iter(coords)
    for patient, slides in patients.items():  # of features first, as they lie in the file
        for _ in slides:
            sums[patient] = _crc(next(at), sums.get(patient, 0))
    index: PackIndex = {
        "key": key,
        "rows": rows,
        "embedding_dim": first[1] if first else 0,
        "dtype": dtype.name,
        "origin": asdict(common_origin(origins)),
        "sums": {patient: f"{sums.get(patient, 0):08x}" for patient in bags},
        "patients": patients,
        "start": start,
        "left_out": left_out,
    }
    return index, coords


def _agree(first: tuple[str, int] | None, slide: str, length: int) -> tuple[str, int]:
    if first is not None and first[1] != length:
        raise FeatureError(
            f"Slide {first[0]} has embeddings of length {first[1]} and slide {slide} has embeddings of length {length}"
            "; one cohort needs one encoder. Name one folder of embeddings, or extract these slides again."
        )
    return first or (slide, length)


def _crc(values: np.ndarray, before: int = 0) -> int:
    return zlib.crc32(values.data, before) if values.size else before  # nothing has no buffer to look at


def _read_index(path: Path) -> PackIndex:
    if not path.is_file():
        raise MissingFileError(f"The packed embeddings {path} do not exist. Pack the cohort's embeddings first.")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 16 - len(MARK)))
        tail = file.read()
        length = int.from_bytes(tail[:8], "little")
        is_whole = tail[16:] == MARK and length <= size - len(tail)
        if is_whole:
            file.seek(size - len(tail) - length)
            text = file.read(length)
            is_whole = zlib.crc32(text) == int.from_bytes(tail[8:16], "little")
        index = json.loads(text) if is_whole else None
    if index is None or _coords_at(index) + index["rows"] * 8 + length + len(tail) != size:
        raise FeatureError(f"{path} is not a whole file of packed embeddings. Remove it; it will be packed again.")
    return index


def _coords_at(index: PackIndex) -> int:
    return _aligned(index["rows"] * index["embedding_dim"] * np.dtype(index["dtype"]).itemsize)


def _mapped(file: IO[bytes], dtype: np.dtype, shape: tuple[int, int], offset: int) -> np.ndarray:
    if 0 in shape:  # nothing to map
        return np.zeros(shape, dtype)
    return np.memmap(file, dtype, "r", offset, shape)


def _aligned(position: int) -> int:
    return -(-position // ALIGNMENT) * ALIGNMENT
