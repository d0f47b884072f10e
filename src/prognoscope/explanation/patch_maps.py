"""The maps of a patient's patches: what the model itself says, and what its gradient and regions left out say."""

import re
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError
from prognoscope.explanation.explanation import PatchScores
from prognoscope.explanation.gradients import patch_attribution
from prognoscope.explanation.leaving_out import region_effects
from prognoscope.explanation.log_risk import UNIT
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import Explained, Scores

OWN, GRADIENT, LEFT_OUT = "model", "gradient x input", "region left out"


def own_maps(explained: Explained, names: dict[str, Sequence[str]]) -> list[PatchScores]:
    """What the model itself says of each patch of one patient, a map a column.

    Args:
        names: What "gene_groups", "bins" and "subtypes" are called.
    """
    maps = []
    for name, scores in explained.patches.items():
        kind = scores.kind
        for ending, label, values in columns_of(scores, names):
            meaning = f"{label}: {kind.meaning}" if label else kind.meaning
            maps.append(PatchScores(name + ending, _numbers(values), meaning, kind.unit, OWN))
    return maps


def columns_of(scores: Scores, names: dict[str, Sequence[str]]) -> list[tuple[str, str, Tensor]]:
    """For each column, along the second axis, the ending of its name, what it is called, and its values.

    Bins, which differ between folds, and columns that nothing names are numbered.
    """
    asked = scores.kind.columns
    if not asked:
        return [("", "", scores.values)]
    count = scores.values.shape[1]
    known = names.get(asked, ()) if isinstance(asked, str) else asked
    labels = list(known) if len(known) == count else [""] * count
    numbered = asked == "bins" or not all(labels)
    words = [str(i + 1) if numbered else _word(label) for i, label in enumerate(labels)]
    return [(f"_{word}", label, scores.values[:, i]) for i, (word, label) in enumerate(zip(words, labels, strict=True))]


def computed_maps(
    model: SurvivalModel, inputs: Inputs, regions: np.ndarray, *, most_patches: int
) -> tuple[list[PatchScores], list[str]]:
    """Gradient times input, and regions left out, which tell of any method; and why one of them is not there."""
    maps, notes = [], []
    gradient = patch_attribution(model, inputs)
    if gradient is None:
        notes.append("No gradient of the risk reaches the patches, so there is no map of it.")
    else:
        meaning = "What the patch adds to the log risk, to first order: gradient times embedding."
        maps.append(PatchScores("gradient", _numbers(gradient), meaning, UNIT, GRADIENT, is_signed=True))
    try:
        effect = region_effects(model, inputs, regions, most_patches=most_patches)
    except InputError as cause:  # what is left is too small for the model
        return maps, [*notes, f"No region is left out: {cause}"]
    if effect is None:
        notes.append("There is but one region, so nothing can be left out.")
    else:
        size = len(regions) / len(np.unique(regions))
        what = "the patch" if size == 1 else "the region of the patch"
        meaning = f"By how much the log risk would fall without {what}."
        maps.append(PatchScores("left_out", effect, meaning, UNIT, LEFT_OUT, is_signed=True))
    return maps, notes


def _word(text: str) -> str:
    """The text as part of a name."""
    return re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")


def _numbers(values: Tensor) -> np.ndarray:
    return values.detach().double().cpu().numpy()
