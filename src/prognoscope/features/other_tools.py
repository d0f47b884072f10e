"""One slide's embeddings as the files that other tools read: CLAM, STAMP, torchmil and TRIDENT.

What each reads was learned from its sources: CLAM 2025-04, STAMP 2.5.0, torchmil 1.0.2, TRIDENT 0.3.0. None of them is
imported; docs/exporting.md tells what their own code made of these files. Equal embeddings give equal bytes.
"""

import io
from collections.abc import Callable, Mapping
from functools import partial

import h5py
import numpy as np

from prognoscope.core.errors import FeatureError
from prognoscope.core.file_names import safe_name
from prognoscope.features.embeddings import Embeddings
from prognoscope.features.hdf5_file import hdf5_image
from prognoscope.features.origin import IN_STAMP, name_here
from prognoscope.features.store import coords_image_of, image_of

Files = Mapping[str, Callable[[], bytes]]  # path within a folder -> what gives the file's bytes
Size = tuple[int | None, int | None]  # width and height of level 0, in pixels
CLAM_ROWS = 32  # of a chunk of CLAM's
STAMP_VERSION = "2.1.0"  # the first with these attributes; STAMP refuses files that are newer than itself
VIRCHOW_CLASS_DIM = 1280  # numbers of Virchow's class token alone


def clam_files(one: Embeddings, size_px: Size) -> Files:
    """`h5_files/<slide>.h5`, float32 features and int32 coordinates, and `pt_files/<slide>.pt`, the features alone."""
    return {f"h5_files/{one.slide}.h5": partial(_clam_hdf5, one), f"pt_files/{one.slide}.pt": partial(_tensor, one)}


def stamp_files(one: Embeddings, size_px: Size) -> Files:
    """`<slide>.h5`: `feats` in float16, `coords` in um, and the attributes that STAMP asks for."""
    if one.coords_um is None:
        raise FeatureError(
            "its file does not say the um per pixel of level 0, by which STAMP measures coordinates; give --slide-mpp"
        )
    if one.patch_um is None or one.patch_px is None:
        raise _no_side("STAMP")
    with np.errstate(over="ignore"):
        half = one.features.astype(np.float16)
    if not np.isfinite(half).all():
        raise FeatureError("it has values beyond 65504, which float16 cannot hold, and STAMP keeps embeddings in it")
    encoder = _encoder(one)
    is_class_alone = encoder == "virchow" and one.embedding_dim == VIRCHOW_CLASS_DIM
    about = {
        "stamp_version": STAMP_VERSION,
        "extractor": encoder if is_class_alone else IN_STAMP.get(encoder, encoder),
        "unit": "um",
        "tile_size_um": float(one.patch_um),
        "tile_size_px": int(one.patch_px),
        "code_hash": "prognoscope",
        "feat_type": "tile",
    }
    coords = one.coords_um

    def write(file: h5py.File) -> None:
        file.create_dataset("coords", data=coords, track_times=False)
        file.create_dataset("feats", data=half, track_times=False)
        file.attrs.update(about)

    return {f"{one.slide}.h5": lambda: hdf5_image(one.slide, write)}


def torchmil_files(one: Embeddings, size_px: Size) -> Files:
    """`features/<slide>.npy` in float32 and `coords/<slide>.npy` in pixels of level 0, int64."""
    features = partial(_npy, one.features.astype(np.float32, copy=False))
    return {f"features/{one.slide}.npy": features, f"coords/{one.slide}.npy": partial(_npy, _corners(one))}


def trident_files(one: Embeddings, size_px: Size) -> Files:
    """`features_<encoder>/<slide>.h5`, and `patches/<slide>_patches.h5`, the coordinates alone."""
    if one.patch_px_level0 is None:
        raise _no_side("TRIDENT")
    folder = f"features_{safe_name(_encoder(one).replace(':', '-'))}"
    more = {"savetodir": None}  # absent, as TRIDENT writes it: where files lay is nobody's business
    return {
        f"{folder}/{one.slide}.h5": lambda: image_of(one, size_px, more, more),
        f"patches/{one.slide}_patches.h5": lambda: coords_image_of(one, size_px, more),
    }


TOOLS = {"clam": clam_files, "stamp": stamp_files, "torchmil": torchmil_files, "trident": trident_files}


def files_for(tool: str, one: Embeddings, size_px: Size) -> Files:
    """The files of one slide for a tool.

    Args:
        tool: One of `TOOLS`.

    Raises:
        FeatureError: The embeddings lack what the tool needs; says what, as a clause, and the cure.
    """
    if not len(one):
        raise FeatureError("it has no patches")
    if one.coords_fault or (one.coords_px is None and one.coords_um is None):
        why = f"{one.coords_fault or 'no coordinates'}, and every layout but the bare tensors of CLAM needs them"
        raise FeatureError(f"its file has {why}; name the files that have them (of CLAM's, h5_files)")
    if tool != "stamp":
        _corners(one)
    return TOOLS[tool](one, size_px)


def _corners(one: Embeddings) -> np.ndarray:
    if one.coords_px is None:
        raise FeatureError("its coordinates are in um, and it does not say the um per pixel; give --slide-mpp")
    return one.coords_px


def _encoder(one: Embeddings) -> str:
    if (name := name_here(one.encoder)) is None:
        raise FeatureError("its file does not say which encoder made it; give --encoder")
    return name


def _no_side(tool: str) -> FeatureError:
    return FeatureError(
        f"its file does not say how large its patches are, which {tool} needs; where CLAM made it, its folder patches "
        "has to lie beside h5_files"
    )


def _clam_hdf5(one: Embeddings) -> bytes:
    def write(file: h5py.File) -> None:
        for name, values in (("features", one.features.astype(np.float32, copy=False)), ("coords", _corners(one))):
            width = values.shape[1]
            kind = np.int32 if name == "coords" else np.float32
            grown = {"maxshape": (None, width), "chunks": (CLAM_ROWS, width)}  # it appends batch after batch
            file.create_dataset(name, data=values.astype(kind, copy=False), track_times=False, **grown)

    return hdf5_image(one.slide, write)


def _tensor(one: Embeddings) -> bytes:
    import torch

    with io.BytesIO() as file:
        torch.save(torch.from_numpy(np.ascontiguousarray(one.features, dtype=np.float32)), file)
        return file.getvalue()


def _npy(values: np.ndarray) -> bytes:
    with io.BytesIO() as file:
        np.save(file, np.ascontiguousarray(values), allow_pickle=False)
        return file.getvalue()
