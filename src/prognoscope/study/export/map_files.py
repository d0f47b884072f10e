"""Maps of patches as files for QuPath and for TRIDENT's heat map."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int

from prognoscope.core.errors import InputError, some
from prognoscope.core.file_names import safe_name
from prognoscope.core.files import need_writable, written_whole
from prognoscope.core.words import count
from prognoscope.features.hdf5_file import hdf5_image
from prognoscope.features.store import Embeddings, write_coords
from prognoscope.report.heatmap.geojson import highest, write_geojson
from prognoscope.runs.read import open_finished
from prognoscope.study.export.kept_maps import SlideMaps, kept_maps


def export_maps(
    run: Path,
    to: Path,
    tool: str,
    *,
    method: str | None = None,
    patients: Sequence[str] = (),
    maps: Sequence[str] = (),
    top: int | None = None,
) -> tuple[list[Path], list[str]]:
    """Write `<method>/<slide>.geojson` for QuPath, or `<method>/<slide>.h5` for TRIDENT's `visualize_heatmap`.

    Args:
        to: A folder that is empty or not there yet.
        tool: "qupath" or "trident".
        method: Its title; by default all that have maps.
        patients: Of those explained; all by default.
        maps: Names of the maps; all by default. The first one classifies patches and says which are highest.
        top: Only so many patches of each slide, those of highest values; for QuPath they are annotations then.

    Returns:
        The files, and what is to be known of them, in sentences.

    Raises:
        InputError: Nothing of the kind was explained, or places are not known in pixels.
    """
    found = kept_maps(open_finished(run), method=method, patients=patients, maps=maps)
    if tool == "trident" and (none := [each.slide for each in found if not len(_valued(each))]):
        raise InputError(f"No patch of {some(none)} has a value in every map. Name one with --map.")
    need_new(to)
    write, ending = {"qupath": (_write_geojson, ".geojson"), "trident": (_write_scores, ".h5")}[tool]
    written, lacking = [], 0
    for each in found:
        path = to / each.method / f"{safe_name(each.slide)}{ending}"
        lacking += write(path, each, top)
        written.append(path)
    notes = []
    if tool == "qupath" and (unknown := sum(each.told.origin_px is None for each in found)):
        notes.append(
            f"No slide file told where the scanned part of {count(unknown, 'slide')} begins, so places count from the "
            "corner of the whole plane. Of MRXS slides, QuPath counts from that of the scanned part."
        )
    if lacking:
        notes.append(f"{count(lacking, 'patch', 'patches')} without a value in every map were left out.")
    return written, notes


def need_new(to: Path) -> None:
    """Refuse a place where something lies.

    Raises:
        InputError: A file or a folder with something in it is there.
        UnwritableError: It cannot be written to.
    """
    if to.is_file() or (to.is_dir() and any(to.iterdir())):
        raise InputError(f"{to} is there already and is not written over. Name another --out, or move it away.")
    need_writable(to, "What is exported", "Name another place with --out.")


def _write_geojson(path: Path, one: SlideMaps, top: int | None) -> int:
    origin = one.told.origin_px or (0, 0)
    first, *others = one.maps
    write_geojson(path, first, title=one.slide, size_px=one.told.size_px, origin_px=origin, also=others, top=top)
    return 0


def _write_scores(path: Path, one: SlideMaps, top: int | None) -> int:
    """`coords` as TRIDENT writes them, and a dataset a map; returns how many patches have no value to be ranked by."""
    known = _valued(one)
    ranked = highest(one.maps[0], len(one.maps[0]))
    rows = known if top is None else ranked[np.isin(ranked, known)][:top]
    coords = one.maps[0].coords_px[rows]
    geometry = Embeddings(
        one.slide,
        np.zeros((len(rows), 0), np.float16),
        coords_px=coords,
        patch_px_level0=one.side_px,
        mpp=one.told.mpp,
    )

    def write(file: h5py.File) -> None:
        write_coords(file, geometry, one.told.size_px or (None, None), {"savetodir": None})
        for each in one.maps:
            scores = file.create_dataset(each.name, data=each.values[rows].astype(np.float32), track_times=False)
            scores.attrs.update({"meaning": each.meaning, "unit": each.unit, "method": one.method})

    with written_whole(path) as beside:
        beside.write_bytes(hdf5_image(one.slide, write))
    return len(one.maps[0]) - len(known)


def _valued(one: SlideMaps) -> Int[np.ndarray, " _"]:
    """The patches that have a value in every map."""
    return np.flatnonzero(np.all([each.has_value for each in one.maps], axis=0))
