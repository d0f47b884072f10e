"""The bags of a cohort, packed: memory-mapped files of some patients each, and an index that says whose lies in which.

Processes that open a pack share its pages. A pack is extended: of a cohort that grew or changed only bags that no file
beside it holds are written, into files of their own; those that are there are verified and taken as they are.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from prognoscope.core.errors import FeatureError, MissingFileError, some
from prognoscope.core.files import PART, written_whole
from prognoscope.core.words import count
from prognoscope.features.bad_files import BadFileError
from prognoscope.features.in_use import held, marked, remove_unused
from prognoscope.features.origin import Origin, common_origin
from prognoscope.features.sealed import not_whole, read_end, write_end
from prognoscope.features.shard import (
    HALF,
    SHARD,
    BagPlace,
    Loader,
    Shard,
    SlidePart,
    Slides,
    agreed,
    shard_path,
    write_shard,
)

__all__ = ["Loader", "PackedEmbeddings", "pack_embeddings", "remove_unused_packs"]

PACK = ".bags"  # the ending of an index's name
MARK = b"PROGNOSCOPEPACK3"
LEAST, SHARDS = 64, 64  # patients of a file at least, where there are as many; files that are written at most
MOST = 96  # files to go on with, each of which is an open one; of more the smaller half are packed together
ANEW = "The packed embeddings are made anew: %s"
log = logging.getLogger(__name__)


class PackedEmbeddings:
    """The bags of P patients in files that are mapped, not read: opening them takes no memory.

    Attributes:
        path: The index.
        key: What it was packed under; a pack with another key than expected is stale.
        patients: In the order of the index.
        embedding_dim: D, the length of an embedding; 0 if all slides are empty.
        origin: By what they were made, where the files say it.
        sums: Patient -> what stands for the content of the bag.
        left_out: Slide -> why its file could not be used.
        files: The index and the files of bags, each open, and so marked as in use.
        nbytes: Of all bags.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        told, begin = read_end(self.path, MARK)
        if begin:
            raise not_whole(self.path)
        index = held(self.path)
        shards = [Shard(self.path.parent / name) for name in told["shards"]]
        self.files: Mapping[Path, object] = {self.path: index, **{shard.path: shard for shard in shards}}
        self.key: str = told["key"]
        self._shard: dict[str, Shard] = {patient: shards[number] for patient, number in told["patients"].items()}
        self._bag = {patient: shard.bags[patient] for patient, shard in self._shard.items()}
        self.patients: tuple[str, ...] = tuple(self._bag)
        self.embedding_dim, self.origin = _common(self._bag.values())
        self.sums: Mapping[str, str] = {patient: bag.sum for patient, bag in self._bag.items()}
        self.left_out: dict[str, BadFileError] = {
            slide: BadFileError(*why) for bag in self._bag.values() for slide, why in bag.left_out.items()
        }
        self.nbytes = sum(bag.end - bag.at for bag in self._bag.values())
        self._dtype = max((np.dtype(bag.dtype) for bag in self._bag.values()), default=HALF, key=lambda d: d.itemsize)

    @classmethod
    def open(cls, path: Path | str) -> "PackedEmbeddings":
        """The packed bags at `path`.

        Raises:
            MissingFileError: There are none.
            FeatureError: A file of them is not whole, or embeddings are of two lengths, or of two origins.
        """
        return cls(path)

    def __reduce__(self):  # another process maps the files anew instead of receiving a copy of them
        return PackedEmbeddings, (self.path,)

    def __len__(self) -> int:
        return len(self.patients)

    def bag(self, patient: str) -> tuple[Float[np.ndarray, "N D"], Float32[np.ndarray, "N 2"] | None]:
        """The patient's embeddings, a read-only view of the file, and coordinates in um where all slides have them.

        Of a cohort that has some in half precision and some in single, the former are widened.
        """
        slides = self._of(patient)
        features = self._shard[patient].features(patient)
        values = features if len(features) else np.zeros((0, self.embedding_dim), self._dtype)
        known = all(part.has_coords for part in slides)
        return values.astype(self._dtype, copy=False), self._shard[patient].coords(patient) if known else None

    def slides(self, patient: str) -> tuple[tuple[str, int, int], ...]:
        """The patient's slides in the order of the bag: id, first row, last row + 1 within the bag."""
        return tuple((part.slide, part.first, part.last) for part in self._of(patient))

    def _of(self, patient: str) -> tuple[SlidePart, ...]:
        if patient not in self._bag:
            raise FeatureError(f"Patient {patient} is not among the {len(self)} packed in {self.path}. Pack it again.")
        return self._bag[patient].slides


def pack_embeddings(
    bags: Mapping[str, Slides], path: Path | str, key: str, contents: Mapping[str, str] | None = None
) -> PackedEmbeddings:
    """Pack the bags of all patients: an index at `path`, the bags in files beside it, each whole or not at all.

    Files of embeddings that cannot be used are left out and listed. After a stop, files of bags that were finished are
    taken as they are.

    Args:
        bags: Patient -> slide ids with functions that read them; the slides of a patient become one bag, in this order.
        key: Stands for all that went in, so that the caller can tell a stale pack from a fresh one.
        contents: Patient -> what stands for the files of the bag; a bag with an equal one in a file beside is taken
            from there, if it is whole. None: all are written.

    Raises:
        FeatureError: Embeddings of two lengths, or of two origins; names slides of each.
        DiskFullError: There was no room.
    """
    path = Path(path)
    found = [] if contents is None else _there(path.parent, contents)
    taken = {patient for _, live in found for patient in live}
    lacking = [patient for patient in bags if patient not in taken]
    if lacking:
        log.info("packing the embeddings of %s", count(len(lacking), "patient"))
    most = max(LEAST, -(-len(bags) // SHARDS))  # not of those who lack: who packs the same has the same files
    for portion in (lacking[start : start + most] for start in range(0, len(lacking), most)):
        standing = {patient: key if contents is None else contents[patient] for patient in portion}
        at = shard_path(path.parent, standing)
        shard = None if contents is None else _made_since(at, portion)
        found.append((shard or write_shard(at, {patient: bags[patient] for patient in portion}, standing), portion))
    _common(shard.bags[patient] for shard, live in found for patient in live)
    found.sort(key=lambda each: each[0].path.name)  # the same files give the same index
    number = {patient: i for i, (_, live) in enumerate(found) for patient in live}
    told = {
        "key": key,
        "shards": [shard.path.name for shard, _ in found],
        "patients": {patient: number[patient] for patient in bags},
    }
    if not _is_told(path, told):
        with written_whole(path) as beside, beside.open("wb") as file, marked(file):
            write_end(file, told, MARK)
    return PackedEmbeddings(path)


def remove_unused_packs(pack: PackedEmbeddings) -> None:
    """Remove what lies beside a pack that no process uses: other packs, and what killed processes left of any."""
    kinds = [f"{begin}*{kind}{end}" for kind in (PACK, SHARD) for begin, end in (("", ""), (".", f".*{PART}"))]
    for path in (each for kind in kinds for each in pack.path.parent.glob(kind)):
        if path not in pack.files:
            remove_unused(path)


def _there(folder: Path, contents: Mapping[str, str]) -> list[tuple[Shard, list[str]]]:
    """Files of bags in a folder that are worth keeping, each with the patients who are taken from it, verified."""
    found = []
    for path in sorted(folder.glob(f"*{SHARD}")):
        try:
            shard = Shard(path)
        except MissingFileError:  # another process has just removed it
            continue
        except FeatureError as cause:
            log.warning(ANEW, cause)
            continue
        live = [patient for patient, bag in shard.bags.items() if contents.get(patient) == bag.content]
        found.append((_bytes(shard, live), shard, live))
    kept: list[tuple[Shard, list[str]]] = []
    taken = set[str]()
    for _, shard, live in sorted(found, key=lambda each: -each[0]):
        new = [patient for patient in live if patient not in taken]
        if not new or 2 * _bytes(shard, new) < _bytes(shard, shard.bags):
            continue
        if bad := shard.damaged(new):
            log.warning(ANEW, f"{shard.path} was changed or damaged in the bags of {some(bad)}.")
            continue
        kept.append((shard, new))
        taken.update(new)
    return kept if len(kept) <= MOST else kept[: MOST // 2]


def _made_since(path: Path, patients: Iterable[str]) -> Shard | None:
    """The file of these bags, if another process that packs them was here first."""
    try:
        shard = Shard(path)
    except (MissingFileError, FeatureError):
        return None
    return None if shard.damaged(patients) else shard


def _bytes(shard: Shard, patients: Iterable[str]) -> int:
    return sum(shard.bags[patient].end - shard.bags[patient].at for patient in patients)


def _is_told(path: Path, told: object) -> bool:
    """Whether an index says just this; one that others use is not replaced without need."""
    try:
        return json.dumps(read_end(path, MARK)[0]) == json.dumps(told)
    except (MissingFileError, FeatureError):
        return False


def _common(bags: Iterable[BagPlace]) -> tuple[int, Origin]:
    """The length of all embeddings, and by what they were made.

    Raises:
        FeatureError: They are of two lengths, or of two origins; names slides of each.
    """
    first: tuple[str, int] | None = None
    origins: dict[str, Origin] = {}
    for bag in bags:
        for part in (part for part in bag.slides if part.last > part.first):
            first = agreed(first, part.slide, bag.embedding_dim)
            origins[part.slide] = part.origin
    return first[1] if first else 0, common_origin(origins)
