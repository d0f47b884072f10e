"""Embeddings written and read: equal bytes, equal values, and one sentence for whatever is broken."""

import errno
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from prognoscope.core.errors import DiskFullError, FeatureError, MissingFileError
from prognoscope.features.store import Embeddings, find_embeddings, read_embeddings, write_embeddings


def some_embeddings(slide="s1", n=5, dim=8, dtype=np.float16, **more) -> Embeddings:
    rng = np.random.default_rng(n)
    values = {"coords_px": rng.integers(0, 90_000, (n, 2)), "mpp": 0.25, "patch_px": 256, "patch_px_level0": 512.0}
    values |= {"overlap_px": 0, "magnification": 40.0, "encoder": "stain", "weights_hash": "w", "spec_hash": "abc"}
    return Embeddings(slide, rng.normal(size=(n, dim)).astype(dtype), **values | more)


def same(a: Embeddings, b: Embeddings) -> None:
    for name in Embeddings.__slots__:
        one, other = getattr(a, name), getattr(b, name)
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other, name


@pytest.mark.parametrize("n", [0, 1, 5, 3000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_is_written_is_read(tmp_path, n, dtype):
    written = some_embeddings(n=n, dtype=dtype, dim=300)
    write_embeddings(tmp_path / "s1.h5", written)
    for layout in ("auto", "prognoscope", "trident"):
        same(read_embeddings(tmp_path / "s1.h5", layout), written)


@given(
    features=arrays(
        np.float16, array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.floats(-100, 100, width=16)
    )
)
def test_any_finite_embeddings_survive_the_file(tmp_path_factory, features):
    path = tmp_path_factory.mktemp("any") / "s.h5"
    write_embeddings(path, Embeddings("s", features))
    same(read_embeddings(path), Embeddings("s", features))


def test_equal_embeddings_give_equal_bytes(tmp_path):
    write_embeddings(tmp_path / "a" / "s1.h5", some_embeddings())
    time.sleep(1.1)  # HDF5 keeps times in seconds
    write_embeddings(tmp_path / "b" / "s1.h5", some_embeddings())
    assert (tmp_path / "a" / "s1.h5").read_bytes() == (tmp_path / "b" / "s1.h5").read_bytes()


def test_the_file_is_what_trident_users_expect(tmp_path):
    write_embeddings(tmp_path / "s1.h5", some_embeddings(n=3000, dim=1024), slide_size_px=(4000, 3000))
    with h5py.File(tmp_path / "s1.h5") as file:
        features, coords = file["features"], file["coords"]
        assert (features.shape, features.dtype, features.attrs["encoder"]) == ((3000, 1024), np.float16, "stain")
        assert features.chunks[0] * features.chunks[1] * 2 == 2**20  # large, not one row
        assert (coords.shape, coords.dtype) == ((3000, 2), np.int64)
        told = dict(coords.attrs)
    assert told.pop("name") == "s1"
    assert all(told[name].dtype == np.int64 for name in told if name not in ("mpp", "patch_size_level0_exact"))
    assert told == {
        "patch_size": 256,
        "patch_size_level0": 512,
        "patch_size_level0_exact": 512.0,
        "level0_magnification": 40,
        "target_magnification": 20,
        "overlap": 0,
        "mpp": 0.25,
        "level0_width": 4000,
        "level0_height": 3000,
    }


def test_coordinates_in_um_follow_from_the_resolution():
    made = Embeddings("s", np.zeros((1, 2), np.float32), coords_px=np.array([[100, 8]]), mpp=0.25, patch_px_level0=512)
    assert made.coords_um.tolist() == [[25.0, 2.0]]
    assert made.patch_um == 128.0


def test_the_resolution_given_wins_over_the_file(tmp_path):
    write_embeddings(tmp_path / "s1.h5", some_embeddings())
    read = read_embeddings(tmp_path / "s1.h5", mpp=0.5)
    assert (read.mpp, read.patch_um) == (0.5, 256.0)
    assert np.array_equal(read.coords_um, read.coords_px * 0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_rows(tmp_path, value):
    features = np.zeros((6, 4), np.float16)
    write_embeddings(tmp_path / "s1.h5", Embeddings("s1", features))
    with h5py.File(tmp_path / "s1.h5", "r+") as file:
        file["features"][2, 1] = value
        file["features"][5] = value
    with pytest.raises(FeatureError, match=r"s1\.h5 .* NaN or infinite values \(2 of 6 embeddings: rows 2, 5\)\. Ex"):
        read_embeddings(tmp_path / "s1.h5")
    with pytest.raises(FeatureError, match="1 of 1 embeddings in s1 are NaN"):
        write_embeddings(tmp_path / "s2.h5", Embeddings("s1", np.full((1, 2), value, np.float32)))
    assert not (tmp_path / "s2.h5").exists()


def test_large_finite_values_are_not_taken_for_infinite_ones(tmp_path):
    features = np.full((2, 3), 3e38, np.float32)
    write_embeddings(tmp_path / "s.h5", Embeddings("s", features))
    assert np.array_equal(read_embeddings(tmp_path / "s.h5").features, features)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_one_sentence(tmp_path, keep):
    write_embeddings(tmp_path / "s1.h5", some_embeddings(n=500))
    whole = (tmp_path / "s1.h5").read_bytes()
    (tmp_path / "s1.h5").write_bytes(whole[: keep if isinstance(keep, int) else int(len(whole) * keep)])
    with pytest.raises(FeatureError, match=r"s1\.h5 .* (no whole HDF5|an empty) file.* Extract this slide"):
        read_embeddings(tmp_path / "s1.h5")


def test_a_missing_file_and_an_unknown_layout_are_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.h5 do not exist"):
        read_embeddings(tmp_path / "nowhere.h5")
    write_embeddings(tmp_path / "s1.h5", some_embeddings())
    with pytest.raises(FeatureError, match="no layout 'tridnt' of embeddings; did you mean 'trident'"):
        read_embeddings(tmp_path / "s1.h5", "tridnt")


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(self, data):
        self.open("wb").write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError, match=r"The disk is full: .*s1\.h5 was not written"):
        write_embeddings(tmp_path / "s1.h5", some_embeddings())
    assert list(tmp_path.iterdir()) == []


def test_features_and_coordinates_must_agree():
    with pytest.raises(FeatureError, match="3 embeddings and coordinates of shape"):
        Embeddings("s", np.zeros((3, 2), np.float32), coords_px=np.zeros((2, 2), np.int64))
    with pytest.raises(FeatureError, match="float64, not float16 or float32"):
        Embeddings("s", np.zeros((3, 2)))


def test_files_are_found_by_slide_also_in_folders_and_without_leftovers(tmp_path):
    for name in ("b.svs.h5", "deep/a.h5", ".hidden.h5", ".c.h5.1234.part", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(find_embeddings(tmp_path)) == ["a", "b"]
    (tmp_path / "a.h5").touch()
    (tmp_path / "C.HDF5").touch()
    assert list(find_embeddings(tmp_path)) == ["C", "a", "b", "deep/a"]
    (tmp_path / "a.svs.h5").touch()
    with pytest.raises(
        FeatureError, match=r"1 slides have more than one file in .*: a \(a\.h5, a\.svs\.h5\)\. Leave one"
    ):
        find_embeddings(tmp_path)


def test_of_clams_two_folders_the_one_with_coordinates_is_read(tmp_path):
    for name in ("h5_files/a.h5", "pt_files/a.pt", "pt_files/b.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert {slide: path.suffix for slide, path in find_embeddings(tmp_path, "clam").items()} == {"a": ".h5", "b": ".pt"}
    assert list(find_embeddings(tmp_path, "trident")) == ["a"]


def test_an_empty_or_missing_folder_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="There are no embeddings"):
        find_embeddings(tmp_path)
    with pytest.raises(MissingFileError, match="nowhere does not exist"):
        find_embeddings(tmp_path / "nowhere")
