import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from prognoscope.report.heatmap.colours import ColourScale
from prognoscope.report.heatmap.layout import lay_out
from prognoscope.report.heatmap.overlay import draw_overlay, toned, write_png
from prognoscope.report.heatmap.svg import write_svg
from prognoscope.report.heatmap.window import ground_of, window_of
from tests.report.heatmap.made import SIZE, SPOT, bounds, grid, map_of, spotted

BOUNDS = bounds(201, 99, 403, 307)
SVG = "{http://www.w3.org/2000/svg}"
WORDS = {"title": "slide 1", "mpp": 0.5}


def hot_spot(shift=(0, 0)):
    """A map that is high exactly where the slide has colour, and low in patches beside it; all hang together oddly."""
    left, top, side = SPOT
    places = [(left + i * side + shift[0], top + j * side + shift[1]) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return map_of([float(place == (left + shift[0], top + shift[1])) for place in places], places, side)


def drawn(slide, patch_map, longest):
    """The slide alone and with the map, without title and bars."""
    window = window_of(slide, patch_map, SIZE, longest)
    whole = draw_overlay(slide, patch_map, window, **WORDS)
    layout = lay_out(patch_map, window, ColourScale.of(patch_map), **WORDS, has_pixels=True)
    (left, top), (width, height) = layout.picture, window.size
    return ground_of(slide, window), whole[top : top + height, left : left + width]


def edges(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.asarray([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize("longest", [97, 256, 701, 1203])
@pytest.mark.parametrize("properties", [{}, BOUNDS], ids=["plain", "bounds"])
def test_the_hot_patch_lies_on_the_coloured_area_to_one_pixel(longest, properties):
    ground, picture = drawn(spotted(properties=properties), hot_spot(), longest)
    coloured = ground[..., 1] < 148
    hot = picture[..., 2] < picture[..., 0] * 0.85  # yellow
    assert np.abs(edges(coloured) - edges(hot)).max() <= 1
    assert (coloured & hot).sum() / (coloured | hot).sum() > 1 - 4 / np.sqrt(coloured.sum())


def test_a_shifted_map_is_seen_to_be_shifted():
    ground, picture = drawn(spotted(), hot_spot(shift=(9, 0)), 701)
    hot = picture[..., 2] < picture[..., 0] * 0.85
    assert np.abs(edges(ground[..., 1] < 148) - edges(hot)).max() > 5


def test_tissue_is_seen_through_the_map_and_untouched_by_patches_without_a_value():
    slide = spotted()
    left, top, side = SPOT
    patch_map = map_of([1.0, np.nan], [(left - side // 2, top), (left + side // 2, top)], side)
    ground, picture = drawn(slide, patch_map, 400)
    free = toned(ground, np.zeros(ground.shape[:2]))
    changed = np.abs(picture - free).max(axis=2) > 3
    middle = changed.shape[0] // 2
    assert changed[middle].any()
    half = edges(ground[..., 1] < 148)[[0, 2]].mean()
    assert np.flatnonzero(changed[middle]).max() <= half + 2
    tissue, glass = picture[middle, round(half) - 4], picture[middle, np.flatnonzero(changed[middle])[2]]
    assert (glass.astype(int) - tissue).max() > 30


def test_abutting_patches_of_a_side_that_is_not_whole_leave_no_hairlines():
    patch_map = grid(8, 6, 100.4, values=np.full(48, 1.0))
    _, picture = drawn(spotted(spot=(0, 0, 0)), patch_map, 1500)
    inner = picture[20 : int(560 * picture.shape[0] / 911), 20:900]
    assert (inner == inner[0, 0]).all()


def written(tmp_path, slide, patch_map, size=SIZE, **words):
    window = window_of(slide, patch_map, size, 300)
    words = WORDS | words
    write_png(tmp_path / "map.png", slide, patch_map, window, **words)
    write_svg(tmp_path / "map.svg", slide, patch_map, window, **words)
    return (tmp_path / "map.png").read_bytes(), (tmp_path / "map.svg").read_text(encoding="utf-8")


def test_the_same_map_is_the_same_file(tmp_path):
    assert written(tmp_path, spotted(), hot_spot()) == written(tmp_path, spotted(), hot_spot())


@pytest.mark.parametrize(
    "title", ["<script>alert(1)</script>", "=cmd()", "../../etc", 'a & "b" \'', "a\x00\x1b\nb\ud800", "字" * 90]
)
def test_whatever_a_slide_is_called_the_svg_is_text_that_opens(tmp_path, title):
    png, svg = written(tmp_path, spotted(), hot_spot(), title=title)
    root = ElementTree.fromstring(svg)
    assert not list(root.iter(f"{SVG}script"))
    printable = "".join(each if each.isprintable() else " " for each in title)
    assert root.find(f"{SVG}title").text == "attention: " + " ".join(printable.split())
    lines = [each.text for each in root.iter(f"{SVG}text")]
    assert "".join(printable.split()) in "".join("".join(lines).split())
    assert Image.open(io.BytesIO(png)).size == (int(root.get("width")), int(root.get("height")))


def test_an_svg_says_what_it_shows_and_fetches_nothing(tmp_path):
    root = ElementTree.fromstring(svg := written(tmp_path, spotted(), hot_spot())[1])
    assert "looks there" in root.find(f"{SVG}desc").text
    assert root.get("role") == "img"
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {"Attention", "slide 1", "share of attention", "20 µm"} <= set(texts)
    assert {"p1 = 0", "p50 = 0", "p99 = 0.92"} <= set(texts)
    assert set(re.findall(r'(?:href|src)="([^,"]*)', svg)) == {"data:image/jpeg;base64", "data:image/png;base64"}
    assert not re.search(r"\sid=", svg)  # two of them may stand in one page


def test_few_patches_are_squares_where_the_raster_has_them(tmp_path):
    patch_map = hot_spot()
    root = ElementTree.fromstring(written(tmp_path, spotted(), patch_map)[1])
    inner = root.find(f"{SVG}svg")
    squares = list(inner.iter(f"{SVG}rect"))
    assert len(squares) == 9
    window = window_of(spotted(), patch_map, SIZE, 300)
    found = np.asarray([[float(each.get(name)) for name in ("x", "y", "width", "height")] for each in squares])
    corners = (patch_map.coords_px - window.box[:2]) * window.scale
    np.testing.assert_allclose(found[:, :2], corners, atol=1e-3)
    np.testing.assert_allclose(found[:, 2:], np.tile(np.multiply(103, window.scale), (9, 1)), atol=1e-3)
    assert squares[4].find(f"{SVG}title").text == "1 at x 313, y 217"


@pytest.mark.parametrize("is_many", [True, False])
def test_many_or_overlapping_patches_are_one_picture(tmp_path, monkeypatch, is_many):
    patch_map = hot_spot()
    if is_many:
        monkeypatch.setattr("prognoscope.report.heatmap.svg.MOST_SQUARES", 8)
    else:
        patch_map = map_of([1, 2], [(300, 200), (330, 200)])
    root = ElementTree.fromstring(svg := written(tmp_path, spotted(), patch_map)[1])
    assert root.find(f"{SVG}svg") is None
    pictures = [base64.b64decode(each) for each in re.findall(r'data:image/png;base64,([^"]*)', svg)]
    with Image.open(io.BytesIO(pictures[0])) as layer:
        assert layer.mode == "RGBA"
        alpha = np.asarray(layer)[..., 3]
    assert (alpha.min(), alpha.max()) == (0, 128)


@pytest.mark.parametrize(
    "patch_map", [map_of([], []), map_of([np.nan], [(5, 5)]), map_of([0.5], [(5, 5)], 1e-3)], ids=len
)
@pytest.mark.parametrize("slide", [None, spotted()], ids=["bare", "slide"])
def test_maps_of_nothing_are_drawn_too(tmp_path, slide, patch_map):
    _, svg = written(tmp_path, slide, patch_map, mpp=None)
    texts = " ".join(each.text for each in ElementTree.fromstring(svg).iter(f"{SVG}text"))
    assert "px of the slide (its µm per pixel is unknown)" in texts
    assert ("Drawn by coordinates alone" in texts) is (slide is None)


def test_no_text_is_cut_off(tmp_path):
    long = "word " * 60 + "w" * 400
    patch_map = map_of([0.1, 0.9], [(0, 0), (200, 100)], name="a" * 80, meaning=long, unit=long)
    png, _ = written(tmp_path, None, patch_map, size=(900, 30), title=long)
    rim = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    assert min(rim[:8].min(), rim[-8:].min(), rim[:, :8].min(), rim[:, -8:].min()) == 255
