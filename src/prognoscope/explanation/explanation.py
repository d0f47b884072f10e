"""What a prediction rests on, as plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from pandas.api.types import is_numeric_dtype

COMPUTED_GROUP_SCORES = ("left_out", "integrated_gradients")  # of any method; all others are a method's own


@dataclass(frozen=True, slots=True)
class PatchScores:
    """A value for each patch of a patient."""

    name: str  # unique within a method
    values: Float[np.ndarray, " N"]
    meaning: str  # what a high value says, as a sentence
    unit: str
    source: str  # "model" for what the method itself gives; else how it was computed
    is_signed: bool = False  # about zero: above, the patch raises the risk


@dataclass(frozen=True)
class Explanation:
    """What the prediction of one patient by one method rests on; the mean over the models that explain it.

    Tables: `gene_groups` (group, a column a score), `genes` (group, gene, value, integrated_gradients), `modalities`
    (modality, shapley, without), all in log risk where the name does not say otherwise; `faithfulness` (map, measure,
    value). Each may have no rows.
    """

    patient: str
    method: str
    folds: tuple[int, ...]  # whose models explain; none of them learned from the patient
    log_risk: float
    maps: tuple[PatchScores, ...] = ()  # in the order of the bag
    gene_groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    genes: pd.DataFrame = field(default_factory=pd.DataFrame)
    modalities: pd.DataFrame = field(default_factory=pd.DataFrame)
    faithfulness: pd.DataFrame = field(default_factory=pd.DataFrame)
    meanings: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # score of gene groups -> meaning, unit
    notes: tuple[str, ...] = ()  # what could not be told, and why


def mean_of(parts: tuple[Explanation, ...]) -> Explanation:
    """The mean of what several models say of one patient; of what all of them tell."""
    first, *rest = parts
    if not rest:
        return first
    told = [{each.name: each.values for each in part.maps} for part in parts]
    common = [each for each in first.maps if all(each.name in names for names in told)]
    maps = tuple(replace(each, values=np.mean([names[each.name] for names in told], axis=0)) for each in common)
    tables = {}
    for name in ("gene_groups", "genes", "modalities", "faithfulness"):
        found = [getattr(part, name) for part in parts]
        texts = [column for column in found[0] if not is_numeric_dtype(found[0][column])]
        together = pd.concat(found, ignore_index=True)
        tables[name] = together.groupby(texts, sort=False).mean().reset_index() if texts else found[0]
    return replace(
        first,
        folds=tuple(fold for part in parts for fold in part.folds),
        log_risk=float(np.mean([part.log_risk for part in parts])),
        maps=maps,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        **tables,
    )
