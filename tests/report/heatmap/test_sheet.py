import numpy as np
import pytest
from PIL import Image

from prognoscope.core.errors import InputError
from prognoscope.report.heatmap.layout import LEADING, TEXT, TITLE
from prognoscope.report.heatmap.sheet import both_ends, write_sheet
from tests.report.heatmap.made import SPOT, grid, map_of, spotted


def test_both_ends_are_sorted_and_share_nothing():
    patch_map = grid(5, 5, 100, values=np.random.default_rng(0).permutation(25).astype(float))
    highest, lowest = both_ends(patch_map, 4)
    assert patch_map.values[highest].tolist() == [24, 23, 22, 21]
    assert patch_map.values[lowest].tolist() == [0, 1, 2, 3]


def test_what_overlaps_a_patch_already_shown_is_passed_over():
    patch_map = map_of([9, 8, 7, 6, 1, 2], [(0, 0), (50, 0), (0, 100), (101, 0), (900, 0), (950, 0)], 100.5)
    assert both_ends(patch_map, 2) == ([0, 2], [4, 3])  # at 100 and 101 they meet but for rounding


def test_few_patches_are_shown_once_and_those_without_a_value_never():
    assert both_ends(map_of([], []), 12) == ([], [])
    assert both_ends(map_of([np.nan, 5.0], [(0, 0), (500, 0)]), 12) == ([1], [])
    highest, lowest = both_ends(grid(3, 1, 50, values=[1.0, 2.0, 3.0]), 12)
    assert (highest, lowest) == ([2, 1], [0])


def test_patches_are_shown_as_they_lie_in_the_slide(tmp_path):
    left, top, side = SPOT
    patch_map = map_of([9.0, 1.0], [(left, top), (700, 400)], side)
    write_sheet(tmp_path / "sheet.png", spotted(), patch_map, title="<script>", mpp=0.5)
    picture = np.asarray(Image.open(tmp_path / "sheet.png"))
    plum = (picture == (150, 40, 150)).all(axis=2)
    assert 168**2 <= plum.sum() <= 172**2  # the one patch of colour fills its frame, and no other has any
    rows, columns = np.nonzero(plum)
    assert 18 + 4 <= columns.min() <= 18 + 6
    assert rows.min() > TITLE * LEADING + 2 * TEXT


def test_a_patch_that_hangs_over_the_rim_is_shown_to_its_end(tmp_path):
    write_sheet(tmp_path / "sheet.png", spotted(), map_of([2.0], [(1200, -40)]), title="slide 1", mpp=None)


def test_without_a_slide_it_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot be shown without its slide. Give the slide file."):
        write_sheet(tmp_path / "sheet.png", None, grid(2, 2, 50), title="slide 1", mpp=0.5)
    assert not list(tmp_path.iterdir())
