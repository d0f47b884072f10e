"""HDF5 files from strangers: opened, and their datasets read, without following what leads out of the file.

HDF5 lets a file name other files as the place of its values (external links, external storage, virtual datasets), so
that a file of embeddings could hold any file of this machine. None of these is followed.
"""

import errno
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from prognoscope.core.errors import some
from prognoscope.features.bad_files import AGAIN, BadFileError, BlockedFileError

BROKEN = (  # what h5py raises on files that are damaged
    *(OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, SystemError),
    *(MemoryError, IndexError, NotImplementedError, AssertionError, ZeroDivisionError),
)
LOCKED = (errno.EAGAIN, errno.ENOLCK, errno.EDEADLK)
NOT_WHOLE = "no whole HDF5 file (empty, truncated or damaged)"
BOMB_BYTES, BOMB_RATIO = 2**26, 200  # values that unpack to more than this, and to so many times what is stored
HEAP, LOOKED_AT = b"GCOL\x01\0\0\0", 2**20
HARD_LINK = 0  # H5L_TYPE_HARD
EXACT_SIDE = "patch_size_level0_exact"  # an attribute of our coordinates; its name without `_exact` is TRIDENT's
FURTHEST = 2**31  # rows or numbers a row beyond which nothing is embeddings


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file open for reading, whose faults become one sentence, also those met while it is read.

    Raises:
        BlockedFileError: It is locked, or may not be read.
        BadFileError: It is no regular file, or is damaged.
    """
    need_regular(path)
    try:
        if _is_endless(path):
            raise BadFileError(path, NOT_WHOLE)
        with h5py.File(path, "r") as file:
            yield file
    except BROKEN as cause:
        if isinstance(cause, BadFileError):
            raise
        raise _told(path, cause) from cause


def need_regular(path: Path) -> None:
    """Refuse what is no regular file, on which an open might wait for ever, and what may not be read.

    Raises:
        BlockedFileError: It may not be read.
        BadFileError: It is a folder, a pipe or a device, is not there any more, or is empty.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise BadFileError(path, "no regular file but a folder, a pipe or a device", "Remove it from the folder.")
        with path.open("rb"):
            pass
    except OSError as cause:
        raise _told(path, cause) from cause
    if not about.st_size:
        raise BadFileError(path, "an empty file")


def _is_endless(path: Path) -> bool:
    """Whether a heap of texts near the file's begin or end is damaged so that HDF5 would read it for ever."""
    with path.open("rb") as file:
        for start in {0, max(0, path.stat().st_size - LOOKED_AT)}:
            file.seek(start)
            block, at = file.read(LOOKED_AT), -1
            while (at := block.find(HEAP, at + 1)) >= 0:
                if _stands_still(block[at : at + int.from_bytes(block[at + 8 : at + 16], "little")]):
                    return True
    return False


def _stands_still(heap: bytes) -> bool:
    """Whether a heap's list of objects has one of no length: number, length, and the next after as many bytes."""
    at = 16
    while at + 16 <= len(heap):
        number, size = int.from_bytes(heap[at : at + 2], "little"), int.from_bytes(heap[at + 8 : at + 16], "little")
        step = (16 + -(-size // 8) * 8 if number else size) % 2**64
        if not step:
            return True
        at += step
    return False


def _told(path: Path, cause: Exception) -> BadFileError:
    number, text = getattr(cause, "errno", None), str(cause)
    if number in LOCKED or "unable to lock" in text:
        return BlockedFileError(
            path,
            "locked by a program that has it open for writing, or on storage without locks",
            "Wait for the program, or set HDF5_USE_FILE_LOCKING=FALSE on such storage; the file may be whole.",
        )
    if isinstance(cause, PermissionError):
        return BlockedFileError(path, "no permission to read it", "Change its permissions; the file may be whole.")
    if "already open for write" in text or "consistency flags" in text:
        return BlockedFileError(
            path,
            "open for writing, or its writer did not close it",
            "Wait for the writer; if it is gone, h5clear -s repairs the file, or extract the slide again.",
        )
    if isinstance(cause, FileNotFoundError):
        return BadFileError(path, "it is not there any more, or is a link to nowhere", "Put it back.")
    if number in (errno.EIO, errno.ESTALE):
        return BlockedFileError(path, "the storage failed while it was read", "Try again; the file may be whole.")
    if isinstance(cause, MemoryError):
        return BadFileError(path, "more values than there is memory for", "Free memory, or leave the slide out.")
    return BadFileError(path, NOT_WHOLE)


def names_of(file: h5py.File) -> list[str]:
    """What the file's root holds, by name, at most a hundred."""
    names: list[str] = []

    def keep(name: bytes) -> bool | None:
        names.append(name.decode(errors="replace"))
        return True if len(names) >= 100 else None

    file.id.links.iterate(keep)
    return sorted(names)


def find_dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset | None:
    """The dataset of this name in the file itself; None if there is nothing of that name, or a group.

    Raises:
        BadFileError: It is a link, or its values lie in other files.
    """
    place, links = name.encode(), file.id.links
    if not links.exists(place):
        return None
    if links.get_info(place).type != HARD_LINK:
        raise BadFileError(
            path, f"{name!r} is a link to another place, which is not followed", "Write the values into the file."
        )
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        return None
    settings = found.id.get_create_plist()
    if found.is_virtual or settings.get_external_count():
        raise BadFileError(
            path, f"the values of {name!r} lie in other files, which are not followed", "Write them into the file."
        )
    return found


def need_dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset of this name in the open file.

    Raises:
        BadFileError: There is none, or its values lie elsewhere.
    """
    found = find_dataset(path, file, name)
    if found is None:
        names = [each for each in names_of(file) if each != name]
        kind = "only coordinates" if names == ["coords"] else some(names) or "nothing"
        raise BadFileError(
            path, f"it holds no dataset {name!r} but {kind}", "Name the folder of the embeddings, and their layout."
        )
    return found


def need_values(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse a dataset that says it is much larger than what is stored, or was not written in full.

    Raises:
        BadFileError: It is.
    """
    name = str(dataset.name).strip("/")
    if dataset.shape is None:
        raise BadFileError(path, f"{name!r} has no values", AGAIN)
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(i) for i in range(settings.get_nfilters())]
    if lacking := [number for number, *_ in filters if not h5py.h5z.filter_avail(number)]:
        raise BadFileError(
            path,
            f"{name!r} is compressed by a filter that this HDF5 lacks (number {lacking[0]})",
            "Write it again with gzip, such as by h5repack -f GZIP=4.",
        )
    declared = int(np.prod([int(n) for n in dataset.shape], dtype=object)) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if max(dataset.shape, default=0) >= FURTHEST or (declared > BOMB_BYTES and declared > BOMB_RATIO * stored):
        raise BadFileError(path, f"{name!r} says it has far more values than the file holds", AGAIN, f"{dataset.shape}")
    if declared and not filters and stored < declared:
        raise BadFileError(path, f"values of {name!r} were never written", AGAIN)


def attributes(node: h5py.HLObject, names: Iterable[str] | None = None) -> dict[str, object]:
    """The attributes of a dataset or file as plain values, all or those of these names; TRIDENT's "None" is None."""
    held, plain = node.attrs, {}
    for name in held if names is None else [name for name in names if name in held]:
        value = held[name]
        value = value.item() if isinstance(value, np.generic | np.ndarray) and np.size(value) == 1 else value
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        plain[name] = None if isinstance(value, h5py.Empty) or str(value) == "None" else value
    return plain


def side_px_level0(told: Mapping[str, object]) -> object:
    """The side of a patch in pixels of level 0, by the attributes of coordinates: the exact one where it is told."""
    exact = told.get(EXACT_SIDE)
    return told.get("patch_size_level0") if exact is None else exact


def hdf5_image(name: str, write: Callable[[h5py.File], None]) -> bytes:
    """The bytes of an HDF5 file, built in memory, because HDF5 does not recover from a disk that fills up.

    Args:
        name: Tells files apart that are built at the same time.
        write: Fills the open file.
    """
    with h5py.File(f"{name}.h5", "w", driver="core", backing_store=False) as file:
        write(file)
        file.flush()
        return file.id.get_file_image()
