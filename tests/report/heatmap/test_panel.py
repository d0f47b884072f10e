"""All maps of a slide on one picture."""

from dataclasses import replace

import numpy as np
from PIL import Image

from prognoscope.report.heatmap.panel import BEST, COLUMNS, WIDE, draw_panel, write_panel
from tests.report.heatmap.made import SPOT, map_of, spotted


def plum_of(picture) -> int:
    return int((np.asarray(picture) == (150, 40, 150)).all(axis=2).sum())


def maps_of(count):
    left, top, side = SPOT
    spot = map_of([9.0, 1.0], [(left, top), (700, 400)], side)
    return [replace(spot, name=f"map_{i}") for i in range(count)]


def test_maps_stand_in_rows_of_three():
    one, three, four = (draw_panel(spotted(), maps_of(n), title="s", size_px=None) for n in (1, 3, 4))
    assert one.width < three.width == four.width and one.height == three.height < four.height
    assert three.width > COLUMNS * WIDE


def test_the_patch_with_the_highest_value_stands_below_its_map_and_another_order_shows_another():
    highest = maps_of(1)[0]
    side = (WIDE - (BEST - 1) * 8) // BEST
    assert plum_of(draw_panel(spotted(), [highest], title="s", size_px=None)) >= 0.9 * side**2
    lowest = replace(highest, values=-highest.values)
    assert plum_of(draw_panel(spotted(), [lowest], title="s", size_px=None)) == 0


def test_without_a_slide_there_are_no_patches(tmp_path):
    write_panel(tmp_path / "maps.png", None, maps_of(2), title="<script>", size_px=(1237, 911))
    assert plum_of(Image.open(tmp_path / "maps.png")) == 0
