"""The forms in which tools keep embeddings and coordinates, all read as the same."""

import h5py
import numpy as np
import pytest
import torch
from numpy.lib.recfunctions import unstructured_to_structured

from prognoscope.features.coordinates import CoordinatesError, as_corners
from prognoscope.features.store import look_at, read_embeddings

FEATURES = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)
COORDS = np.array([[0, 0], [512, 0], [1024, 0], [0, 512], [512, 512], [99840, 512]])
TENSOR = torch.from_numpy(FEATURES)
LEVEL = np.full((6, 1), 2)

TENSORS = {
    "a tensor": TENSOR,
    "with a gradient": TENSOR.clone().requires_grad_(),
    "a parameter": torch.nn.Parameter(TENSOR),
    "a batch of one": TENSOR[None],
    "double": TENSOR.double(),
    "a part of another": torch.cat([TENSOR, TENSOR])[6:],
    "turned": TENSOR.T.contiguous().T,
    "a list of one": [TENSOR],
    "a list of vectors": list(TENSOR),
    "a dict": {"features": TENSOR, "coords": torch.from_numpy(COORDS), "name": "s"},
    "a dict of Paige": {"embeddings": TENSOR},
    "a dict of GigaPath": {"layer_0_embed": TENSOR + 1, "last_layer_embed": TENSOR},
    "a dict of one tensor": {"whatever": TENSOR, "n": 6},
}


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("what", TENSORS)
def test_every_form_of_tensors_is_the_same_embeddings(what, is_packed, tmp_path):
    torch.save(TENSORS[what], tmp_path / "s.pt", _use_new_zipfile_serialization=is_packed)
    read = read_embeddings(tmp_path / "s.pt")
    assert np.array_equal(read.features, FEATURES)
    assert (read.coords_px is not None) == (what == "a dict")
    look = look_at(tmp_path / "s.pt")
    assert (look.patches, look.embedding_dim, look.coords_fault) == (6, 12, None)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_read(kind, tmp_path):
    torch.save(TENSOR.to(kind), tmp_path / "s.pt")
    assert np.array_equal(read_embeddings(tmp_path / "s.pt").features, TENSOR.to(kind).float().numpy())


@pytest.mark.parametrize("name", ["features", "embeddings", "x"])
@pytest.mark.parametrize("suffix", [".h5", ".H5", ".hdf5", ".pt"])
def test_content_decides_and_not_the_suffix(name, suffix, tmp_path):
    path = tmp_path / f"s{suffix}"
    with h5py.File(path, "w") as file:
        file[name] = FEATURES[None].astype(np.float64)
    assert np.array_equal(read_embeddings(path, slide="t").features, FEATURES)
    assert read_embeddings(path, slide="t").slide == "t"


COORDINATES = {
    "x and y": COORDS,
    "unsigned": COORDS.astype(np.uint32),
    "fields": unstructured_to_structured(COORDS, np.dtype([("x", "i8"), ("y", "i8")])),
    "fields with a level": unstructured_to_structured(
        np.hstack([LEVEL, COORDS]), np.dtype([("level", "i8"), ("X", "i8"), ("Y", "i8")])
    ),
    "behind a level": np.hstack([LEVEL, COORDS]),
    "before a level": np.hstack([COORDS, LEVEL]),
    "with a size": np.hstack([COORDS, np.full((6, 2), 512)]),
    "with the other corner": np.hstack([COORDS, COORDS + 512]),
    "turned": COORDS.T,
    "fractions": COORDS + 0.25,
    "a batch of one": COORDS[None],
}
REFUSED = {
    "fewer": (COORDS[:4], "not as many"),
    "NaN": (np.where(COORDS == 0, np.nan, COORDS), "NaN or infinite"),
    "far away": (COORDS * 2.0**40, "far outside"),
    "shares of the slide": (COORDS / 1e6, "equal once they are rounded"),
    "three columns that all differ": (np.hstack([COORDS, np.arange(6)[:, None]]), "three columns"),
    "four columns that all differ": (np.hstack([COORDS, COORDS[::-1]]), "four columns"),
    "a column": (COORDS[:, 0], "no table of x and y"),
    "words": (np.full((6, 2), b"a"), "no numbers"),
    "fields of other names": (unstructured_to_structured(COORDS, np.dtype([("a", "i8"), ("b", "i8")])), "fields x"),
}


@pytest.mark.parametrize("what", COORDINATES)
def test_coordinates_are_read_in_every_form(what, tmp_path):
    assert np.array_equal(as_corners(COORDINATES[what], 6), COORDS)
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["features"], file["coords"] = FEATURES, COORDINATES[what]
    assert np.array_equal(read_embeddings(tmp_path / "s.h5").coords_px, COORDS)


@pytest.mark.parametrize("what", REFUSED)
def test_coordinates_that_do_not_fit_are_dropped_and_told(what, tmp_path):
    values, words = REFUSED[what]
    with pytest.raises(CoordinatesError, match=words):
        as_corners(values, 6)
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["features"], file["coords"] = FEATURES, values
    read = read_embeddings(tmp_path / "s.h5")
    assert np.array_equal(read.features, FEATURES) and read.coords_px is None
    assert words in read.coords_fault and look_at(tmp_path / "s.h5").coords_fault == read.coords_fault


@pytest.mark.parametrize("features", [FEATURES[0], FEATURES[:1]])
def test_a_slide_level_embedding_beside_the_coordinates_of_its_patches_is_a_bag_of_one(features, tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["features"], file["coords"] = features, COORDS
        file["features"].attrs["encoder"] = "titan"
    read = read_embeddings(tmp_path / "s.h5")
    assert np.array_equal(read.features, FEATURES[:1])
    assert (read.coords_px, read.coords_fault, read.encoder) == (None, None, "titan")


def test_an_empty_list_is_an_empty_slide(tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["features"], file["coords"] = np.zeros(0, np.float32), np.zeros((0, 2), np.int64)
    assert (look_at(tmp_path / "s.h5").patches, len(read_embeddings(tmp_path / "s.h5"))) == (0, 0)


def test_many_values_are_looked_at_in_some_places(tmp_path):
    features = np.zeros((20_000, 128), np.float32)
    features[-1, 3] = np.nan
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["features"] = features
    with pytest.raises(ValueError, match="NaN or infinite values .such as rows 19999 of 20000"):
        look_at(tmp_path / "s.h5")
