"""The patches of slides as AnnData files, as scanpy and squidpy read spots: embeddings, places, and the maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prognoscope.core.errors import InputError, StudyError
from prognoscope.core.file_names import safe_name
from prognoscope.features.store import Embeddings, read_embeddings
from prognoscope.runs.read import Run, open_finished
from prognoscope.study.export.kept_maps import SlideMaps, kept_maps
from prognoscope.study.export.map_files import need_new
from prognoscope.study.export.patient_table import need_anndata, write_h5ad
from prognoscope.study.inputs import embedding_files
from prognoscope.study.kept_study import study_of
from prognoscope.study.places import stored

if TYPE_CHECKING:
    from anndata import AnnData


def export_patches(
    run: Path, to: Path, *, patients: Sequence[str], method: str | None = None, maps: Sequence[str] = ()
) -> list[Path]:
    """Write `<slide>.h5ad` for each slide of these patients, who have to be explained.

    `X` has the embeddings, (N, D); `obs` patient_id, slide_id, the top left corner x and y in level-0 pixels, and of
    each map `<method>_<map>`; `obsm["spatial"]` the middle of each patch, (N, 2) in level-0 pixels;
    `uns["spatial"][slide]` the side of a patch, as squidpy looks for it.

    Args:
        to: A folder that is empty or not there yet.
        method: Its title; by default all that have maps.
        maps: Names of the maps; all by default.

    Raises:
        InputError: Nothing of the kind was explained, the extra `anndata` is not installed, or embeddings are not
            those that were explained.
    """
    need_anndata()
    finished = open_finished(run)
    slides: dict[str, list[SlideMaps]] = {}
    for each in kept_maps(finished, method=method, patients=patients, maps=maps):
        slides.setdefault(each.slide, []).append(each)
    loaded = {slide: _embeddings(finished, slide, found[0]) for slide, found in slides.items()}
    need_new(to)
    written = []
    for slide, found in slides.items():
        written.append(to / f"{safe_name(slide)}.h5ad")
        write_h5ad(written[-1], _table(loaded[slide], found))
    return written


def _embeddings(run: Run, slide: str, maps: SlideMaps) -> Embeddings:
    """The embeddings that were explained, in the order of the maps."""
    study = stored(study_of(run), run.files.embeddings)
    path = embedding_files(study.where, study.extracted).get(slide)
    if path is None:
        raise StudyError(f"The embeddings of {slide} are not where the study of {run.folder} has them. Put them back.")
    features = study.where.features
    layout, mpp = ("prognoscope", None) if features is None else (features.layout, features.mpp)
    one = read_embeddings(path, layout, mpp=mpp, slide=slide)
    if one.coords_px is None or not np.array_equal(one.coords_px, maps.maps[0].coords_px):
        raise InputError(
            f"The embeddings {path} were changed after {maps.patient} was explained. Start `prognoscope run` again."
        )
    return one


def _table(one: Embeddings, found: Sequence[SlideMaps]) -> "AnnData":
    from anndata import AnnData

    first = found[0]
    corners = first.maps[0].coords_px
    obs = pd.DataFrame({"patient_id": first.patient, "slide_id": one.slide, "x": corners[:, 0], "y": corners[:, 1]})
    obs.index = pd.Index([f"{one.slide}-{number}" for number in range(len(obs))])
    meanings = {}
    for each in found:
        for told in each.maps:
            name = f"{each.method}_{told.name}"
            obs[name], meanings[name] = told.values, f"{told.meaning} ({told.unit})"
    names = pd.Index([f"embedding_{k}" for k in range(one.embedding_dim)])
    spot = {"spot_diameter_fullres": first.side_px, "tissue_hires_scalef": 1.0}
    key = one.slide.replace("/", "_")  # which would be a group in the file
    about = {"encoder": one.encoder or "", "mpp": one.mpp or np.nan, "maps": meanings}
    obs = obs.astype({"patient_id": "category", "slide_id": "category"})
    table = AnnData(
        one.features,
        obs,
        pd.DataFrame(index=names),
        uns={"spatial": {key: {"scalefactors": spot, "images": {}}}, "prognoscope": about},
    )
    table.obsm["spatial"] = corners + first.side_px / 2
    return table
