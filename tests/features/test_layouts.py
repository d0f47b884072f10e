"""Files as TRIDENT, CLAM and STAMP write them, byte for byte in their layouts, and what we read from them."""

import h5py
import numpy as np
import pytest
import torch

from prognoscope.cohort.slides import assign_slides, slide_places
from prognoscope.core.errors import CohortError, FeatureError
from prognoscope.features.store import find_embeddings, read_embeddings

FEATURES = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)
COORDS = np.array([[0, 0], [512, 0], [1024, 0], [0, 512], [512, 512], [99840, 512]])


def write_trident(path, features=FEATURES, dtype=np.float16, coords=COORDS, **changes):
    """`features_<encoder>/<slide>.h5` of TRIDENT 0.3.0."""
    told = {"patch_size": 256, "patch_size_level0": 512, "level0_magnification": 40, "target_magnification": 20}
    told |= {"overlap": 0, "name": path.stem, "savetodir": "/their/job"}
    told |= {"level0_width": 100_352, "level0_height": 1024} | changes
    with h5py.File(path, "w") as file:
        data = features.astype(dtype)
        chunks = (1, *data.shape[1:]) if data.ndim == 2 and len(data) else None
        values = file.create_dataset("features", data=data, chunks=chunks)
        values.attrs.update({"name": path.stem, "savetodir": "/their/job", "encoder": "uni_v1"})
        if coords is not None:
            file.create_dataset("coords", data=np.asarray(coords, np.int64)).attrs.update(told)


def write_clam(folder, slide, with_patches=True):
    """`h5_files/<slide>.h5` and `pt_files/<slide>.pt`, and `patches/<slide>.h5` with the geometry, of CLAM 2025-04."""
    for name in ("h5_files", "pt_files", "patches"):
        (folder / name).mkdir(exist_ok=True, parents=True)
    with h5py.File(folder / "h5_files" / f"{slide}.h5", "w") as file:
        file.create_dataset("features", data=FEATURES, maxshape=(None, 12), chunks=(32, 12))
        file.create_dataset("coords", data=COORDS.astype(np.int32), maxshape=(None, 2), chunks=(32, 2))
    torch.save(torch.from_numpy(FEATURES), folder / "pt_files" / f"{slide}.pt")
    if with_patches:
        with h5py.File(folder / "patches" / f"{slide}.h5", "w") as file:
            told = {"patch_size": 256, "patch_level": 1, "downsample": np.array([4.0, 4.0]), "name": slide}
            told |= {"downsampled_level_dim": [25_088, 256], "level_dim": [25_088, 256], "save_path": "/their/patches"}
            file.create_dataset("coords", data=COORDS).attrs.update(told)


def write_stamp(path, features=FEATURES, coords=COORDS * 0.25, **told):
    """`<extractor>-<hash8>/<slide>.h5` of STAMP."""
    with h5py.File(path, "w") as file:
        file["feats"] = features.astype(np.float16)
        if coords is not None:
            file["coords"] = np.asarray(coords, np.float32)
        file.attrs.update(told)


STAMP_NOW = {"stamp_version": "2.5.0", "extractor": "virchow2", "unit": "um", "tile_size_um": 256.0}
STAMP_NOW |= {"tile_size_px": 224, "code_hash": "0123abcd", "feat_type": "tile"}


@pytest.mark.parametrize("layout", ["auto", "trident"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_trident(tmp_path, layout, dtype):
    write_trident(tmp_path / "TCGA-1.h5", dtype=dtype)
    read = read_embeddings(tmp_path / "TCGA-1.h5", layout)
    assert (read.slide, read.encoder, read.features.dtype) == ("TCGA-1", "uni_v1", dtype)
    assert np.array_equal(read.features, FEATURES.astype(dtype))
    assert np.array_equal(read.coords_px, COORDS)
    assert (read.patch_px, read.patch_px_level0, read.overlap_px, read.magnification) == (256, 512.0, 0, 40.0)
    assert read.coords_um is None  # a magnification is not a resolution
    assert read.patch_um is None
    known = read_embeddings(tmp_path / "TCGA-1.h5", layout, mpp=0.2527)
    np.testing.assert_allclose(known.coords_um, COORDS * 0.2527, rtol=1e-6)
    assert known.patch_um == 512 * 0.2527


def test_tridents_none_is_none(tmp_path):
    write_trident(tmp_path / "s.h5", level0_magnification="None", overlap="None", patch_size_level0="None")
    read = read_embeddings(tmp_path / "s.h5", mpp=0.5)
    assert (read.magnification, read.overlap_px, read.patch_px_level0, read.patch_um) == (None, None, None, None)


@pytest.mark.parametrize("shape", [(0, 12), (0,)])
def test_tridents_empty_slide_has_no_patches(tmp_path, shape):
    write_trident(tmp_path / "s.h5", np.zeros(shape, np.float32), coords=np.zeros((0, 2)))
    read = read_embeddings(tmp_path / "s.h5")
    assert (len(read), read.embedding_dim) == (0, shape[-1] if len(shape) == 2 else 0)
    assert read.coords_px.shape == (0, 2)


def test_tridents_slide_embedding_is_a_bag_of_one(tmp_path):
    write_trident(tmp_path / "s.h5", FEATURES[0], np.float32)
    read = read_embeddings(tmp_path / "s.h5", mpp=0.25)
    assert np.array_equal(read.features, FEATURES[:1])
    assert read.coords_px is None
    assert read.coords_um is None


@pytest.mark.parametrize("layout", ["auto", "clam"])
def test_clam_with_its_patch_size(tmp_path, layout):
    write_clam(tmp_path, "s")
    read = read_embeddings(tmp_path / "h5_files" / "s.h5", layout, mpp=0.25)
    assert np.array_equal(read.features, FEATURES)
    assert np.array_equal(read.coords_px, COORDS)
    assert (read.patch_px, read.patch_px_level0, read.patch_um) == (256, 1024.0, 256.0)


@pytest.mark.parametrize("layout", ["auto", "clam"])
def test_clam_alone_knows_no_patch_size_and_no_resolution(tmp_path, layout):
    write_clam(tmp_path, "s", with_patches=False)
    read = read_embeddings(tmp_path / "h5_files" / "s.h5", layout)
    assert (read.patch_px, read.patch_um, read.mpp, read.coords_um, read.encoder) == (None,) * 5
    assert read.coords_px.dtype == np.int64
    tensor = read_embeddings(tmp_path / "pt_files" / "s.pt", layout)
    assert np.array_equal(tensor.features, FEATURES)
    assert tensor.coords_px is None


def test_a_tensor_file_that_could_run_code_is_refused(tmp_path):
    class Stranger:
        def __reduce__(self):
            return (print, ("run",))

    torch.save(Stranger(), tmp_path / "s.pt")
    with pytest.raises(FeatureError, match=r"s\.pt cannot be used: it holds objects .* without running code"):
        read_embeddings(tmp_path / "s.pt")
    (tmp_path / "e.pt").write_bytes(b"")
    with pytest.raises(FeatureError, match=r"e\.pt cannot be used: an empty file"):
        read_embeddings(tmp_path / "e.pt")


@pytest.mark.parametrize("layout", ["auto", "stamp"])
def test_stamp_is_in_um(tmp_path, layout):
    write_stamp(tmp_path / "s.h5", **STAMP_NOW)
    read = read_embeddings(tmp_path / "s.h5", layout)
    assert read.features.dtype == np.float16
    assert np.array_equal(read.coords_um, (COORDS * 0.25).astype(np.float32))
    assert (read.patch_um, read.patch_px, read.encoder, read.coords_px) == (256.0, 224, "virchow2", None)
    assert np.array_equal(read_embeddings(tmp_path / "s.h5", layout, mpp=0.25).coords_px, COORDS)


def test_older_stamp_names_its_tile_otherwise(tmp_path):
    write_stamp(tmp_path / "s.h5", extractor="ctranspath", unit="um", tile_size=256.0)
    read = read_embeddings(tmp_path / "s.h5")
    assert (read.patch_um, read.encoder) == (256.0, "ctranspath")
    assert np.array_equal(read.coords_um, (COORDS * 0.25).astype(np.float32))


@pytest.mark.parametrize("told", [{}, {"extractor": "ctranspath"}, {"tile_size": 224}])
def test_oldest_stamp_has_units_of_224_pixels(tmp_path, told):
    write_stamp(tmp_path / "s.h5", coords=[[0, 0], [224, 0], [448, 224], [0, 0], [0, 0], [0, 0]], **told)
    read = read_embeddings(tmp_path / "s.h5")
    np.testing.assert_allclose(read.coords_um[:3], [[0, 0], [256, 0], [512, 256]], rtol=1e-6)
    assert read.patch_um == pytest.approx(256)


@pytest.mark.parametrize("features", [FEATURES[0], FEATURES[:1]])
@pytest.mark.parametrize("kind", ["slide", "patient"])
def test_stamps_slide_embedding_is_a_bag_of_one(tmp_path, features, kind):
    write_stamp(
        tmp_path / "s.h5", features, None, version="2.5.0", encoder="titan", precision="float16", feat_type=kind
    )
    read = read_embeddings(tmp_path / "s.h5")
    assert np.array_equal(read.features, FEATURES[:1].astype(np.float16))
    assert (read.encoder, read.coords_um) == ("titan", None)


def test_a_file_of_coordinates_alone_is_told_from_embeddings(tmp_path):
    with h5py.File(tmp_path / "s_patches.h5", "w") as file:
        file["coords"] = COORDS
    with pytest.raises(FeatureError, match=r"s_patches\.h5 .* holds no dataset 'features' but only coordinates"):
        read_embeddings(tmp_path / "s_patches.h5")


def test_a_layout_that_is_not_the_files_says_what_is_missing(tmp_path):
    write_trident(tmp_path / "s.h5")
    with pytest.raises(FeatureError, match="holds no dataset 'feats'"):
        read_embeddings(tmp_path / "s.h5", "stamp")


def test_coordinate_files_beside_embeddings_are_passed_over(tmp_path):
    job = tmp_path / "20x_256px_0px_overlap"
    for folder in ("patches", "features_uni_v1"):
        (job / folder).mkdir(parents=True)
    write_trident(job / "features_uni_v1" / "s.h5")
    (job / "patches" / "s_patches.h5").write_bytes(b"")
    assert find_embeddings(job, "trident") == {"s": job / "features_uni_v1" / "s.h5"}
    write_clam(tmp_path / "clam", "s")
    assert find_embeddings(tmp_path / "clam", "clam") == {"s": tmp_path / "clam" / "h5_files" / "s.h5"}


def test_two_encoders_in_one_job_are_not_mixed(tmp_path):
    for folder in ("features_uni_v1", "slide_features_titan"):
        (tmp_path / folder).mkdir()
        write_trident(tmp_path / folder / "s.h5")
    found = slide_places(find_embeddings(tmp_path), tmp_path)
    with pytest.raises(
        CohortError, match=r"s \(features_uni_v1/s, slide_features_titan/s\)\. Name the folder that is meant"
    ):
        assign_slides(found, ["s"])
