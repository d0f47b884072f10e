import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from prognoscope.report.heatmap.raster import rasterise
from prognoscope.report.heatmap.window import Window
from tests.report.heatmap.made import grid, map_of


def by_hand(patch_map, window):
    """The same by going over every patch and every pixel."""
    area, total = np.zeros(window.size[::-1]), np.zeros(window.size[::-1])
    (sx, sy), (left, top) = window.scale, window.box[:2]
    for value, (x, y) in zip(patch_map.values, patch_map.coords_px, strict=True):
        for row in range(window.size[1]):
            for column in range(window.size[0]):
                x0, y0 = (x - left) * sx, (y - top) * sy
                across = min(column + 1, x0 + patch_map.side_px * sx) - max(column, x0)
                down = min(row + 1, y0 + patch_map.side_px * sy) - max(row, y0)
                share = max(0.0, across) * max(0.0, down)
                area[row, column] += share
                total[row, column] += share * value
    return area, total


@given(
    places=st.lists(st.tuples(st.integers(-40, 120), st.integers(-40, 120)), min_size=1, max_size=5),
    side=st.floats(0.7, 90),
    corner=st.tuples(st.floats(0, 20), st.floats(0, 20)),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(max_examples=30, deadline=None)
def test_every_pixel_is_the_mean_of_what_covers_it(places, side, corner, size):
    patch_map = map_of(np.arange(len(places)) - 1.5, places, side)
    window = Window((*corner, corner[0] + 77.7, corner[1] + 51.3), size)
    raster, (area, total) = rasterise(patch_map, window), by_hand(patch_map, window)
    covered = area > 1e-9
    assert (np.isfinite(raster.values) == covered).all()
    assert_allclose(raster.values[covered], (total / np.where(covered, area, 1))[covered], atol=1e-6)
    assert_allclose(raster.coverage, np.minimum(area, 1), atol=1e-9)


@given(side=st.integers(3, 60), columns=st.integers(1, 6), rows=st.integers(1, 6), longest=st.integers(5, 60))
@settings(max_examples=30, deadline=None)
def test_the_integral_of_the_raster_is_that_of_the_values(side, columns, rows, longest):
    patch_map = grid(columns, rows, side, seed=side)
    window = Window.of((-3.3, -1.7, columns * side + 11.9, rows * side + 5.1), longest)
    raster = rasterise(patch_map, window)
    pixel = 1 / (window.scale[0] * window.scale[1])
    assert_allclose(np.nansum(raster.values * raster.coverage) * pixel, patch_map.values.sum() * side**2, atol=1e-6)
    assert_allclose(raster.coverage.sum() * pixel, len(patch_map) * side**2)


def test_patches_of_another_order_are_the_same_picture():
    patch_map = grid(6, 4, 33)
    order = np.random.default_rng(1).permutation(24)
    window = Window.of(patch_map.box, 50)
    other = map_of(patch_map.values[order], patch_map.coords_px[order], 33)
    assert_allclose(rasterise(other, window).values, rasterise(patch_map, window).values, atol=1e-12)


def test_small_values_keep_their_digits_beside_large_ones():
    raster = rasterise(map_of([1.0, 3e-15], [(0, 0), (30, 0)], 30), Window((0, 0, 60, 30), (7, 3)))
    assert raster.values[1, 6] == pytest.approx(3e-15, rel=1e-12)


def test_what_has_no_value_leaves_a_gap():
    raster = rasterise(map_of([np.nan, np.inf, 2], [(0, 0), (10, 0), (20, 0)], 10), Window((0, 0, 40, 10), (4, 1)))
    np.testing.assert_array_equal(raster.values, [[np.nan, np.nan, 2, np.nan]])
    np.testing.assert_array_equal(raster.coverage, [[0, 0, 1, 0]])


def test_many_patches_in_pieces_are_the_same_as_at_once(monkeypatch):
    patch_map, window = grid(9, 9, 20.3), Window((5, 5, 150, 150), (31, 31))
    whole = rasterise(patch_map, window)
    monkeypatch.setattr("prognoscope.report.heatmap.raster.AT_ONCE", 100)
    assert_allclose(rasterise(patch_map, window).values, whole.values, atol=1e-12)
