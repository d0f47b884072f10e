import json

import numpy as np
import pytest

from prognoscope.report.heatmap.geojson import write_geojson
from tests.report.heatmap.made import grid, map_of


def features(tmp_path, patch_map, *, size_px=(100_000, 100_000), title="slide 1", **said):
    write_geojson(tmp_path / "map.geojson", patch_map, size_px=size_px, title=title, **said)
    whole = json.loads((tmp_path / "map.geojson").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert whole["type"] == "FeatureCollection"
    assert "crs" not in whole
    return whole, whole["features"]


def ring(feature):
    assert feature["type"] == "Feature"
    assert feature["geometry"]["type"] == "Polygon"
    (points,) = feature["geometry"]["coordinates"]
    assert points[0] == points[-1]
    return np.asarray(points)


def test_every_patch_is_a_closed_square_where_it_lies(tmp_path):
    patch_map = grid(5, 4, 112.25)
    _, found = features(tmp_path, patch_map)
    assert len(found) == 20
    for feature, corner, value in zip(found, patch_map.coords_px, patch_map.values, strict=True):
        points = ring(feature)
        np.testing.assert_allclose(points.min(axis=0), corner)
        np.testing.assert_allclose(points.max(axis=0), corner + 112.25)
        around = 0.5 * (points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]).sum()
        assert around == pytest.approx(112.25**2)  # one way round, so not crossed
        assert feature["properties"]["objectType"] == "tile"
        assert feature["properties"]["measurements"]["attention"] == pytest.approx(value, rel=1e-8)


def test_the_top_and_the_lowest_tenth_are_classified(tmp_path):
    _, found = features(tmp_path, grid(10, 10, 50, values=np.arange(100.0)))
    named = [each["properties"].get("classification", {}).get("name") for each in found]
    assert named == ["low"] * 10 + [None] * 80 + ["high"] * 10
    assert all(len(each["properties"]["classification"]["color"]) == 3 for each in found[:10] + found[90:])
    assert found[99]["properties"]["measurements"] == {"attention": 99, "attention percentile": 99.5}


def test_of_a_signed_map_only_what_raises_the_risk_is_high(tmp_path):
    _, found = features(tmp_path, grid(10, 10, 50, values=np.arange(100.0) - 2, is_signed=True))
    named = [each["properties"].get("classification", {}).get("name") for each in found]
    assert named == ["low"] * 2 + [None] * 88 + ["high"] * 10


def test_what_has_no_value_has_no_measurement(tmp_path):
    _, found = features(tmp_path, map_of([np.nan, np.inf, 3.0], [(0, 0), (100, 0), (200, 0)]))
    assert [each["properties"]["measurements"] for each in found] == [
        {},
        {},
        {"attention": 3, "attention percentile": 50},
    ]


def test_squares_end_where_the_slide_ends(tmp_path):
    _, found = features(tmp_path, map_of([1, 2], [(-30, 5), (950, 480)]), size_px=(1000, 500))
    assert ring(found[0]).min(axis=0).tolist() == [0, 5]
    assert ring(found[1]).max(axis=0).tolist() == [1000, 500]


def test_whoever_counts_from_what_was_scanned_gets_it_so(tmp_path):
    whole, found = features(tmp_path, map_of([1], [(1000, 2000)]), origin_px=(900, 1500))
    assert ring(found[0]).min(axis=0).tolist() == [100, 500]
    assert whole["prognoscope"]["origin_px"] == [900, 1500]


@pytest.mark.parametrize("title", ["<script>", '=cmd()"}', "../../etc", "a\x00\nb"])
def test_any_name_is_text(tmp_path, title):
    whole, _ = features(tmp_path, map_of([1], [(0, 0)]), title=title)
    assert whole["prognoscope"]["slide"] == title.replace("\x00\n", " ")


def test_no_patches_are_no_features(tmp_path):
    assert features(tmp_path, map_of([], []))[1] == []
