"""The patients whom all methods were tested on, who alone can be compared in pairs."""

from collections.abc import Mapping, Sequence

import numpy as np

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.metrics import c_index

Folds = Mapping[str, Sequence[Fold]]  # method -> its folds


def on_common_patients(folds: Folds) -> Folds:
    """The folds of each method without patients whom another method was not tested on; the same where there are none.

    Raises:
        MetricError: Those left in a fold have no C-index.
    """
    tested = [{fold.fold: frozenset(fold.outcome.patients) for fold in each} for each in folds.values()]
    if all(each == tested[0] for each in tested):
        return folds
    common = {number: frozenset.intersection(*(each[number] for each in tested)) for number in tested[0]}
    left = {method: [_only(fold, common[fold.fold]) for fold in each] for method, each in folds.items()}
    for fold in next(iter(left.values())):
        try:
            c_index(fold)
        except MetricError as cause:
            raise MetricError(
                f"The methods cannot be compared in pairs: fold {fold.fold} has {len(fold)} test patients whom all of "
                f"them can predict. {cause}"
            ) from cause
    return left


def _only(fold: Fold, patients: frozenset[str]) -> Fold:
    return fold.take(np.array([i for i, p in enumerate(fold.outcome.patients) if p in patients], dtype=np.int64))
