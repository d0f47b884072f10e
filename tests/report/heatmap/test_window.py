import numpy as np
import pytest

from prognoscope.core.errors import InputError
from prognoscope.report.heatmap.window import GROUND, field_of, ground_of, need_within, window_of
from tests.report.heatmap.made import SIZE, SPOT, bounds, grid, map_of, spotted

BOUNDS = bounds(250, 150, 301, 303)


def test_glass_is_cut_away_but_no_tissue_and_no_patch():
    left, top, side = SPOT
    box = window_of(spotted(), map_of([1], [(left + 5, top + 5)], 20), SIZE, 500).box
    assert left - 60 < box[0] <= left
    assert top - 60 < box[1] <= top
    assert left + side <= box[2] < left + side + 60
    far = window_of(spotted(), map_of([1], [(1200, 880)], 30), SIZE, 500).box
    assert (far[2], far[3]) == (1237, 911)  # a patch at the rim, and never beyond it
    assert far[0] <= left


def test_a_slide_of_glass_alone_is_shown_whole():
    blank = spotted(spot=(0, 0, 0))
    assert window_of(blank, map_of([], []), SIZE, 500).box == (0, 0, *SIZE)


def test_without_a_slide_the_patches_are_shown_whole():
    patch_map = grid(4, 3, 256.5)
    for size_px in (None, (5000, 4000)):
        window = window_of(None, patch_map, size_px, 400)
        assert window.box[2] > patch_map.box[2]
        assert max(window.size) == 400
        assert (ground_of(None, window) == GROUND).all()
    assert window_of(None, map_of([], []), None, 400).size == (400, 400)


def test_what_was_scanned_is_what_other_programs_show():
    patch_map = grid(2, 2, 50)
    assert field_of(spotted(properties=BOUNDS), patch_map, SIZE) == (250, 150, 551, 453)
    assert field_of(spotted(), patch_map, SIZE) == (0, 0, *SIZE)
    assert field_of(None, patch_map, None) == (0, 0, 100, 100)
    for broken in ({"openslide.bounds-x": "5"}, BOUNDS | {"openslide.bounds-width": "-3"}):
        assert field_of(spotted(properties=broken), patch_map, SIZE) == (0, 0, *SIZE)


@pytest.mark.parametrize("size", [(61, 40), (100, 66), (333, 217), (1500, 977)])
@pytest.mark.parametrize("properties", [{}, BOUNDS], ids=["plain", "bounds"])
def test_the_ground_lies_where_level_0_lies(size, properties):
    slide = spotted(properties=properties)
    window = window_of(slide, map_of([1], [(200, 100)], 300), SIZE, size[0])
    dark = ground_of(slide, window)[..., 1] < 148
    columns, rows = np.flatnonzero(dark.any(axis=0)), np.flatnonzero(dark.any(axis=1))
    left, top, side = SPOT
    (sx, sy), box = window.scale, window.box
    for found, expected in (
        (columns[0], (left - box[0]) * sx),
        (columns[-1] + 1, (left + side - box[0]) * sx),
        (rows[0], (top - box[1]) * sy),
        (rows[-1] + 1, (top + side - box[1]) * sy),
    ):
        assert abs(found - expected) <= 1


def test_a_map_of_another_slide_is_refused():
    need_within(map_of([1, 2], [(0, 0), (1236, 910)]), SIZE)  # some cut patches that hang over the rim
    need_within(map_of([], []), SIZE)
    for corner in ((1237, 0), (0, 911), (-100, 0)):
        with pytest.raises(
            InputError, match="has a patch outside the slide.*1237 x 911 pixels: the slide was replaced"
        ):
            need_within(map_of([1, 2], [(0, 0), corner]), SIZE)
