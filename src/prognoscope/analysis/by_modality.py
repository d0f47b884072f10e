"""How well each method ranks patients who lack a modality, beside those who lack none."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.metrics import c_index
from prognoscope.evaluation.summary import evaluate
from prognoscope.runs.read import Run
from prognoscope.runs.tables import ALL_FOLDS, BY_MODALITY

NOTHING = "nothing"  # is lacking


def modality_table(run: Run, folds: Mapping[str, Sequence[Fold]], *, draws: int, seed: int) -> pd.DataFrame:
    """The C-index of each method among the patients who lack the same; no rows where nobody lacks anything.

    A fold with no pair to compare in a group is left out of the group's mean; without any the C-index is NaN.

    Args:
        folds: Method -> its folds.

    Returns:
        Columns of `BY_MODALITY`: lacks, in words; patients and events who were tested; folds that count.
    """
    lacks = lacking_by_patient(run.lacking)
    groups = [NOTHING, *sorted(set(lacks.values()))] if lacks else []
    rows = []
    for method, each in folds.items():
        for group in groups:
            own = [_only(fold, group, lacks) for fold in each]
            patients, events = sum(map(len, own)), sum(int(fold.outcome.event.sum()) for fold in own)
            if not patients:
                continue
            told = [fold for fold in own if _is_comparable(fold)]
            number = (np.nan, np.nan, np.nan)
            if told:
                found = evaluate(told, metrics=["c_index"], draws=draws, seed=seed).set_index("fold").loc[ALL_FOLDS]
                number = (found["value"], found["low"], found["high"])
            rows.append((method, group, patients, events, len(told), *number))
    return pd.DataFrame(rows, columns=list(BY_MODALITY.columns))


def lacking_by_patient(lacking: pd.DataFrame) -> dict[str, str]:
    """Patient -> all that they lack of what one method or another uses, in words; of those who lack something."""
    words: dict[str, set[str]] = {}
    for patient, lacks in zip(lacking["patient_id"], lacking["lacks"], strict=True):
        words.setdefault(patient, set()).update(lacks.split(" and "))
    return {patient: " and ".join(sorted(each)) for patient, each in words.items()}


def _only(fold: Fold, group: str, lacks: Mapping[str, str]) -> Fold:
    patients = fold.outcome.patients
    return fold.take(np.array([i for i, p in enumerate(patients) if lacks.get(p, NOTHING) == group], dtype=np.int64))


def _is_comparable(fold: Fold) -> bool:
    try:
        return len(fold) > 1 and bool(np.isfinite(c_index(fold)))
    except MetricError:
        return False
