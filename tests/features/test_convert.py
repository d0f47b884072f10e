"""Embeddings in the layouts of other tools: every key, type and attribute that they read, and what we read back."""

import h5py
import numpy as np
import pytest
import torch

from prognoscope import cli
from prognoscope.core.errors import InputError, MissingFileError
from prognoscope.features.convert import convert_embeddings
from prognoscope.features.embeddings import Embeddings
from prognoscope.features.origin import Origin
from prognoscope.features.store import find_embeddings, pack_embeddings, read_embeddings, write_embeddings
from tests.features.test_layouts import COORDS, FEATURES, STAMP_NOW, write_clam, write_stamp, write_trident

TOOLS = ["clam", "stamp", "torchmil", "trident"]
MPP = {"a": 0.252, "b": 0.2526}


@pytest.fixture
def ours(tmp_path):
    """Two slides of one study, whose scanners differ a little: patches of 128 um, 256 px."""
    for slide, mpp in MPP.items():
        side = 128 / mpp
        made = Embeddings(slide, FEATURES, coords_px=np.round(COORDS / 512 * side).astype(np.int64), mpp=mpp)
        about = {"patch_px": 256, "patch_px_level0": side, "overlap_px": 0, "magnification": 40.0}
        about |= {"encoder": "uni_v2", "weights_hash": "abcd", "spec_hash": "1234"}
        made = Embeddings(slide, FEATURES, made.coords_um, made.coords_px, mpp=mpp, **about)
        write_embeddings(tmp_path / "ours" / f"{slide}.h5", made, slide_size_px=(100_352, 1024))
    return tmp_path / "ours"


def converted(ours, tool, **options):
    out = ours.parent / tool
    report = convert_embeddings(ours, out, tool, **options)
    assert report.failed == {}
    return out


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_clam_gets_its_two_files(ours):
    out = converted(ours, "clam")
    assert files_of(out) == ["h5_files/a.h5", "h5_files/b.h5", "pt_files/a.pt", "pt_files/b.pt"]
    with h5py.File(out / "h5_files" / "a.h5") as file:
        assert sorted(file) == ["coords", "features"]
        features, coords = file["features"], file["coords"]
        assert (features.dtype, features.shape, features.chunks) == (np.float32, (6, 12), (32, 12))
        assert (coords.dtype, coords.shape, coords.chunks) == (np.int32, (6, 2), (32, 2))
        assert not features.attrs and not coords.attrs and not file.attrs
        assert np.array_equal(features[()], FEATURES)
    tensor = torch.load(out / "pt_files" / "a.pt", weights_only=True)
    assert tensor.dtype == torch.float32 and np.array_equal(tensor.numpy(), FEATURES)
    assert list(find_embeddings(out)) == ["a", "b"]
    read, source = read_embeddings(out / "h5_files" / "b.h5", mpp=0.2526), read_embeddings(ours / "b.h5")
    assert np.array_equal(read.coords_px, source.coords_px) and np.array_equal(read.coords_um, source.coords_um)


def test_stamp_gets_half_precision_and_um(ours):
    out = converted(ours, "stamp")
    assert files_of(out) == ["a.h5", "b.h5"]
    with h5py.File(out / "a.h5") as file:
        assert sorted(file) == ["coords", "feats"]
        assert (file["feats"].dtype, file["feats"].shape) == (np.float16, (6, 12))
        assert (file["coords"].dtype, file["coords"].shape) == (np.float32, (6, 2))
        assert np.array_equal(file["feats"][()], FEATURES.astype(np.float16))
        assert np.allclose(file["coords"][()], COORDS / 4, atol=0.13)  # half a pixel of .252 um
        told = dict(file.attrs)
    assert told.pop("tile_size_um") == pytest.approx(128, abs=1e-9)
    assert told == {"stamp_version": "2.1.0", "extractor": "uni2", "unit": "um", "tile_size_px": 256} | {
        "code_hash": "prognoscope",
        "feat_type": "tile",
    }
    read, source = read_embeddings(out / "a.h5"), read_embeddings(ours / "a.h5")
    assert np.array_equal(read.coords_um, source.coords_um) and read.patch_um == pytest.approx(128)


@pytest.mark.parametrize(
    ("written", "here", "back", "width"),
    [
        ("uni2", "uni_v2", "uni2", 12),
        ("mahmood-uni2", "uni_v2", "uni2", 12),
        ("virchow-full", "virchow", "virchow-full", 2560),
        ("virchow", "virchow", "virchow", 1280),
        ("gigapath", "gigapath", "gigapath", 12),
    ],
)
def test_an_encoder_of_two_names_is_one(written, here, back, width, tmp_path):
    """STAMP's name goes back to STAMP, is ours elsewhere, and parts no cohort."""
    (tmp_path / "theirs").mkdir()
    write_stamp(tmp_path / "theirs" / "s.h5", np.ones((6, width)), **STAMP_NOW | {"extractor": written})
    for tool in ("stamp", "trident"):
        report = convert_embeddings(tmp_path / "theirs", tmp_path / tool, tool, slide_mpp=0.25, encoder=here)
        assert report.failed == {}
    with h5py.File(tmp_path / "stamp" / "s.h5") as file:
        assert file.attrs["extractor"] == back
    read = read_embeddings(tmp_path / "trident" / f"features_{here}" / "s.h5")
    assert not Origin.of(read).contradicts(Origin.of(read_embeddings(tmp_path / "theirs" / "s.h5")))
    assert str(Origin.of(read)).startswith(f"{here}, ")


def test_torchmil_gets_arrays(ours):
    out = converted(ours, "torchmil")
    assert files_of(out) == ["coords/a.npy", "coords/b.npy", "features/a.npy", "features/b.npy"]
    features, coords = (np.load(out / name / "b.npy", allow_pickle=False) for name in ("features", "coords"))
    assert features.dtype == np.float32 and np.array_equal(features, FEATURES)
    assert coords.dtype == np.int64 and np.array_equal(coords, read_embeddings(ours / "b.h5").coords_px)


@pytest.mark.parametrize("tool", ["", "trident"])
def test_trident_cuts_whole_pixels_and_slides_of_two_scanners_still_combine(ours, tool):
    out = converted(ours, tool) / "features_uni_v2" if tool else ours  # ours are in the same layout
    with h5py.File(out / "b.h5") as file:
        assert (file["features"].dtype, file["features"].attrs["encoder"]) == (np.float32, "uni_v2")
        told = dict(file["coords"].attrs)
        assert file["coords"].dtype == np.int64
    assert (told["patch_size_level0"], told["patch_size_level0"].dtype.kind) == (507, "i")
    assert told["patch_size_level0_exact"] == 128 / 0.2526
    assert (told["patch_size"], told["level0_magnification"]) == (256, 40)
    assert (told["overlap"], told["name"], told["level0_width"], told["level0_height"]) == (0, "b", 100_352, 1024)
    both = [read_embeddings(out / f"{slide}.h5") for slide in MPP]
    assert [(one.mpp, one.patch_um) for one in both] == [(mpp, pytest.approx(128, abs=1e-9)) for mpp in MPP.values()]
    bags = {one.slide: [(one.slide, lambda one=one: one)] for one in both}
    assert pack_embeddings(bags, ours.parent / "pack", "k").origin.um_per_px == 0.5
    if tool:
        assert told["savetodir"] == "None"
        with h5py.File(out.parent / "patches" / "b_patches.h5") as file:
            assert list(file) == ["coords"] and dict(file["coords"].attrs) == told


@pytest.mark.parametrize("side", [507.937, 506.73, 512.0, 443.5, 112.2, 97.5])
@pytest.mark.parametrize(("mpp", "magnification"), [(0.2526, 40.0), (0.2526, None), (0.5, None), (None, 20.0)])
def test_trident_cuts_what_we_cut_by_its_two_magnifications(mpp, magnification, side, tmp_path):
    """Its patcher takes no other attribute, and a text in their place ends it."""
    about = {"patch_px": 224, "patch_px_level0": side, "mpp": mpp, "magnification": magnification}
    write_embeddings(tmp_path / "s.h5", Embeddings("s", FEATURES, coords_px=COORDS, **about))
    with h5py.File(tmp_path / "s.h5") as file:
        told = dict(file["coords"].attrs)
    source, target = (10 / told[name] for name in ("level0_magnification", "target_magnification"))
    assert round(told["patch_size"] * (target / source)) == told["patch_size_level0"] == round(side)


def test_a_file_without_the_exact_side_is_read_as_before(tmp_path):
    write_trident(tmp_path / "s.h5")
    assert read_embeddings(tmp_path / "s.h5").patch_px_level0 == 512


@pytest.mark.parametrize("tool", TOOLS)
def test_what_other_tools_wrote_is_converted_too(tool, tmp_path):
    """From TRIDENT, CLAM and STAMP; what their files do not say is given."""
    (tmp_path / "trident").mkdir()
    write_trident(tmp_path / "trident" / "s.h5")
    write_clam(tmp_path / "clam", "s")
    (tmp_path / "stamp").mkdir()
    write_stamp(tmp_path / "stamp" / "s.h5", **STAMP_NOW)
    for source in ("trident", "clam", "stamp"):
        out = tmp_path / f"{source}_to_{tool}"
        named = "uni_v1" if source == "clam" and tool in ("stamp", "trident") else None
        report = convert_embeddings(tmp_path / source, out, tool, slide_mpp=0.25, encoder=named)
        assert report.done == ("s",), report
        if tool != "torchmil":
            read = next(read_embeddings(path, mpp=0.25) for path in find_embeddings(out).values())
            assert np.allclose(read.features, FEATURES, atol=4e-3)
            assert np.array_equal(read.coords_px, COORDS) and np.allclose(read.coords_um, COORDS / 4)


@pytest.mark.parametrize("tool", TOOLS)
def test_started_again_it_goes_on_and_writes_nothing_over(tool, ours):
    out = converted(ours, tool)
    whole = {name: (out / name).read_bytes() for name in files_of(out)}
    lost, spoiled = next(name for name in whole if "a" in name.split("/")[-1][0]), files_of(out)[-1]
    (out / lost).unlink()
    report = convert_embeddings(ours, out, tool)
    assert (report.done, report.already, report.failed) == (("a",), ("b",), {})
    assert {name: (out / name).read_bytes() for name in files_of(out)} == whole
    (out / spoiled).write_bytes(b"theirs")
    report = convert_embeddings(ours, out, tool)
    assert (
        list(report.failed) == ["b"] and "is there with another content and is not written over" in report.failed["b"]
    )
    assert (out / spoiled).read_bytes() == b"theirs" and report.already == ("a",)


def test_a_slide_that_lacks_something_is_named_and_the_others_go_on(ours, tmp_path, capsys):
    write_trident(ours / "no mpp.h5")
    write_trident(ours / "no coords.h5", coords=None)
    write_trident(ours / "odd coords.h5", coords=COORDS[:4])
    write_trident(ours / "empty.h5", features=np.zeros((0, 12)), coords=np.zeros((0, 2)))
    write_embeddings(ours / "loud.h5", Embeddings("loud", FEATURES * 1e6, coords_px=COORDS, mpp=0.25, patch_px=256))
    (ours / "cut.h5").write_bytes((ours / "a.h5").read_bytes()[:900])
    with pytest.raises(SystemExit) as stopped:
        cli.main(["convert", str(ours), "--to", "STAMP", "--out", str(tmp_path / "stamp")])
    shown, said = capsys.readouterr()
    assert stopped.value.code == 1 and "2 slides now, 0 before, 6 failed" in shown
    assert files_of(tmp_path / "stamp") == ["a.h5", "b.h5"]
    why = dict(line.removeprefix("left out: ").split(": ", 1) for line in said.strip().splitlines())
    assert "um per pixel of level 0" in why["no mpp"] and "give --slide-mpp" in why["no mpp"]
    assert "no coordinates, and every layout" in why["no coords"]
    assert "not as many coordinates as embeddings" in why["odd coords"]
    assert why["empty"] == "it has no patches" and "no whole HDF5 file" in why["cut"]
    assert "how large its patches are" in why["loud"]


def test_values_that_half_precision_cannot_hold_are_no_infinite_ones(tmp_path):
    loud = Embeddings("s", FEATURES * 1e6, coords_px=COORDS, mpp=0.25, patch_px=256, patch_px_level0=512, encoder="x")
    write_embeddings(tmp_path / "ours" / "s.h5", loud)
    report = convert_embeddings(tmp_path / "ours", tmp_path / "out", "stamp")
    assert "beyond 65504" in report.failed["s"] and not files_of(tmp_path / "out")


def test_embeddings_of_two_encoders_never_lie_in_one_folder(ours, tmp_path):
    write_trident(ours / "c.h5")  # uni_v1
    report = convert_embeddings(ours, tmp_path / "out", "torchmil")
    assert report.done == ("a", "b") and "made by uni_v1" in report.failed["c"]
    report = convert_embeddings(ours, tmp_path / "other", "trident", encoder="uni_v1")
    assert report.done == ("c",) and report.failed["a"].endswith("uni_v2 made it, not uni_v1; leave --encoder out")


def test_a_slide_in_a_folder_keeps_it(tmp_path):
    for patient in ("P1", "P2"):
        (tmp_path / "in" / patient).mkdir(parents=True)
        write_trident(tmp_path / "in" / patient / "HE.h5")
    convert_embeddings(tmp_path / "in", tmp_path / "out", "clam")
    assert "h5_files/P2/HE.h5" in files_of(tmp_path / "out")
    assert list(find_embeddings(tmp_path / "out")) == ["P1/HE", "P2/HE"]


def test_an_encoders_name_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "in").mkdir()
    write_trident(tmp_path / "in" / "s.h5")
    with h5py.File(tmp_path / "in" / "s.h5", "r+") as file:
        file["features"].attrs["encoder"] = "../../elsewhere"
    convert_embeddings(tmp_path / "in", tmp_path / "a" / "b" / "out", "trident")
    assert len(files_of(tmp_path / "a" / "b" / "out")) == 2


def test_what_is_asked_for_wrongly_is_told(ours, tmp_path):
    with pytest.raises(InputError, match=r"no layout 'clma' to convert to; .*clam"):
        convert_embeddings(ours, tmp_path / "out", "clma")
    with pytest.raises(InputError, match="not 250"):
        convert_embeddings(ours, tmp_path / "out", "clam", slide_mpp=250)
    with pytest.raises(InputError, match=r"lies in .*ours, where it would be taken for more embeddings"):
        convert_embeddings(ours, ours / "clam", "clam")
    with pytest.raises(MissingFileError, match=r"there does not exist.*Name the folder of their files"):
        convert_embeddings(tmp_path / "not" / "there", tmp_path / "out", "clam")
    (tmp_path / "none").mkdir()
    with pytest.raises(MissingFileError, match="no embeddings"):
        convert_embeddings(tmp_path / "none", tmp_path / "out", "clam")
    assert not (tmp_path / "out").exists()
