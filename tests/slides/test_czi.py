import sys

import numpy as np
import pytest

from prognoscope.core.errors import SlideError
from prognoscope.slides.readers import open_slide
from prognoscope.slides.readers.base import need_mpp
from prognoscope.slides.readers.czi import CziSlide
from prognoscope.slides.readers.openslide import OpenSlideSlide
from tests.slides.czi_file import GRAY16, write_czi
from tests.slides.scene import pixels

SCENES = [
    (-100, 50, [pixels(1240, 1100, each) for each in (1, 2, 4)]),
    (1300, 90, [pixels(120, 100, each) for each in (1, 2, 4)]),
]
OBJECTIVE = "<Objectives><Objective><NominalMagnification>20</NominalMagnification></Objective></Objectives>"


def needs_pylibczirw():
    pytest.importorskip("pylibCZIrw")


def the_plane(k):
    """A level of both scenes on white."""
    plane = np.full((1100 >> k, 1520 >> k, 3), 255, np.uint8)
    for left, top, levels in SCENES:
        height, width = levels[k].shape[:2]
        plane[(top - 50) >> k :, (left + 100) >> k :][:height, :width] = levels[k]
    return plane


@pytest.mark.parametrize("depth", [None, 1], ids=["openslide", "pylibCZIrw"])
def test_scenes_lie_on_one_plane_and_every_level_has_the_pixels_that_were_stored(tmp_path, depth):
    if depth:
        needs_pylibczirw()
    path = write_czi(tmp_path / "a.czi", SCENES, downsamples=(1, 2, 4), depth=depth, xml=OBJECTIVE)
    with open_slide(path) as slide:
        assert isinstance(slide, CziSlide if depth else OpenSlideSlide)
        assert (slide.size_px, slide.level_downsamples, slide.mpp) == ((1520, 1100), (1, 2, 4), pytest.approx(0.25))
        assert depth is None or (slide.magnification, slide.properties["czi.scenes"]) == (20, "2")
        for k in range(3):
            framed = np.pad(the_plane(k), ((40, 200), (40, 200), (0, 0)), constant_values=255)
            for x, y, width, height in ((0, 0, 380, 275), (-7, -9, 60, 50), (251, 233, 90, 42), (330, 0, 90, 60)):
                seen = slide.read(x * 2**k, y * 2**k, k, width, height)
                assert (seen == framed[40 + y : 40 + y + height, 40 + x : 40 + x + width]).all()
        assert (slide.read(1000, 1000, 0, 60, 60) == the_plane(0)[1000:1060, 1000:1060]).all()  # over four tiles


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"depth": 3}, "holds planes: 3 along Z"),
        ({"depth": 1, "channels": 2}, "holds 2 channels, as fluorescence has"),
        ({"depth": 1, "kind": GRAY16}, "has pixels of the kind Gray16, not 8 bits a colour"),
    ],
)
def test_what_is_no_picture_of_stained_tissue_is_refused_in_a_sentence(tmp_path, how, why):
    needs_pylibczirw()
    level = np.ones((64, 64), np.uint16) if how.get("kind") == GRAY16 else pixels(64, 64)
    write_czi(tmp_path / "a.czi", [(0, 0, [level])], downsamples=(1,), **how)
    with pytest.raises(SlideError, match=rf"The slide .*a\.czi {why}.* leave it out of the cohort\."):
        open_slide(tmp_path / "a.czi", mpp=0.5)


def test_a_resolution_that_is_not_said_is_unknown(tmp_path):
    needs_pylibczirw()
    path = write_czi(tmp_path / "a.czi", [(0, 0, [pixels(64, 64)])], downsamples=(1,), depth=1, um=None)
    with open_slide(path) as slide, pytest.raises(SlideError, match=r"a\.czi does not say its um per pixel"):
        need_mpp(slide)


def test_damage_is_told(tmp_path):
    needs_pylibczirw()
    path = write_czi(tmp_path / "a.czi", SCENES, downsamples=(1, 2, 4), depth=1)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SlideError, match=r"a\.czi cannot be opened .* leave it out of the cohort"):
        open_slide(path)


def test_without_pylibczirw_its_extra_is_named(tmp_path, monkeypatch):
    path = write_czi(tmp_path / "a.czi", [(0, 0, [pixels(64, 64)])], downsamples=(1,), depth=1)
    for name in ("pylibCZIrw", "pylibCZIrw.czi"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SlideError, match=r'pylibCZIrw may, and is absent\. pip install "prognoscope\[czi\]"'):
        open_slide(path)
