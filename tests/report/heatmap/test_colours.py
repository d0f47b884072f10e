import numpy as np
import pytest

from prognoscope.report.heatmap.colours import MINUS, ColourScale
from tests.report.heatmap.made import map_of


def scale_of(values, **said):
    return ColourScale.of(map_of(values, np.zeros((len(values), 2)), **said))


def test_ends_and_ticks_are_the_stated_percentiles():
    scale = scale_of(np.arange(101.0))
    assert (scale.low, scale.high) == (1, 99)
    assert [label for _, label in scale.ticks] == ["p1 = 1", "p50 = 50", "p99 = 99"]
    assert (scale.rgb(np.asarray([-7.0, 1.0, 99.0, 1e9])) == scale.rgb(np.asarray([1.0, 1.0, 99.0, 99.0]))).all()


def test_lighter_is_more_for_every_eye():
    luma = scale_of(np.arange(101.0)).rgb(np.linspace(1, 99, 20)).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luma) > 0).all()


def test_signed_colours_are_as_far_below_nought_as_above():
    scale = scale_of(np.linspace(-1, 3, 401), is_signed=True)
    assert scale.low == -scale.high == pytest.approx(-2.96)
    red, white, blue = scale.rgb(np.asarray([2.0, 0.0, -2.0])).astype(int)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert white.min() > 240
    assert [label for _, label in scale.ticks] == [f"{MINUS}2.96", f"p1 = {MINUS}0.96", "0", "p50 = 1", "p99 = 2.96"]


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize(
    "values", [[], [np.nan], [0.0], [2.5, 2.5], [0.0] * 300 + [1.0], [-1e-300, 1e-300], [1e300, -1e300]]
)
def test_maps_without_a_range_have_colours_too(values, is_signed):
    scale = scale_of(values, is_signed=is_signed)
    assert scale.low < scale.high
    assert all(scale.low <= value <= scale.high for value, _ in scale.ticks)
    assert scale.rgb(np.asarray([0.5, np.nan])).shape == (2, 3)


def test_one_patch_among_equals_is_seen():
    scale = scale_of([0.0] * 300 + [1.0])
    assert (scale.low, scale.high) == (0, 1)
    assert [label for _, label in scale.ticks] == ["lowest = 0", "p50 = 0", "highest = 1"]
