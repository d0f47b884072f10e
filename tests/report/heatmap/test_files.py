import pytest

from prognoscope.core.errors import InputError
from prognoscope.report.heatmap.files import ENDINGS, write_pictures
from tests.report.heatmap.made import SIZE, SPOT, grid, map_of, spotted

WORDS = {"mpp": 0.5, "size_px": SIZE}


def test_every_kind_is_written_under_the_name_of_slide_and_map(tmp_path):
    left, top, side = SPOT
    paths = write_pictures(tmp_path, "A1", spotted(), map_of([1, 2], [(left, top), (left + side, top)], side), **WORDS)
    names = ["A1.attention" + end for end in (".png", ".svg", ".geojson", ".ome.tiff", ".patches.png")]
    assert [each.name for each in paths] == names
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(names)


def test_without_a_slide_all_but_its_patches_are_drawn(tmp_path):
    paths = write_pictures(tmp_path, "A1", None, grid(3, 3, 100), mpp=None, size_px=None, longest_px=200)
    assert [each.name.removeprefix("A1.attention") for each in paths] == list(ENDINGS.values())[:-1]


def test_geojson_counts_from_what_was_scanned(tmp_path):
    said = {f"openslide.bounds-{name}": "100" for name in ("x", "y", "width", "height")}
    (path,) = write_pictures(
        tmp_path, "A1", spotted(properties=said), map_of([1], [(130, 140)], 50), **WORDS, kinds=("geojson",)
    )
    assert "[[[30,40],[80,40]," in path.read_text()


def test_nothing_is_written_for_an_unknown_kind_or_another_slide(tmp_path):
    with pytest.raises(InputError, match="no picture of the kind 'pgn': did you mean 'png'"):
        write_pictures(tmp_path, "A1", None, grid(2, 2, 50), **WORDS, kinds=("svg", "pgn"))
    with pytest.raises(InputError, match="the slide was replaced"):
        write_pictures(tmp_path, "A1", spotted(), map_of([1], [(5000, 0)]), mpp=0.5, size_px=(9000, 9000))
    assert not list(tmp_path.iterdir())
