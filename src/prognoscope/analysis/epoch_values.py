"""A method's folds at another choice of the epoch than the run's own, as far as the run kept what that takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from prognoscope.analysis.epoch_words import WORDS, At
from prognoscope.analysis.optimism_table import CHOSEN_ON_TEST, ON_TEST, fold_histories
from prognoscope.core.errors import InputError, nearest
from prognoscope.core.outcome import Prediction
from prognoscope.evaluation.fold import Fold
from prognoscope.runs.method_run import MethodRun


@dataclass(frozen=True, slots=True)
class AtEpoch:
    """What is known of a method at a choice of the epoch."""

    folds: tuple[Fold, ...]  # with the risks of that epoch, where they were kept
    values: tuple[float, ...] = ()  # the C-index by fold, where risks were not
    has_epochs: bool = True
    is_spared: bool = False  # a validation part was not trained on


def check_epoch(at: str) -> None:
    """Refuse a choice that there is none of."""
    if at not in WORDS:
        raise InputError(f"An epoch is chosen as honest, last or best_on_test, not {at!r}; {nearest(at, WORDS)}.")


def at_epoch(method: MethodRun, folds: Sequence[Fold], at: At) -> AtEpoch:
    """The folds of a method at another choice of the epoch.

    Args:
        folds: As the run reports them.

    Raises:
        InputError: The run did not keep what this takes; says what can be had.
    """
    chosen_by = {fold.fold: method.cards[fold.fold].choose or "" for fold in folds}
    if not any(method.cards[fold.fold].recipe for fold in folds):
        return AtEpoch(tuple(folds), has_epochs=False)
    if at == "honest":
        if set(chosen_by.values()) & set(ON_TEST):
            raise InputError(
                f"{method.title} of {_run_of(method)} chose its epoch on the reported fold, so it has no honest number "
                "there. Take --at last, or run the study under protocol: honest."
            )
        return AtEpoch(tuple(folds))
    histories = {each.fold: each for each in fold_histories(method)}
    found, values = [], []
    for fold in folds:
        history = histories.get(fold.fold)
        if history is None or (at == "last" and not np.isfinite(history.c_index[-1])):
            raise InputError(
                f"{method.title} of {_run_of(method)} kept no C-index of fold {fold.fold} at every epoch, so --at {at} "
                "cannot be had. Run the study again, or leave out --at."
            )
        epoch = len(history.c_index) - 1 if at == "last" else int(np.nanargmax(history.c_index))
        values.append(float(history.c_index[epoch]))
        if epoch == history.reported:
            found.append(fold)
        elif fold.fold in method.epoch_risks:
            found.append(_with_risk(fold, method, at))
    spared = any(rule.startswith("validation") for rule in chosen_by.values())
    if len(found) < len(folds):
        return AtEpoch(tuple(folds), tuple(values), is_spared=spared)
    return AtEpoch(tuple(found), is_spared=spared)


def reason_at(optimistic: str, at: At) -> str:
    """Why a number at that choice flatters, from why the run's own does."""
    others = [each for each in optimistic.split("; ") if each and not each.startswith(CHOSEN_ON_TEST)]
    return "; ".join([*[CHOSEN_ON_TEST] * (at == "best_on_test"), *others])


def _with_risk(fold: Fold, method: MethodRun, at: At) -> Fold:
    table = method.epoch_risks[fold.fold].set_index("patient_id")[at]
    patients = fold.prediction.patients
    if set(table.index) != set(patients) or not np.isfinite(table).all():
        raise InputError(
            f"The risks at other epochs of {method.title} in {_run_of(method)}, fold {fold.fold}, are not those of its "
            "test patients. Remove the folder of that fold and run the study again."
        )
    risk = table.loc[list(patients)].to_numpy(float)
    return replace(fold, prediction=Prediction(patients, risk, fold.prediction.survival))


def _run_of(method: MethodRun) -> str:
    return str(method.files[0].folder.parent.parent)
