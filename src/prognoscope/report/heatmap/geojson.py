"""The map as GeoJSON that QuPath imports: a tile a patch, with its value."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from prognoscope.core.files import written_whole
from prognoscope.report.heatmap.lettering import plain
from prognoscope.report.heatmap.patch_map import PatchMap

LOW, HIGH = 10, 90  # percentiles from which a patch is called low or high
COLOURS = {"low": [49, 104, 142], "high": [253, 180, 47]}  # told apart with any colour vision, on pink tissue too
SIGNED_COLOURS = {"low": [33, 102, 172], "high": [178, 24, 43]}  # as in the picture of the map


def write_geojson(
    path: Path,
    patch_map: PatchMap,
    *,
    title: str,
    size_px: tuple[int, int] | None,
    origin_px: tuple[int, int] = (0, 0),
    also: Sequence[PatchMap] = (),
    top: int | None = None,
) -> None:
    """Write a FeatureCollection: one closed square a patch, in level-0 pixels, whole or not at all.

    A patch carries the measurements "<map>" and "<map> percentile"; one without a value has none. The top tenth are
    classified "high", the lowest tenth "low"; of a signed map only what lies above or below 0. In QuPath: drag the file
    onto the open slide, then colour by Measure > Show measurement maps. There is no "crs": pixels lie nowhere on earth.

    Args:
        patch_map: By which patches are classified.
        title: What the slide is called.
        size_px: Width and height of level 0, at which squares end; None if unknown.
        origin_px: The corner from which the reading program counts: QuPath counts from the corner of what was scanned,
            `stated_bounds`, and we from the corner of the plane.
        also: Other maps of the same patches, whose values are measurements too.
        top: Only so many patches, those of highest values, as annotations, which people go through one by one; by
            default all, as tiles, of which QuPath holds many.
    """
    with written_whole(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        head = {"map": patch_map.name, "slide": plain(title), "meaning": plain(patch_map.meaning)}
        head |= {"unit": plain(patch_map.unit), "origin_px": list(origin_px)}
        file.write(f'{{"type":"FeatureCollection","prognoscope":{json.dumps(head)},"features":[\n')
        for number, feature in enumerate(_features((patch_map, *also), size_px, origin_px, top)):
            file.write(",\n" + feature if number else feature)
        file.write("\n]}\n")


def _features(
    maps: Sequence[PatchMap], size_px: tuple[int, int] | None, origin_px: tuple[int, int], top: int | None
) -> Iterator[str]:
    first = maps[0]
    corners = np.concatenate([first.coords_px, first.coords_px + first.side_px], axis=1).astype(np.float64)
    if size_px is not None:
        corners = np.clip(corners, 0, [*size_px, *size_px])
    corners = np.round(corners - [*origin_px, *origin_px], 2)
    measured = [(each.name, each.values, each.percentiles()) for each in maps]
    classified = _classified(first, measured[0][2])
    colours = SIGNED_COLOURS if first.is_signed else COLOURS
    classes = {
        each: f',"classification":{json.dumps({"name": each, "color": colour}, separators=(",", ":"))}'
        for each, colour in colours.items()
    } | {"": ""}
    kind, chosen = ("tile", np.arange(len(first))) if top is None else ("annotation", highest(first, top))
    for number, at in enumerate(chosen.tolist()):
        x0, y0, x1, y1 = corners[at].tolist()
        told = [
            f'"{name}":{values[at]:.9g},"{name} percentile":{percentiles[at]:.5g}'
            for name, values, percentiles in measured
            if not np.isnan(percentiles[at])
        ]
        yield (
            '{"type":"Feature","geometry":{"type":"Polygon","coordinates":'
            f"[[[{x0:.12g},{y0:.12g}],[{x1:.12g},{y0:.12g}],[{x1:.12g},{y1:.12g}],"
            f"[{x0:.12g},{y1:.12g}],[{x0:.12g},{y0:.12g}]]]}},"
            f'"properties":{{"objectType":"{kind}","name":"{first.name} {at if top is None else number + 1}"'
            f'{classes[classified[at]]},"measurements":{{{",".join(told)}}}}}}}'
        )


def highest(patch_map: PatchMap, most: int) -> Int[np.ndarray, " _"]:
    """Which patches have the highest values, from the highest on; those without a value are none of them."""
    order = np.argsort(np.where(patch_map.has_value, -patch_map.values, np.inf), kind="stable")
    return order[: min(most, int(patch_map.has_value.sum()))]


def _classified(patch_map: PatchMap, percentiles: np.ndarray) -> list[str]:
    """ "high", "low" or "" for each patch."""
    may_be_high = patch_map.values > 0 if patch_map.is_signed else np.ones(len(patch_map), bool)
    may_be_low = patch_map.values < 0 if patch_map.is_signed else np.ones(len(patch_map), bool)
    high, low = (percentiles >= HIGH) & may_be_high, (percentiles <= LOW) & may_be_low
    return np.where(high, "high", np.where(low, "low", "")).tolist()
