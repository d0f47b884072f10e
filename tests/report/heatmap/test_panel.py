"""All maps of a slide on one picture."""

from dataclasses import replace

import numpy as np
from PIL import Image

from prognoscope.report.heatmap.bars import BELOW, FILL, MOST, GroupBars, draw_bars
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


def test_where_all_patches_are_alike_none_is_shown_as_the_best_and_nothing_is_coloured():
    uneven = maps_of(1)[0]
    even = replace(uneven, values=np.zeros_like(uneven.values))
    coloured, plain = (draw_panel(spotted(), [each], title="s", size_px=None) for each in (uneven, even))
    assert plain.height < coloured.height  # no row of patches
    assert plum_of(plain) > 0  # the slide as it is


def bars_of(*values, name="map_0"):
    return GroupBars(name, [f"Group {i}" for i in range(len(values))], np.array(values), "What it says.", "share of 1")


def lengths(picture, colour) -> list[int]:
    """The pixels of each bar of a colour, from top to bottom."""
    rows = (np.asarray(picture) == colour).all(axis=2).sum(axis=1)
    return [int(n) for n, before in zip(rows[1:], rows[:-1], strict=True) if n and not before]


def test_bars_are_as_long_as_their_values_in_the_order_of_the_groups():
    half, all_of_it, none = bars_of(0.2, 0.4), bars_of(0.4, 0.1), bars_of(0.0, 0.0)
    small, large = lengths(draw_bars(half, WIDE, most=0.4), FILL)
    assert abs(2 * small - large) <= 1
    assert lengths(draw_bars(all_of_it, WIDE, most=0.4), FILL)[0] == large
    assert lengths(draw_bars(none, WIDE, most=0.0), FILL) == []


def test_bars_below_zero_have_another_colour():
    picture = draw_bars(bars_of(0.3, -0.3), WIDE, most=0.3)
    assert len(lengths(picture, FILL)) == len(lengths(picture, BELOW)) == 1


def test_of_many_groups_those_that_score_highest_are_shown():
    picture = draw_bars(bars_of(*[0.01] * 50, *[0.5] * MOST), WIDE, most=0.5)
    shown = lengths(picture, FILL)
    assert len(shown) == MOST and min(shown) == max(shown) > WIDE / 3


def test_bars_stand_below_the_map_of_their_name_and_else_in_a_cell_of_their_own():
    alone, below, apart = (
        draw_panel(spotted(), maps_of(2), title="s", size_px=None, bars=bars)
        for bars in ([], [bars_of(0.2, 0.8)], [bars_of(0.2, 0.8, name="pool")])
    )
    assert alone.width == below.width < apart.width and alone.height < below.height
    of_left = np.asarray(below)[:, : below.width // 2]
    assert len(lengths(of_left, FILL)) == 2
    assert len(lengths(np.asarray(apart)[:, below.width :], FILL)) == 2
