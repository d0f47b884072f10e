"""A run's histories -> what choosing the best epoch on the reported patients adds, beside risks that know nothing."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.core.errors import InputError
from prognoscope.core.files import need_file, read_json
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.optimism import epoch_choice, noise_c_index, noise_choice
from prognoscope.report.run_folder import OPTIMISM_COLUMNS, UNFINISHED, RunFolder, read_run_csv, read_run_folder
from prognoscope.study.results import read_about
from prognoscope.training.checkpoint import CARD
from prognoscope.training.crossval import HISTORY, PREDICTIONS


@dataclass(frozen=True, slots=True)
class FoldHistory:
    """The epochs of one fold of one method."""

    fold: int
    c_index: Float[np.ndarray, " E"]  # on held-out patients
    reported: int  # the epoch whose weights were kept
    chosen_by: str  # a rule of `training.progress`


def optimism_table(folder: Path, methods: list[str], *, seed: int = 0) -> pd.DataFrame:
    """What choosing the best epoch on the held-out fold adds: a row a fold, and "all" with the means of the folds.

    Beside each method stand risks that know nothing, with as many epochs and for the same patients. Methods without
    epochs have no rows.

    Returns:
        method, fold, chosen_by, epochs, reported_epoch, best_epoch (from 0, the first of equals), the held-out C-index
        there and at the last epoch (reported, last, best), added (best - reported); the same of noise, whose best lies
        between noise_low and noise_high in 95 % of the repeats.

    Raises:
        InputError: A file of the run cannot be used.
    """
    histories = {method: read_histories(folder / method) for method in methods}
    patients: dict[int, Outcome] = {}
    longest = 0
    for method, folds in histories.items():
        for each in folds:
            patients.setdefault(each.fold, _held_out(folder / method / f"fold_{each.fold}"))
            longest = max(longest, len(each.c_index))
    # a process of n epochs begins like one of more, so all methods share the noise of the longest
    noise = {fold: noise_c_index(outcome, longest, seed=(seed, fold)) for fold, outcome in patients.items()}
    rows = []
    for method, folds in histories.items():
        choices, noises = [], []
        for each in folds:
            choices.append(epoch_choice(each.c_index, each.reported))
            noises.append(noise[each.fold][:, : len(each.c_index)])
            epochs = (len(each.c_index), each.reported, choices[-1].best_epoch)
            rows.append((method, str(each.fold), each.chosen_by, *epochs, *_numbers(choices[-1:], noises[-1:])))
        if folds:
            epochs = (np.mean([len(each.c_index) for each in folds]), np.nan, np.nan)
            rows.append((method, "all", folds[0].chosen_by, *epochs, *_numbers(choices, noises)))
    return pd.DataFrame(rows, columns=OPTIMISM_COLUMNS)


def optimism_of(folder: Path) -> RunFolder:
    """A finished run with this table, made anew from the C-index of every epoch.

    Raises:
        InputError: The folder is not a finished run, or no method kept the C-index of its epochs.
    """
    about, run = read_about(folder), read_run_folder(folder)
    finished = set(run.metrics["method"])
    methods = [name for name in about["methods"] if name in finished]
    for name in methods:
        for fold in run.folds:
            need_file(folder / name / f"fold_{fold}" / PREDICTIONS, "The table of predictions", UNFINISHED)
    table = optimism_table(folder, methods, seed=int(about.get("seed") or 0))
    if table.empty:
        raise InputError(
            f"No method in {folder} kept the C-index of its held-out fold at every epoch: methods without epochs have "
            "none. Add a network to the study's methods and run it again."
        )
    return replace(run, epoch_choice=table)


def read_histories(folder: Path) -> list[FoldHistory]:
    """The folds of a method that kept the held-out C-index of the epoch they chose, in order."""
    found = []
    for path in folder.glob(f"fold_*/{HISTORY}"):
        table = read_run_csv(path, ("epoch", "chosen"))
        if "test_c_index" not in table or not (table["chosen"] == 1).any():
            continue
        c_index, reported = table["test_c_index"].to_numpy(float), int(table["chosen"].to_numpy().argmax())
        if np.isfinite(c_index[reported]):
            card = read_json(path.parent / CARD, "The model card", UNFINISHED)
            fold = int(path.parent.name.removeprefix("fold_"))
            found.append(FoldHistory(fold, c_index, reported, str(card.get("choose") or "")))
    return sorted(found, key=lambda each: each.fold)


def _held_out(folder: Path) -> Outcome:
    table = read_run_csv(folder / PREDICTIONS, ("patient_id", "time", "event"))
    return Outcome(tuple(table["patient_id"]), table["time"].to_numpy(float), table["event"].to_numpy(bool))


def _numbers(choices: list, noises: list) -> tuple[float, ...]:
    ours = [np.mean([getattr(choice, name) for choice in choices]) for name in ("reported", "last", "best", "added")]
    noise = noise_choice(noises)
    return (*ours, noise.last, noise.best, noise.low, noise.high, noise.added)
