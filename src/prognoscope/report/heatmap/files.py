"""All files of one map of one slide."""

from collections.abc import Mapping
from pathlib import Path

from prognoscope.core.errors import InputError, nearest
from prognoscope.report.heatmap.geojson import write_geojson
from prognoscope.report.heatmap.ome_tiff import write_ome_tiff
from prognoscope.report.heatmap.overlay import write_png
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.report.heatmap.sheet import write_sheet
from prognoscope.report.heatmap.svg import write_svg
from prognoscope.report.heatmap.window import need_within, window_of
from prognoscope.slides.readers.base import Slide, stated_bounds

# how much to keep of each map, from little to much, as kinds of pictures
AMOUNTS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "png": ("png",),
    "all": ("png", "svg", "geojson", "ome_tiff", "sheet"),
}
ENDINGS = {"png": ".png", "svg": ".svg", "geojson": ".geojson", "ome_tiff": ".ome.tiff", "sheet": ".patches.png"}


def write_pictures(
    folder: Path | str,
    stem: str,
    slide: Slide | None,
    patch_map: PatchMap,
    *,
    mpp: float | None,
    size_px: tuple[int, int] | None,
    title: str | None = None,
    kinds: tuple[str, ...] = tuple(ENDINGS),
    longest_px: int = 1000,
) -> tuple[Path, ...]:
    """Write `<stem>.<map>` with the ending of each kind, each whole or not at all; returns the paths.

    Without a slide, maps are drawn by their coordinates on an even ground, and the sheet of patches is left out.

    Args:
        stem: A safe file name; whatever the slide is called belongs into `title`.
        mpp: um per level-0 pixel; of the slide itself where that knows it. None if nobody does.
        size_px: Width and height of level 0 as they were when the patches were cut; of the slide where there is one.
        title: What the slide is called; `stem` by default.
        kinds: Some of "png", "svg", "geojson", "ome_tiff", "sheet".
        longest_px: Longer side of the drawn slide in the PNG and the SVG.

    Raises:
        InputError: There is no such kind, or the patches lie outside the slide: it is another one.
        SlideError: The slide is damaged.
    """
    for kind in kinds:
        if kind not in ENDINGS:
            raise InputError(f"There is no picture of the kind {kind!r}: {nearest(kind, ENDINGS)}")
    if slide is not None:
        mpp, size_px = slide.mpp or mpp, slide.size_px
    need_within(patch_map, size_px)
    title = stem if title is None else title
    paths = {kind: Path(folder) / f"{stem}.{patch_map.name}{ENDINGS[kind]}" for kind in kinds}
    for kind, write in (("png", write_png), ("svg", write_svg)):
        if kind in kinds:
            window = window_of(slide, patch_map, size_px, longest_px)
            write(paths[kind], slide, patch_map, window, title=title, mpp=mpp)
    if "geojson" in kinds:
        bounds = stated_bounds(slide) if slide is not None else None
        origin = (bounds[0], bounds[1]) if bounds else (0, 0)
        write_geojson(paths["geojson"], patch_map, title=title, size_px=size_px, origin_px=origin)
    if "ome_tiff" in kinds:
        write_ome_tiff(paths["ome_tiff"], slide, patch_map, title=title, size_px=size_px, mpp=mpp)
    if "sheet" in kinds and slide is not None:
        write_sheet(paths["sheet"], slide, patch_map, title=title, mpp=mpp)
    elif "sheet" in paths:
        del paths["sheet"]
    return tuple(paths.values())
