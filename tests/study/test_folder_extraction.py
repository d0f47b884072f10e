"""Embeddings of a folder without a study: several encoders at once, patches chosen elsewhere, parts of the slides."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from prognoscope.cli import app
from prognoscope.core.errors import InputError, SlideError
from prognoscope.features import encoding, extract
from prognoscope.features.store import read_embeddings
from prognoscope.slides.readers import open_slide
from prognoscope.study.folder_extraction import extract_folder, part_of
from tests.features.test_extract import write_slide

OWN = f"{__name__}:Grey"


class Grey:
    """An encoder of one's own: the mean of each colour."""

    name, embedding_dim, weights_hash = "grey", 3, "1"

    def __init__(self, *, weights=None, device="cpu"):
        pass

    def encode(self, patches, mpp):
        """Three values a patch."""
        return patches.mean(axis=(1, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    for i in range(2):
        write_slide(folder / f"s{i}.tiff", i)
    return folder


@pytest.fixture(scope="module")
def plain(slides, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    assert run(slides, folder).done == ("s0", "s1")
    return folder


def run(slides, out, encoders=(OWN,), **asked):
    return extract_folder(slides, out, encoders, **({} if "coords" in asked else {"patch_px": 128}), **asked)


def embeddings(folder, slide="s0"):
    return read_embeddings(folder / f"{slide}.h5")


def test_several_encoders_see_the_same_patches_in_one_reading(slides, plain, tmp_path, monkeypatch):
    read, seen = encoding.read_patches, []
    monkeypatch.setattr(encoding, "read_patches", lambda *a: seen.append(1) or read(*a))
    assert run(slides, tmp_path, ("stain", OWN)).done == ("s0", "s1")
    assert len(seen) == 2  # one batch a slide
    ours = tmp_path / OWN.replace(":", "-")
    assert np.array_equal(embeddings(ours).features, embeddings(plain).features)
    assert np.array_equal(embeddings(tmp_path / "stain").coords_px, embeddings(plain).coords_px)
    assert embeddings(tmp_path / "stain").encoder == "stain"
    (ours / "s1.h5").unlink()
    assert run(slides, tmp_path, ("stain", OWN)).done == ("s1",)
    assert len(seen) == 3
    assert run(slides, tmp_path, ("stain", OWN)).already == ("s0", "s1")


def write_coords(path: Path, coords, **told):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("coords", data=np.asarray(coords, np.int64)).attrs.update(told)


@pytest.mark.parametrize("tool", ["trident", "clam"])
def test_patches_of_a_coordinate_file_are_taken_as_they_are(slides, plain, tmp_path, tool):
    rows = [5, 2]
    coords = np.concatenate([embeddings(plain).coords_px[rows], [[700, 0]]])  # the last reaches over the border
    if tool == "trident":
        told = {"patch_size": 128, "patch_size_level0": 128, "overlap": 0, "name": "s0"}
        told |= {"level0_width": 768, "level0_height": 768}
        write_coords(tmp_path / "in" / "patches" / "s0_patches.h5", coords, **told)
    else:
        told = {"patch_size": 64, "patch_level": 1, "downsample": np.array([2.0, 2.0]), "level_dim": [384, 384]}
        write_coords(tmp_path / "in" / "s0.h5", coords, **told)
    report = run(slides, tmp_path / "out", coords=tmp_path / "in")
    assert report.done == ("s0",)
    assert "holds neither s1_patches.h5 nor s1.h5" in report.failed["s1"]
    found = embeddings(tmp_path / "out")
    assert np.array_equal(found.coords_px, coords)
    assert (found.patch_px, found.patch_um) == ((128, 64.0) if tool == "trident" else (64, 64.0))
    np.testing.assert_allclose(found.features[:2], embeddings(plain).features[rows], atol=1.0)  # of a coarser level
    assert run(slides, tmp_path / "out", coords=tmp_path / "in").already == ("s0",)
    write_coords(next((tmp_path / "in").rglob("s0*.h5")), coords[:1], **told)
    assert run(slides, tmp_path / "out", coords=tmp_path / "in").done == ("s0",)
    assert len(embeddings(tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("told", "coords", "said"),
    [
        ({"patch_size": 128}, [[0, 0]], "does not say how large its patches are"),
        ({"patch_size": 128, "patch_size_level0": 128}, [[700, 0], [768, 0]], "patches beyond the border of .*s0.tiff"),
        (
            {"patch_size": 128, "patch_size_level0": 128, "level0_width": 90_000, "level0_height": 768},
            [[0, 0]],
            "is of a slide of 90000 x 768 pixels, and .*s0.tiff has 768 x 768, so it is of another",
        ),
        (
            {"patch_size": 128, "patch_level": 0, "downsample": [1.0, 1.0], "level_dim": [768, 90_000]},
            [[0, 0]],
            "is of a slide of 768 x 90000 pixels",
        ),
        ({"patch_size": 128, "patch_size_level0": 128}, np.zeros((0, 2)), "no patches: it has none"),
    ],
)
def test_coordinate_files_that_cannot_be_used_say_why(slides, tmp_path, told, coords, said):
    write_coords(tmp_path / "in" / "s0.h5", coords, **told)
    report = run(slides / "s0.tiff", tmp_path / "out", coords=tmp_path / "in")
    assert report.done == ()
    assert re.search(said, report.failed["s0"])


def square(x0, y0, x1, y1):
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]


def write_regions(folder, *geometries):
    folder.mkdir(exist_ok=True)
    features = [
        {"type": "Feature", "geometry": each, "properties": {"objectType": "annotation"}} for each in geometries
    ]
    (folder / "s0.tiff.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def test_patches_whose_centre_lies_in_a_region_are_kept_or_left(slides, plain, tmp_path):
    whole = embeddings(plain).coords_px
    hole = {"type": "Polygon", "coordinates": [square(0, 0, 512, 768), square(256, 256, 384, 384)]}
    more = {"type": "MultiPolygon", "coordinates": [[square(512, 512, 600, 600)]]}
    write_regions(tmp_path / "in", hole, more)
    centres = whole + 64
    x, y = centres.T
    inside = (x < 512) & ~((abs(x - 320) < 64) & (abs(y - 320) < 64)) | ((abs(x - 556) < 44) & (abs(y - 556) < 44))
    assert 0 < inside.sum() < len(inside)
    one = slides / "s0.tiff"
    run(one, tmp_path / "in_them", regions=tmp_path / "in")
    run(one, tmp_path / "out_of_them", regions=tmp_path / "in", outside=True)
    assert np.array_equal(embeddings(tmp_path / "in_them").coords_px, whole[inside])
    assert np.array_equal(embeddings(tmp_path / "out_of_them").coords_px, whole[~inside])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no GeoJSON"),
        ('{"type": "LineString", "coordinates": [[0, 0], [1, 1]]}', "draws a LineString, which has no inside"),
        ('{"type": "Polygon", "coordinates": [[["a", 1]]]}', "whose corners are no numbers"),
        (
            '{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}',
            r"none of its \d+ patches lies in the regions",
        ),
    ],
)
def test_regions_that_cannot_be_used_say_why(slides, tmp_path, text, said):
    (tmp_path / "s0.geojson").write_text(text)
    report = run(slides / "s0.tiff", tmp_path / "out", regions=tmp_path)
    assert re.search(said, report.failed["s0"])


def test_saved_patches_are_those_of_the_slide_and_the_same_each_time(slides, plain, tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        run(slides, folder, save_patches=3)
    names = [sorted(path.name for path in (tmp_path / each / "patches" / "s0").iterdir()) for each in "ab"]
    assert names[0] == names[1]
    assert len(names[0]) == 3
    x, y = map(int, names[0][0].removesuffix(".png").split("_"))
    picture = np.asarray(Image.open(tmp_path / "a" / "patches" / "s0" / names[0][0]))
    with open_slide(slides / "s0.tiff") as slide:
        assert np.array_equal(picture, slide.read(x, y, 0, 128, 128))


def test_patches_of_slides_that_are_embedded_are_kept_all_the_same(slides, plain, tmp_path):
    names = []
    for folder, first in ((tmp_path / "a", 3), (tmp_path / "b", 0)):
        run(slides, folder, save_patches=first)
        before = (folder / "s0.h5").read_bytes()
        assert run(slides, folder, save_patches=3).already == ("s0", "s1")
        assert (folder / "s0.h5").read_bytes() == before
        names.append({path.name: path.read_bytes() for path in (folder / "patches" / "s0").iterdir()})
    assert names[0] == names[1]
    assert len(names[0]) == 3


def test_that_patches_of_an_embedded_slide_could_not_be_kept_is_said(slides, tmp_path, monkeypatch, caplog):
    run(slides / "s0.tiff", tmp_path)

    def fails(path, **_):
        raise SlideError(f"{path} is damaged")

    monkeypatch.setattr(extract, "open_slide", fails)
    assert run(slides / "s0.tiff", tmp_path, save_patches=2).already == ("s0",)
    assert "No patches were kept as PNG files of 1 slide, which are embedded: s0 (" in caplog.text


def test_normalised_stains_change_embeddings_and_go_to_a_folder_of_their_own(slides, plain, tmp_path):
    run(slides, tmp_path, stain_norm="macenko")
    assert not np.array_equal(embeddings(tmp_path).features, embeddings(plain).features)
    with pytest.raises(InputError, match="2 embedding files were not made by spec"):
        run(slides, tmp_path)


def test_files_of_the_folder_that_were_not_read_as_slides_are_told(slides, tmp_path):
    (tmp_path / "in" / "previews").mkdir(parents=True)
    (tmp_path / "in" / "previews" / "s0.jpg").touch()
    said = "1 file in in not read as slides: pictures that were made of slides 1 (s0.jpg)."
    with pytest.raises(InputError, match=rf"in holds no slides\. {re.escape(said)} Name the folder that does"):
        run(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "previews" / "s1.tiff").symlink_to(slides / "s1.tiff")
    report = run(tmp_path / "in", tmp_path / "out")
    assert report.done == ("s1",)
    assert said in report.notes


def test_shards_divide_the_slides():
    slides = {f"s{i}": Path(f"s{i}") for i in range(7)}
    parts = [part_of(slides, f"{i}/3") for i in (1, 2, 3)]
    assert sorted(slide for part in parts for slide in part) == sorted(slides)
    assert [len(part) for part in parts] == [3, 2, 2]
    for bad in ("0/3", "4/3", "3", "a/b"):
        with pytest.raises(InputError, match="has to be a part and their number, such as 3/16"):
            part_of(slides, bad)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("SLIDES --encoder stain", "say by what and where to: --encoder NAME --out FOLDER"),
        ("nowhere --encoder stain --out o", "There is neither a folder nor a slide nowhere"),
        ("SLIDES --encoder stains --out o", "there is no encoder 'stains'"),
        ("SLIDES --encoder stain --encoder stain --out o", "is named twice"),
        ("SLIDES --encoder stain --out o --weights a --weights b", "given 2 times for 1 encoders"),
        ("SLIDES --encoder stain --out o --mpp 0", "mpp must be more than 0"),
        ("SLIDES --encoder stain --out o --outside", "--outside says which patches of --regions"),
        ("SLIDES --encoder stain --out o --coords nowhere", "The folder nowhere does not exist"),
        ("SLIDES --encoder stain --out o --stain-norm macenk", "no stain normalisation 'macenk'; did you mean"),
        ("SLIDES --encoder uni_v1 --out o --precision bf32", "no precision 'bf32'; known: bf16, float32."),
        (
            "SLIDES --encoder stain --out o --precision bf16",
            "networks that timm builds, and stain is none; leave it out",
        ),
        (
            "SLIDES --encoder stain --encoder uni_v1 --out o --precision bf16",
            "and stain is none; extract them in two commands",
        ),
        ("study.yaml --encoder uni_v2 --mpp 0.5", "--encoder, --mpp belong to `extract FOLDER`"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_work_begins(slides, arguments, said):
    result = CliRunner().invoke(app, ["extract", *arguments.replace("SLIDES", str(slides)).split()])
    assert result.exit_code
    assert said in str(result.exception)
