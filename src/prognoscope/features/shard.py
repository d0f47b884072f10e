"""Bags in one memory-mapped file, written one after the other; many such files make a pack.

The file: of each bag its features (N, D), then its coordinates (N, 2) float32 in um (NaN where unknown), both from a
multiple of 64 bytes on; then an index in JSON, its length and its checksum in eight bytes each, and the mark. Each bag
has a checksum, and what stands for the files that it was made of.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float, Float32

from prognoscope.core.errors import FeatureError
from prognoscope.core.files import digest, written_whole
from prognoscope.features.bad_files import BadFileError
from prognoscope.features.embeddings import Embeddings
from prognoscope.features.in_use import held, marked
from prognoscope.features.origin import Origin
from prognoscope.features.sealed import not_whole, read_end, write_end

SHARD = ".shard"  # the ending of such a file's name
MARK = b"PROGNOSCOPEBAGS3"
ALIGNMENT = 64  # bytes at whose multiples arrays start
CHECKERS = 4  # threads that compute checksums; one does 1.7 GB/s
HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)
Loader = Callable[[], Embeddings]
Slides = Sequence[tuple[str, Loader]]


@dataclass(frozen=True, slots=True)
class SlidePart:
    """A slide's rows in the bag of its patient."""

    slide: str
    first: int
    last: int  # its last row + 1
    has_coords: bool
    origin: Origin


@dataclass(frozen=True, slots=True)
class BagPlace:
    """Where a patient's bag lies in a file, and what is known of it."""

    content: str  # stands for the files that it was made of
    sum: str  # CRC-32 of features and coordinates
    at: int  # byte where its features start
    embedding_dim: int  # D; 0 of a bag without patches
    dtype: str
    slides: tuple[SlidePart, ...]
    left_out: Mapping[str, Sequence[str]]  # slide -> path, what is wrong, cure, detail

    @property
    def rows(self) -> int:
        """N, its patches."""
        return self.slides[-1].last if self.slides else 0

    @property
    def coords_at(self) -> int:
        """Byte where its coordinates start."""
        return _aligned(self.at + self.rows * self.embedding_dim * np.dtype(self.dtype).itemsize)

    @property
    def end(self) -> int:
        """Byte after its coordinates."""
        return self.coords_at + self.rows * 2 * SINGLE.itemsize


class Shard:
    """A file of bags, mapped, not read: opening it takes no memory but its index."""

    def __init__(self, path: Path):
        self.path = path
        self.bags: Mapping[str, BagPlace] = _read_index(path)
        self._bytes = np.memmap(held(path), np.uint8, "r")  # the map keeps the mark that it is in use

    def features(self, patient: str) -> Float[np.ndarray, "N D"]:
        """The embeddings of a bag, a read-only view of the file."""
        bag = self.bags[patient]
        return self._array(bag.at, np.dtype(bag.dtype), (bag.rows, bag.embedding_dim))

    def coords(self, patient: str) -> Float32[np.ndarray, "N 2"]:
        """Its coordinates in um, NaN where a slide has none."""
        bag = self.bags[patient]
        return self._array(bag.coords_at, SINGLE, (bag.rows, 2))

    def damaged(self, patients: Iterable[str]) -> list[str]:
        """Those of these patients whose bags are not as they were packed; reads them once."""
        patients = list(patients)
        with ThreadPoolExecutor(CHECKERS) as pool:
            found = pool.map(lambda patient: _sum(_crc(self.coords(patient), _crc(self.features(patient)))), patients)
            return [each for each, now in zip(patients, found, strict=True) if now != self.bags[each].sum]

    def _array(self, at: int, dtype: np.dtype, shape: tuple[int, int]) -> np.ndarray:
        return self._bytes[at : at + shape[0] * shape[1] * dtype.itemsize].view(dtype).reshape(shape)


def shard_path(folder: Path, contents: Mapping[str, str]) -> Path:
    """The file of these bags: patient -> what stands for the files of the bag."""
    return folder / f"{digest(list(contents.items()))}{SHARD}"


def write_shard(path: Path, bags: Mapping[str, Slides], contents: Mapping[str, str]) -> Shard:
    """Write bags into a file, whole or not at all; a bag is float16 if all its embeddings are, else float32.

    Files that cannot be used are left out and listed.

    Args:
        bags: Patient -> slide ids with functions that read them, each asked in turn; the slides become one bag.
        contents: Patient -> what stands for the files of the bag.

    Raises:
        FeatureError: Embeddings of two lengths; names a slide of each.
        DiskFullError: There was no room.
    """
    with written_whole(path) as beside, beside.open("wb") as file, marked(file):
        places: dict[str, BagPlace] = {}
        first: tuple[str, int] | None = None
        for patient, slides in bags.items():
            _align(file)
            place = _write_bag(file, slides, HALF, contents[patient])
            place = place or _write_bag(file, slides, SINGLE, contents[patient])
            assert place is not None  # no embeddings are wider than float32
            for part in (part for part in place.slides if part.last > part.first):
                first = agreed(first, part.slide, place.embedding_dim)
            places[patient] = place
        write_end(file, _as_json(places), MARK)
    return Shard(path)


def _write_bag(file: IO[bytes], slides: Slides, dtype: np.dtype, content: str) -> BagPlace | None:
    """Write a bag where the file is; nothing, and None, as soon as embeddings are wider than `dtype`."""
    at, crc, rows = file.tell(), 0, 0
    first: tuple[str, int] | None = None
    parts: list[SlidePart] = []
    coords: list[np.ndarray] = []
    left_out: dict[str, Sequence[str]] = {}
    for slide, load in slides:
        try:
            one = load()
        except BadFileError as cause:
            left_out[slide] = (cause.path, cause.what, cause.cure, cause.detail)
            continue
        if one.features.dtype.itemsize > dtype.itemsize:
            file.seek(at)
            file.truncate()
            return None
        if len(one):
            first = agreed(first, slide, one.embedding_dim)
        features = np.ascontiguousarray(one.features, dtype=dtype)
        file.write(features.data)
        crc = _crc(features, crc)
        known = one.coords_um is not None
        coords.append(np.ascontiguousarray(one.coords_um) if known else np.full((len(one), 2), np.nan, np.float32))
        parts.append(SlidePart(slide, rows, rows + len(one), known, Origin.of(one)))
        rows += len(one)
    _align(file)
    for each in coords:
        file.write(each.data)
        crc = _crc(each, crc)
    return BagPlace(content, _sum(crc), at, first[1] if first else 0, dtype.name, tuple(parts), left_out)


def agreed(first: tuple[str, int] | None, slide: str, length: int) -> tuple[str, int]:
    """The first slide and the length of its embeddings, which a later slide must have too.

    Raises:
        FeatureError: It has another.
    """
    if first is not None and first[1] != length:
        raise FeatureError(
            f"Slide {first[0]} has embeddings of length {first[1]} and slide {slide} has embeddings of length {length}"
            "; one cohort needs one encoder. Name one folder of embeddings, or extract these slides again."
        )
    return first or (slide, length)


def _read_index(path: Path) -> dict[str, BagPlace]:
    """Patient -> where the bag lies.

    Raises:
        MissingFileError: There is no such file.
        FeatureError: It is not whole.
    """
    (told, bags), begin = read_end(path, MARK)
    origins = [Origin.told(each) for each in told]
    places = {}
    for patient, (content, crc, at, embedding_dim, dtype, parts, left_out) in bags.items():
        slides = tuple(
            SlidePart(slide, first, last, has_coords, origins[number])
            for slide, first, last, has_coords, number in parts
        )
        places[patient] = BagPlace(content, crc, at, embedding_dim, dtype, slides, left_out)
    if begin != max((place.end for place in places.values()), default=0):
        raise not_whole(path)
    return places


def _as_json(places: Mapping[str, BagPlace]) -> object:
    """What `_read_index` reads: origins, and bags whose slides have the number of theirs."""
    numbers: dict[Origin, int] = {}
    bags = {}
    for patient, bag in places.items():
        slides = [
            (part.slide, part.first, part.last, part.has_coords, numbers.setdefault(part.origin, len(numbers)))
            for part in bag.slides
        ]
        bags[patient] = (bag.content, bag.sum, bag.at, bag.embedding_dim, bag.dtype, slides, bag.left_out)
    return [asdict(origin) for origin in numbers], bags


def _align(file: IO[bytes]) -> None:
    file.write(b"\0" * (_aligned(file.tell()) - file.tell()))


def _aligned(position: int) -> int:
    return -(-position // ALIGNMENT) * ALIGNMENT


def _crc(values: np.ndarray, before: int = 0) -> int:
    return zlib.crc32(values.data, before) if values.size else before  # nothing has no buffer to look at


def _sum(crc: int) -> str:
    return f"{crc:08x}"
