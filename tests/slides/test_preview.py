import numpy as np
import pytest
from PIL import Image, ImageDraw

from prognoscope.slides.preview import PATCH, PEN, TISSUE, draw_preview, write_preview
from prognoscope.slides.readers import open_slide
from prognoscope.slides.tiling import TilingSpec, tile
from prognoscope.slides.tissue import TissueSpec, segment_tissue


@pytest.fixture
def penned(tmp_path):
    image = Image.new("RGB", (2000, 1500), (243, 241, 242))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1100, 1100), fill=(222, 150, 190))
    draw.line((1500, 200, 1800, 1300), fill=(20, 110, 60), width=150)
    image.save(tmp_path / "penned.png")
    with open_slide(tmp_path / "penned.png", mpp=0.5) as slide:
        tissue = segment_tissue(slide, TissueSpec())
        yield slide, tissue, tile(slide, tissue, TilingSpec())


def near(picture, colour, least=12):
    """Where a picture has a colour, give or take."""
    return (np.abs(picture.astype(int) - colour) <= least).all(axis=2)


def test_patches_tissue_and_pen_are_drawn_where_they_are(penned):
    slide, tissue, grid = penned
    assert len(grid) == 16
    picture = draw_preview(slide, tissue, grid, longest_px=1000)
    assert picture.shape[1] == 1000
    assert picture.shape[0] > 750  # the caption is below
    lines = near(picture, PATCH)
    assert lines[100:110, 127:130].any(axis=1).all()  # between the first two columns, at 256 / 2
    assert not lines[:, 560:].any()
    outline = near(picture, TISSUE)
    assert outline[100:500, 540:560].any(axis=1).all()
    assert not outline[100:400, 10:500].any()  # none within the tissue
    assert near(picture, PEN)[110:640, 650:960].any(axis=1).all()
    assert (picture[50, 50] == (222, 150, 190)).all()  # what is used keeps its colour
    assert (picture[100, 535] > (222, 150, 190)).all()  # what is not used is pale


def test_a_slide_with_nothing_on_it_is_drawn_too(tmp_path):
    Image.new("RGB", (40, 16), "white").save(tmp_path / "tiny.png")
    with open_slide(tmp_path / "tiny.png", mpp=0.5) as slide:
        tissue = segment_tissue(slide, TissueSpec())
        picture = draw_preview(slide, tissue, tile(slide, tissue, TilingSpec()), longest_px=400)
    assert picture[:160].min() == 255


def test_the_same_preview_is_the_same_file(penned, tmp_path):
    for name in ("one.jpg", "two.jpg"):
        write_preview(tmp_path / name, *penned, longest_px=300)
    assert (tmp_path / "one.jpg").read_bytes() == (tmp_path / "two.jpg").read_bytes()
    assert not list(tmp_path.glob(".*"))
