import numpy as np
import openslide
import pytest

from prognoscope.simulation.paint import CELL_PX, PaintedSlide
from prognoscope.simulation.slide_files import paint_slide_file, patch_truth, write_slide
from prognoscope.simulation.tissue_classes import CLASSES, Factors


@pytest.fixture(scope="module")
def picture():
    smooth = np.add.outer(np.arange(1024), np.arange(1280))[..., None] * np.array([0.1, 0.05, 0.08])
    return smooth.astype(np.uint8)


@pytest.mark.parametrize("aperio", [True, False])
def test_openslide_opens_the_file_with_levels_and_mpp(tmp_path, picture, aperio):
    path = tmp_path / "slide.tiff"
    write_slide(path, picture, 0.5, aperio=aperio)
    with openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.vendor"] == ("aperio" if aperio else "generic-tiff")
        assert slide.level_dimensions == ((1280, 1024), (640, 512))
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5, rel=1e-3)
        assert slide.properties.get("openslide.objective-power") == ("20" if aperio else None)
        read = np.asarray(slide.read_region((0, 0), 0, (1280, 1024)))[..., :3]
        assert np.abs(read.astype(int) - picture).max() < 12
        half = np.asarray(slide.read_region((0, 0), 1, (640, 512)))[..., :3]
        assert np.abs(half.astype(int) - picture[::2, ::2]).max() < 12


def test_sides_need_not_be_multiples_of_a_tile(tmp_path, picture):
    write_slide(tmp_path / "slide.tiff", picture[:1000, :1111], 0.25, aperio=True)
    with openslide.OpenSlide(tmp_path / "slide.tiff") as slide:
        assert slide.dimensions == (1111, 1000)
        assert slide.properties["openslide.objective-power"] == "40"
        read = np.asarray(slide.read_region((1000, 900), 0, (111, 100)))
        assert (read[..., 3] == 255).all()
        assert np.abs(read[..., :3].astype(int) - picture[900:1000, 1000:1111]).max() < 12


def test_a_painted_file_is_the_same_bytes_twice_and_its_truth_adds_up(tmp_path):
    factors = Factors("solid", 1.0, 0.0, 0.5)
    who = {"patient": 3, "slide": 0, "site": 2}
    first, second = (paint_slide_file(tmp_path / f"{n}.tiff", factors, 1024, 7, **who) for n in "ab")
    assert (tmp_path / "a.tiff").read_bytes() == (tmp_path / "b.tiff").read_bytes()
    assert first.equals(second)
    assert len(first) == 16
    np.testing.assert_allclose(first[list(CLASSES)].sum(axis=1), 1, atol=5e-4)
    assert (first["class"] == first[list(CLASSES)].idxmax(axis=1)).all()


def test_the_truth_of_a_patch_is_what_lies_in_it():
    across = 256 // CELL_PX
    classes = np.zeros((2 * across, 3 * across), np.int64)
    classes[:across, across : 2 * across] = 3  # the patch at x = 256, y = 0
    classes[across : across + 8, :across] = 5  # a quarter of that at x = 0, y = 256
    pen = np.zeros(classes.shape, bool)
    pen[across:, 2 * across :] = True
    truth = patch_truth(PaintedSlide(np.zeros((512, 768, 3), np.uint8), classes, pen)).set_index(["x", "y"])
    assert truth.loc[(256, 0), "class"] == "stroma"
    assert truth.loc[(0, 256), ["class", "necrosis", "background"]].tolist() == ["background", 0.25, 0.75]
    assert truth["pen"].tolist() == [0, 0, 0, 0, 0, 1]
