import io
import time

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prognoscope.viewer.layers import bar_colours, draw_layer

VIRIDIS = matplotlib.colormaps["viridis"](np.linspace(0, 1, 256), bytes=True)


def grid(columns: int, rows: int, pitch: float, origin=(0.0, 0.0)) -> np.ndarray:
    at = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    return np.rint(at * pitch + origin)


def test_a_patch_is_a_pixel_and_its_colour_is_its_rank():
    coords = np.array([[512.0, 256.0], [1024.0, 256.0], [512.0, 768.0]])
    layer = draw_layer(np.array([0.1, 0.7, 0.2]), coords, 512.0, is_signed=False)
    assert layer.box_px == (512.0, 256.0, 1536.0, 1280.0)
    assert (layer.low, layer.high, layer.shown, layer.patches) == (0.1, 0.7, 3, 3)
    assert (layer.colours[0, 0] == VIRIDIS[0]).all() and (layer.colours[0, 1] == VIRIDIS[255]).all()
    assert (layer.colours[1, 0] == VIRIDIS[128]).all() and layer.colours[1, 1, 3] == 0
    assert (np.asarray(Image.open(io.BytesIO(layer.png()))) == layer.colours).all()


@given(
    pitch=st.floats(30, 900),
    columns=st.integers(1, 60),
    rows=st.integers(1, 60),
    x=st.floats(0, 5e4),
    y=st.floats(0, 5e4),
)
def test_however_far_a_patch_is_from_the_corner_its_pixel_lies_on_it(pitch, columns, rows, x, y):
    """Sides that are not whole add up: coordinates are rounded one by one, and the last patch must not be off."""
    coords = grid(columns, rows, pitch, (x, y))
    layer = draw_layer(np.linspace(0, 1, len(coords)), coords, pitch, is_signed=False)
    assert layer.colours.shape[:2] == (rows, columns)
    left, top, right, bottom = layer.box_px
    assert abs(right - left - columns * pitch) < 2.5 and abs(bottom - top - rows * pitch) < 2.5
    assert np.abs(np.array([left, top]) - coords.min(axis=0)).max() == 0


def test_overlapping_patches_share_finer_pixels_by_their_mean():
    coords = np.array([[0.0, 0.0], [128.0, 0.0], [256.0, 0.0]])
    layer = draw_layer(np.array([0.0, 0.5, 1.0]), coords, 256.0, is_signed=False, scale="rank")
    assert layer.colours.shape[1] == 4 and layer.box_px[2] == 512.0
    assert [int(np.flatnonzero((each == VIRIDIS).all(axis=1))[0]) for each in layer.colours[0]] == [0, 64, 191, 255]


def test_patches_without_a_grid_are_drawn_finer_than_they_are():
    rng = np.random.default_rng(0)
    coords = rng.integers(0, 20_000, (300, 2)).astype(float)
    layer = draw_layer(rng.uniform(size=300), coords, 512.0, is_signed=False)
    step = (layer.box_px[2] - layer.box_px[0]) / layer.colours.shape[1]
    assert step <= 512 / 8 * 1.01
    for x, y in coords[:50]:
        row, column = round((y - layer.box_px[1]) / step), round((x - layer.box_px[0]) / step)
        assert layer.colours[row + 3, column + 3, 3] == 255


def test_a_signed_map_is_white_at_nought_red_above_and_blue_below():
    coords = grid(5, 1, 100)
    layer = draw_layer(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), coords, 100.0, is_signed=True, scale="value")
    colours = layer.colours[0].astype(int)
    assert (colours[2, :3] > 240).all() and colours[4, 0] > colours[4, 2] + 50 and colours[0, 2] > colours[0, 0] + 50
    assert layer.low == -layer.high == pytest.approx(-2.0, rel=0.05)


@pytest.mark.parametrize("is_signed", [True, False])
def test_below_the_threshold_patches_stay_clear(is_signed):
    values = np.arange(1.0, 11.0) * (-1 if is_signed else 1)
    layer = draw_layer(values, grid(10, 1, 100), 100.0, is_signed=is_signed, least=75)
    assert layer.shown == 3 and (layer.colours[0, :, 3] > 0).tolist() == [False] * 7 + [True] * 3


def test_nothing_to_draw_is_a_clear_picture():
    nothing = draw_layer(np.array([np.nan]), np.array([[0.0, 0.0]]), 10.0, is_signed=False)
    unplaced = draw_layer(np.array([1.0]), np.array([[np.nan, 0.0]]), 10.0, is_signed=False)
    for layer in (nothing, unplaced):
        assert layer.colours.shape == (1, 1, 4) and layer.colours[0, 0, 3] == 0 and layer.shown == 0


def test_equal_values_are_drawn_alike():
    layer = draw_layer(np.full(4, 0.25), grid(2, 2, 10), 10.0, is_signed=False)
    assert len(np.unique(layer.colours.reshape(-1, 4), axis=0)) == 1


def test_a_slide_of_100_000_patches_takes_seconds_and_its_picture_stays_small():
    began = time.perf_counter()
    coords = grid(400, 250, 224)
    layer = draw_layer(np.random.default_rng(0).uniform(size=100_000), coords, 448.0, is_signed=False)
    assert time.perf_counter() - began < 10 and max(layer.colours.shape) <= 4096


def test_a_huge_slide_is_drawn_coarser():
    coords = np.array([[0.0, 0.0], [9e6, 0.0], [100.0, 0.0]])
    layer = draw_layer(np.array([1.0, 2.0, 3.0]), coords, 100.0, is_signed=False)
    assert layer.colours.shape[1] <= 4097 and layer.colours[0, -1, 3] == 255


def test_a_colour_bar_begins_and_ends_with_the_map_s_colours():
    assert bar_colours(False)[0] == "#440154" and bar_colours(False)[-1] == "#fde724"
