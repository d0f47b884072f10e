"""Which part of a slide a picture shows, and how level-0 pixels become its own."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from prognoscope.core.errors import InputError
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.slides.readers.base import Slide, shrink_region, stated_bounds

MARGIN = 0.02  # around what is shown, of its longer side
GLANCE_PX = 320  # longer side of the picture in which tissue is looked for
COLOURED, DARK = 24, 190  # difference of channels, and brightness, by which a pixel is no glass
LEAST_SPECK = 0.002  # of a row or column that must not be glass to count
GROUND = (238, 238, 238)  # where there are patches but no pixels of a slide

Box = tuple[float, float, float, float]  # left, top, right, bottom in level-0 pixels


@dataclass(frozen=True, slots=True)
class Window:
    """A part of level 0 and the size of its picture in pixels."""

    box: Box
    size: tuple[int, int]

    @classmethod
    def of(cls, box: Box, longest_px: int) -> "Window":
        """The window whose longer side has a number of pixels."""
        across, down = max(box[2] - box[0], 1.0), max(box[3] - box[1], 1.0)
        scale = longest_px / max(across, down)
        size = (max(1, round(across * scale)), max(1, round(down * scale)))
        return cls((box[0], box[1], box[0] + across, box[1] + down), size)

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the picture per level-0 pixel, across and down: alike but for the rounding of its size."""
        return self.size[0] / (self.box[2] - self.box[0]), self.size[1] / (self.box[3] - self.box[1])


def need_within(patch_map: PatchMap, size_px: tuple[int, int] | None) -> None:
    """Refuse a map of another slide.

    Raises:
        InputError: A patch begins outside the slide.
    """
    if size_px is None or not len(patch_map):
        return
    low, high = patch_map.coords_px.min(axis=0), patch_map.coords_px.max(axis=0)
    if (low <= -patch_map.side_px).any() or (high >= size_px).any():
        raise InputError(
            f"The map {patch_map.name} has a patch outside the slide, at x {low[0]} to {high[0]} and y {low[1]} to "
            f"{high[1]}, and the slide has {size_px[0]} x {size_px[1]} pixels: the slide was replaced, or the patches "
            "are another's. Give the slide that the patches were cut from."
        )


def field_of(slide: Slide | None, patch_map: PatchMap, size_px: tuple[int, int] | None) -> Box:
    """The part of level 0 that other programs show as the whole slide: what was scanned, where the slide says so."""
    bounds = stated_bounds(slide) if slide is not None else None
    if bounds is not None:
        left, top, right, bottom = map(float, bounds)
        return left, top, right, bottom
    if size_px is not None:
        return 0.0, 0.0, float(size_px[0]), float(size_px[1])
    return 0.0, 0.0, max(1.0, patch_map.box[2]), max(1.0, patch_map.box[3])


def window_of(slide: Slide | None, patch_map: PatchMap, size_px: tuple[int, int] | None, longest_px: int) -> Window:
    """The window on all patches and, where the slide can be read, all else that is not glass."""
    field = field_of(slide, patch_map, size_px)
    boxes = [patch_map.box] if len(patch_map) else []
    if slide is not None:
        boxes += [_not_glass(slide, field)]
    if not boxes:
        return Window.of(field, longest_px)
    left, top = (min(box[i] for box in boxes) for i in (0, 1))
    right, bottom = (max(box[i] for box in boxes) for i in (2, 3))
    margin = MARGIN * max(right - left, bottom - top)
    plane = (-np.inf, -np.inf, np.inf, np.inf) if size_px is None else (0.0, 0.0, *map(float, size_px))
    box = (
        max(left - margin, plane[0]),
        max(top - margin, plane[1]),
        min(right + margin, plane[2]),
        min(bottom + margin, plane[3]),
    )
    return Window.of(box, longest_px)


def ground_of(slide: Slide | None, window: Window) -> UInt8[np.ndarray, "h w 3"]:
    """What lies under the map: the slide, or an even grey."""
    if slide is not None:
        return shrink_region(slide, window.box, window.size)
    return np.full((window.size[1], window.size[0], 3), GROUND, np.uint8)


def _not_glass(slide: Slide, field: Box) -> Box:
    """The part of a field that is not empty; all of it if everything looks empty."""
    window = Window.of(field, GLANCE_PX)
    seen = shrink_region(slide, window.box, window.size).astype(np.int16)
    marked = (np.ptp(seen, axis=2) > COLOURED) | (seen.max(axis=2) < DARK)
    columns, rows = (np.flatnonzero(marked.mean(axis=axis) > LEAST_SPECK) for axis in (0, 1))
    if not len(columns) or not len(rows):
        return field
    (sx, sy), (left, top) = window.scale, field[:2]
    edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return (
        left + float(edges[0] / sx),
        top + float(edges[1] / sy),
        left + float(edges[2] / sx),
        top + float(edges[3] / sy),
    )
