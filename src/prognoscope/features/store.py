"""Embeddings on disk: one HDF5 file a slide in TRIDENT's layout, with the spec and the weights that made them.

`features` (N, D); `coords` (N, 2) int64, the top left corners in pixels of level 0. Attributes of `coords` say the
geometry, those of `features` say who encoded. Equal embeddings give equal bytes.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from prognoscope.core.errors import FeatureError, MissingFileError, some
from prognoscope.core.files import why_not_there, written_whole
from prognoscope.core.slide_names import Parts, distinct_names, name_parts
from prognoscope.core.tables import notes_of, read_table
from prognoscope.core.walk import files_below
from prognoscope.features.bad_files import BadFileError, fault_sentences
from prognoscope.features.embeddings import Embeddings, need_finite
from prognoscope.features.hdf5_file import EXACT_SIDE, hdf5_image
from prognoscope.features.layouts import Layout, Look, look_at, read_layout
from prognoscope.features.packing import Loader, PackedEmbeddings, pack_embeddings, remove_unused_packs

__all__ = [
    "BadFileError",
    "Embeddings",
    "Layout",
    "Loader",
    "Look",
    "PackedEmbeddings",
    "fault_sentences",
    "find_embeddings",
    "look_at",
    "pack_embeddings",
    "read_embedding_table",
    "read_embeddings",
    "remove_unused_packs",
    "write_coords",
    "write_embeddings",
]

CHUNK_BYTES = 2**20  # of the features; one row a chunk, as TRIDENT has it, reads a hundred times slower
OF_CLAM = ("h5_files", "pt_files")  # two folders of the same slides
HDF5 = (".h5", ".hdf5", ".hdf")
SUFFIXES = {"clam": (*HDF5, ".pt"), "auto": (*HDF5, ".pt")}


def read_embeddings(
    path: Path | str, layout: str = "auto", *, mpp: float | None = None, slide: str | None = None
) -> Embeddings:
    """The embeddings in one file.

    Args:
        layout: One of `Layout`; "auto" tells them apart by what only that tool writes.
        mpp: um per pixel of level 0, for files that do not say it; wins over what the file says.
        slide: Its id; by default what the file is named after.

    Raises:
        MissingFileError: There is no such file.
        BadFileError: The file is broken, is of another layout, or holds NaN or infinite values.
    """
    return read_layout(Path(path), layout, mpp=mpp, slide=slide)


def write_embeddings(
    path: Path | str,
    embeddings: Embeddings,
    *,
    slide_size_px: tuple[int, int] | None = None,
    made_of: Mapping[str, object] | None = None,
    more: Mapping[str, float] | None = None,
) -> None:
    """Write one slide's embeddings, whole or not at all.

    Args:
        slide_size_px: Width and height of level 0, which TRIDENT keeps too.
        made_of: Attributes that tell what they were made of, so that a change of it is seen.
        more: Attributes that the coordinates have besides.

    Raises:
        FeatureError: Values are not finite, or coordinates in um come without their pixels.
        DiskFullError: There was no room.
    """
    need_finite(embeddings.features, embeddings.slide)
    if embeddings.coords_um is not None and embeddings.coords_px is None:
        raise FeatureError(f"{embeddings.slide} has coordinates in um only. Give coords_px and mpp to write them.")
    image = image_of(embeddings, slide_size_px or (None, None), made_of or {}, more or {})
    with written_whole(path) as beside:
        beside.write_bytes(image)


def find_embeddings(folder: Path | str, layout: str = "auto") -> dict[str, Path]:
    """Slide id -> file, for the embedding files of a folder and the folders in it, in the order of the ids.

    Folders named `patches`, where TRIDENT and CLAM keep coordinates alone, and hidden ones are passed over; links are
    followed. Ids are those that `slides.readers.find_slides` gives.

    Raises:
        MissingFileError: There is no such folder, or no embedding file in it.
        FeatureError: Files in one folder are named after one slide.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(
            f"The folder of embeddings {folder} does not exist. {why_not_there(folder)}Correct the path in the study "
            "file."
        )
    places: dict[Parts, list[Path]] = defaultdict(list)
    for place, names in files_below(folder):
        for path in (place / name for name in names):
            inside = path.relative_to(folder).parts
            if path.suffix.lower() in SUFFIXES.get(layout, HDF5) and not _is_beside_the_point(inside):
                places[name_parts("/".join(part for part in inside if part not in OF_CLAM))].append(path)
    twice = {}
    for at, paths in places.items():
        # of CLAM's two files only the HDF5 has coordinates
        chosen = [path for path in paths if path.suffix.lower() in HDF5] or paths
        if len(chosen) > 1:
            twice["/".join(at)] = chosen
        places[at] = chosen
    if twice:
        named = some(f"{name} ({some([path.name for path in paths])})" for name, paths in sorted(twice.items()))
        raise FeatureError(f"{len(twice)} slides have more than one file in {folder}: {named}. Leave one of each.")
    ids = distinct_names(places)
    found = {ids[at]: paths[0] for at, paths in places.items()}
    if not found:
        raise MissingFileError(
            f"There are no embeddings ({layout}) in {folder}. Extract slides there, or correct the path."
        )
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class EmbeddingTable:
    """The rows of a table of embeddings."""

    bags: dict[str, Embeddings]  # patient, as the table names it -> a bag of one
    notes: tuple[str, ...] = ()  # how the table was read, where that was not plain


def read_embedding_table(path: Path | str, patient_column: str) -> EmbeddingTable:
    """Patient -> a bag of one, from a table with a row a patient; all other columns are the embedding, float32.

    Raises:
        FeatureError: No such column, a patient twice or unnamed, or a column with text or gaps.
    """
    path = Path(path)
    table = read_table(path, "The table of embeddings", text=[patient_column])
    if patient_column not in table:
        raise FeatureError(f"{path} has no column {patient_column!r}; it has {some(table.columns)}. Name one of these.")
    if table[patient_column].isna().any():
        raise FeatureError(f"{path} has rows without {patient_column}. Fill them in or remove them.")
    patients = table[patient_column].astype(str)
    if twice := sorted(set(patients[patients.duplicated()])):
        raise FeatureError(f"{path} has more than one row for {some(twice)}. Leave one row a patient.")
    values = table.drop(columns=patient_column)
    if text := [name for name in values if values[name].dtype.kind not in "fiub"]:
        raise FeatureError(f"{path} has columns that are not numbers: {some(text)}. Remove them.")
    features = values.to_numpy(np.float32)
    if bad := [p for p, row in zip(patients, features, strict=True) if not np.isfinite(row).all()]:
        raise FeatureError(f"{path} has missing or infinite embeddings for {some(bad)}. Remove or mend these rows.")
    bags = {p: Embeddings(p, row[None]) for p, row in zip(patients, features, strict=True)}
    return EmbeddingTable(bags, notes_of(table))


def _is_beside_the_point(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") for part in parts) or "patches" in parts[:-1]


def image_of(
    embeddings: Embeddings,
    size_px: tuple[int | None, int | None],
    made_of: Mapping[str, object],
    more: Mapping[str, object],
) -> bytes:
    """The bytes of the file of embeddings that `write_embeddings` writes; its arguments."""
    features = embeddings.features
    about = {
        "name": embeddings.slide,
        "encoder": embeddings.encoder,
        "weights_hash": embeddings.weights_hash,
        "spec_hash": embeddings.spec_hash,
        **made_of,
    }

    def write(file: h5py.File) -> None:
        rows = max(1, CHUNK_BYTES // max(1, features.shape[1] * features.itemsize))
        chunks = (min(rows, len(features)), features.shape[1]) if features.size else None
        _tell(file.create_dataset("features", data=features, chunks=chunks, track_times=False), about)
        if embeddings.coords_px is not None:
            write_coords(file, embeddings, size_px, more)

    return hdf5_image(embeddings.slide, write)


def coords_image_of(
    embeddings: Embeddings, size_px: tuple[int | None, int | None], more: Mapping[str, object]
) -> bytes:
    """The bytes of a file of the coordinates alone, as TRIDENT keeps them in its folder `patches`."""
    return hdf5_image(embeddings.slide, lambda file: write_coords(file, embeddings, size_px, more))


def write_coords(
    file: h5py.File, embeddings: Embeddings, size_px: tuple[int | None, int | None], more: Mapping[str, object]
) -> None:
    """Write `coords` with what TRIDENT says beside them; arguments as those of `write_embeddings`."""
    side, patch_px, magnification = embeddings.patch_px_level0, embeddings.patch_px, embeddings.magnification
    if magnification is None and embeddings.mpp is not None:
        magnification = 10 / embeddings.mpp  # TRIDENT, too, tells it by the resolution, and cuts no patches without it
    whole = None if side is None else round(side)
    # TRIDENT cuts patches of the whole pixels nearest to patch_size * level0_magnification / target_magnification
    target = None if magnification is None or not whole or not patch_px else magnification * patch_px / whole
    geometry = {
        "name": embeddings.slide,
        "patch_size": patch_px,
        "patch_size_level0": whole,  # its heat maps and slide encoders take this
        EXACT_SIDE: None if side is None else float(side),
        "level0_magnification": _as_whole(magnification),
        "target_magnification": _as_whole(target),
        "overlap": embeddings.overlap_px,
        "mpp": embeddings.mpp,
        "level0_width": size_px[0],
        "level0_height": size_px[1],
        **more,
    }
    _tell(file.create_dataset("coords", data=embeddings.coords_px, track_times=False), geometry)


def _as_whole(number: float | None) -> float | int | None:
    """An integer where it is one to six digits, which is all that TRIDENT ever writes."""
    if number is None:
        return None
    return int(rounded) if (rounded := round(float(number), 6)).is_integer() else rounded


def _tell(dataset: h5py.Dataset, attributes: Mapping[str, object]) -> None:
    for name, value in attributes.items():
        dataset.attrs[name] = "None" if value is None else value
