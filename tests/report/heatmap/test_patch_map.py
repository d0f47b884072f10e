import numpy as np
import pytest

from prognoscope.core.errors import InputError
from prognoscope.report.heatmap.patch_map import overlaps
from tests.report.heatmap.made import grid, map_of


@pytest.mark.parametrize("name", ["../../etc", "<script>", "=cmd()", "", ".hidden", "a" * 81, "a b", "a/b"])
def test_a_name_that_no_file_may_have_is_refused(name):
    with pytest.raises(InputError, match="A patch map cannot be called"):
        map_of([1.0], [(0, 0)], name=name)


@pytest.mark.parametrize("side", [0.0, -1.0, np.nan, np.inf])
def test_a_patch_without_a_side_is_refused(side):
    with pytest.raises(InputError, match="give their side, above 0"):
        map_of([1.0], [(0, 0)], side=side)


def test_a_coordinate_that_was_nan_is_refused():
    corner = [[np.iinfo(np.int64).min, 0]]  # what most machines make of it
    with pytest.raises(InputError, match="a coordinate that no slide has"):
        map_of([1.0], corner)


def test_no_patches_are_a_map_too():
    empty = map_of([], [])
    assert len(empty) == 0
    assert empty.box == (0, 0, 0, 0)
    assert not overlaps(empty)
    assert empty.percentiles().shape == (0,)


def test_percentiles_count_half_of_what_is_equal_and_leave_out_what_has_no_value():
    patch_map = map_of([1, 2, 2, np.nan, 3, np.inf], np.zeros((6, 2)))
    np.testing.assert_allclose(patch_map.percentiles(), [12.5, 50, 50, np.nan, 87.5, np.nan])


@pytest.mark.parametrize(("step", "over"), [(112.2, False), (111.2, True), (56.1, True)])
def test_rounded_corners_are_no_overlap(step, over):
    patch_map = grid(5, 5, step)
    assert overlaps(map_of(patch_map.values, patch_map.coords_px, 112.2)) is over
    assert overlaps(map_of([1, 2], [(5, 5), (5, 5)]))
