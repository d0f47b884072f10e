"""Embedding files from strangers: one sentence, in little time and memory, and nothing outside of them is read."""

import errno
import io
import os
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prognoscope.core.errors import PrognoscopeError
from prognoscope.features.bad_files import BadFileError, BlockedFileError, fault_sentences
from prognoscope.features.store import look_at, read_embeddings

FEATURES = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)
SECRET = b"a secret of this machine, " * 12


def link_out(path: Path) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["features"] = FEATURES
    with h5py.File(path, "w") as file:
        file["features"] = h5py.ExternalLink("other.h5", "/features")


def raw_outside(path: Path) -> None:
    path.with_name("secret").write_bytes(SECRET)
    with h5py.File(path, "w") as file:
        at = [(str(path.with_name("secret")), 0, 288)]
        file.create_dataset("features", shape=(6, 12), dtype="f4", external=at)


def virtual(path: Path) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["features"] = FEATURES
    layout = h5py.VirtualLayout((6, 12), "f4")
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "features", (6, 12))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("features", layout)


def holding(make):
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            make(file)

    return write


def bomb(file: h5py.File) -> None:
    made = file.create_dataset("features", (2**17, 512), "f4", chunks=(2**13, 512), compression="gzip")
    chunk = zlib.compress(bytes(2**24))
    for start in range(0, 2**17, 2**13):
        made.id.write_direct_chunk((start, 0), chunk)


def half_written(file: h5py.File) -> None:
    file.create_dataset("features", (8, 4), "f4", chunks=(1, 4))[:4] = 1


def vectors_of_objects(file: h5py.File) -> None:
    file.create_dataset("features", (3,), h5py.vlen_dtype(np.float32))


def endless(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["features"] = FEATURES
        file["features"].attrs["encoder"] = "uni"
    content = path.read_bytes()
    free = content.index(b"GCOL") + 16 + 16 + 8  # behind one text of eight bytes or less: what is left
    assert content[free : free + 2] == b"\0\0"
    path.write_bytes(content[: free + 8] + bytes(8) + content[free + 16 :])


HDF5 = {
    "a link to another file": (link_out, "'features' is a link to another place, which is not followed"),
    "values in another file": (raw_outside, "lie in other files, which are not followed"),
    "a virtual dataset": (virtual, "lie in other files, which are not followed"),
    "a loop of links": (
        holding(lambda f: f.update({"features": h5py.SoftLink("/coords"), "coords": h5py.SoftLink("/features")})),
        "is a link to another place",
    ),
    "a number": (holding(lambda f: f.update({"features": 1.5})), "values of 0 dimensions instead of"),
    "a group": (holding(lambda f: f.create_group("features")), "no dataset 'features'"),
    "words": (holding(lambda f: f.update({"features": ["a", "b"]})), "text, references or other objects"),
    "vectors of objects": (holding(vectors_of_objects), "text, references or other objects"),
    "no values": (holding(lambda f: f.update({"features": h5py.Empty("f4")})), "'features' has no values"),
    "2^40 rows": (
        holding(lambda f: f.create_dataset("features", (2**40, 1024), "f4", chunks=(1, 1024))),
        r"far more values than the file holds \(\(1099511627776",
    ),
    "a bomb": (holding(bomb), "far more values than the file holds"),
    "half a writing": (
        holding(half_written),
        "values of 'features' were never written",
    ),
    "embeddings of no length": (holding(lambda f: f.update({"features": np.zeros((3, 0))})), "of length 0"),
    "a cube": (holding(lambda f: f.update({"features": np.zeros((2, 2, 3))})), "of 3 dimensions .*shape"),
    "whole numbers": (holding(lambda f: f.update({"features": np.ones((2, 3), np.uint8)})), "values of uint8"),
    "numbers beyond float32": (holding(lambda f: f.update({"features": np.full((2, 3), 1e300)})), "NaN or infinite"),
    "a pipe": (os.mkfifo, "no regular file but a folder, a pipe or a device. Remove it"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "a link to nowhere"),
    "a heap without an end": (endless, "no whole HDF5 file"),
    "text": (lambda path: path.write_text("features"), "no whole HDF5 file"),
    "nothing": (lambda path: path.write_bytes(b""), "an empty file"),
}


@pytest.mark.parametrize("what", HDF5)
def test_an_hdf5_file_that_cannot_be_used_is_one_sentence(what, tmp_path):
    make, words = HDF5[what]
    path = tmp_path / "s.h5"
    make(path)
    for read in (look_at, read_embeddings):
        with pytest.raises(BadFileError, match=rf"s\.h5 cannot be used: .*{words}") as told:
            read(path)
        assert "\n" not in str(told.value) and str(told.value).endswith(".")


def squeezed(path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(torch.zeros(2**20), buffer)
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as small:
        for name in whole.namelist():
            small.writestr(name, whole.read(name))


def negative(path):
    """A tensor of (0, 7) whose second side was made -1."""
    whole = io.BytesIO()
    torch.save(torch.zeros(0, 7), whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"K\0K\x07\x86", b"K\0J\xff\xff\xff\xff\x86", 1))


def saved(content):
    return lambda path: torch.save(content, path)


TENSORS = {
    "a sparse tensor": (saved(torch.eye(3).to_sparse()), r"a sparse or nested tensor\. Save tensor\.to_dense"),
    "a quantised tensor": (
        saved(torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8)),
        r"a quantised tensor\. Save tensor\.dequantize",
    ),
    "a tensor without values": (saved(torch.empty(2, 2, device="meta")), "a tensor without values"),
    "whole numbers": (saved(torch.ones(2, 2, dtype=torch.uint8)), "a tensor of uint8, not of floating point"),
    "complex numbers": (saved(torch.ones(2, 2, dtype=torch.complex64)), "a tensor of complex64"),
    "an array": (saved(np.ones((2, 2))), "a numpy array.* Save it as a tensor: torch.save"),
    "an array in a dict": (saved({"features": np.ones((2, 2))}), "a numpy array"),
    "blocks in a list": (saved([torch.ones(2, 2), torch.ones(2, 2)]), "a list of 2 tensors that are no vectors"),
    "several tensors": (saved({"a": torch.ones(2, 2), "b": torch.ones(2, 2)}), "a dict of several tensors .a, b."),
    "a dict of words": (saved({"slide": "s"}), "a dict that holds slide, and no tensor"),
    "an empty list": (saved([]), "a list"),
    "a word": (saved("features"), "a str, not a tensor"),
    "one number": (saved(torch.tensor(1.0)), "values of 0 dimensions"),
    "NaN": (saved(torch.full((2, 2), torch.nan)), "NaN or infinite"),
    "a side of less than nothing": (negative, "no whole file of tensors"),
    "a tensor of one stored value": (saved(torch.zeros(1).expand(2**20, 1024)), "more values than the file holds"),
    "an archive that unpacks to more": (squeezed, "an archive that says it unpacks to more"),
    "text": (lambda path: path.write_text("features"), "no whole file of tensors"),
    "half a file": (
        lambda path: torch.save(torch.ones(50, 9), path) or path.write_bytes(path.read_bytes()[:900]),
        "no whole file of tensors",
    ),
}


@pytest.mark.parametrize("what", TENSORS)
def test_a_tensor_file_that_cannot_be_used_is_one_sentence(what, tmp_path):
    make, words = TENSORS[what]
    make(tmp_path / "s.pt")
    for read in (look_at, read_embeddings):
        with pytest.raises(BadFileError, match=rf"s\.pt cannot be used: .*{words}") as told:
            read(tmp_path / "s.pt")
        assert "\n" not in str(told.value)


BLOCKED = {
    "a lock": (BlockingIOError(errno.EAGAIN, "unable to lock file"), "locked by a program"),
    "a lock on NFS": (OSError(errno.ENOLCK, "unable to lock file"), "or on storage without locks"),
    "a writer": (OSError("file is already open for write (may use <h5clear file>)"), "open for writing"),
    "permission": (PermissionError(errno.EACCES, "Permission denied"), "no permission to read it. Change"),
    "storage": (OSError(errno.EIO, "Input/output error"), "the storage failed"),
}


@pytest.mark.parametrize("what", BLOCKED)
def test_a_file_that_cannot_be_opened_now_is_not_called_damaged(what, tmp_path, monkeypatch):
    raised, words = BLOCKED[what]
    (tmp_path / "s.h5").write_bytes(b"something")

    def refuse(*_, **__):
        raise raised

    monkeypatch.setattr("prognoscope.features.hdf5_file.h5py.File", refuse)
    with pytest.raises(BlockedFileError, match=words) as told:
        look_at(tmp_path / "s.h5")
    assert "emove" not in str(told.value) and "damaged" not in str(told.value)


def test_faults_of_a_kind_are_one_sentence_with_five_names():
    bad = {f"s{i}": BadFileError(f"/a/b/s{i}.h5", "an empty file") for i in range(7)}
    bad["t"] = BadFileError("/a/t.pt", "NaN or infinite values", "Mend it.", "row 3")
    assert fault_sentences(bad, 20) == [
        "7 of 20 embedding files cannot be used: an empty file in /a/b: s0.h5, s1.h5, s2.h5, s3.h5, s4.h5 and 2 more. "
        "Extract this slide again, or get the file again.",
        "1 of 20 embedding files cannot be used: NaN or infinite values in /a/t.pt (row 3). Mend it.",
    ]


def whole_files() -> list[tuple[str, bytes]]:
    made = []
    for chunks in (None, (2, 12)):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.create_dataset("features", data=FEATURES, chunks=chunks).attrs["dim"] = 12
            file["coords"] = np.arange(12).reshape(6, 2)
        made.append(("h5", buffer.getvalue()))
    for content in (torch.from_numpy(FEATURES), {"features": torch.from_numpy(FEATURES), "name": "s"}):
        for is_packed in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=is_packed)
            made.append(("pt", buffer.getvalue()))
    return made


@settings(max_examples=150, deadline=None)
@given(
    whole=st.sampled_from(whole_files()),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.5, 0.01]),
)
def test_any_damage_is_an_error_of_ours_or_none(tmp_path_factory, whole, changes, kept):
    suffix, content = whole
    spoiled = bytearray(content)
    for place, value in changes:
        spoiled[int(place * (len(spoiled) - 1))] = value
    path = tmp_path_factory.mktemp("spoiled") / f"s.{suffix}"
    path.write_bytes(bytes(spoiled[: int(len(spoiled) * kept)]))
    for read in (look_at, read_embeddings):
        try:
            read(path)
        except PrognoscopeError as told:
            assert "\n" not in str(told)
