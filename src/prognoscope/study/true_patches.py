"""What is known of the patches and genes of a simulated cohort, beside its patients' truth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from prognoscope.explanation.explain import Truth
from prognoscope.features.store import Embeddings
from prognoscope.study.study_file import StudyFile

KINDS = ("tumour", "prognostic")  # columns is_... of the truth about patches


def truth_of(study: StudyFile, loaded: Sequence[Embeddings]) -> Truth | None:
    """What a simulated patient's patches are, in the order of the bag, and which genes carry the signal.

    None where the study is not of a simulated cohort, or its truth does not tell.
    """
    if study.spec.cohort.truth is None:
        return None
    folder = (study.folder / study.spec.cohort.truth).parent
    patches: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    for one in loaded:
        path = folder / "patches" / f"{one.slide}.csv"
        table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
        if one.coords_px is None or not {"x", "y", *(f"is_{kind}" for kind in KINDS)} <= set(table):
            return None
        nearest = _nearest(table, one)
        for kind in KINDS:
            patches[kind].append(table[f"is_{kind}"].to_numpy(bool)[nearest])
    genes = folder / "genes.csv"
    carriers: frozenset[str] = frozenset()
    if genes.is_file():
        told = pd.read_csv(genes, dtype={"gene": str})
        carriers = frozenset(told.loc[told["is_prognostic"] == 1, "gene"])
    return Truth({kind: np.concatenate(parts) for kind, parts in patches.items() if parts}, carriers)


def _nearest(table: pd.DataFrame, one: Embeddings) -> np.ndarray:
    """For each patch the row of the square of the truth that lies nearest."""
    places = table[["x", "y"]].to_numpy(float)
    assert one.coords_px is not None  # the caller has looked
    return np.asarray(KDTree(places).query(one.coords_px.astype(float))[1])
