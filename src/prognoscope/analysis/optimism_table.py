"""A run's histories -> what choosing the best epoch on the reported patients adds, beside risks that know nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.core.errors import InputError
from prognoscope.core.files import need_file
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.optimism import EpochChoice, epoch_choice, noise_c_index, noise_choice
from prognoscope.runs.method_run import MethodRun, outcome_in
from prognoscope.runs.read import Run
from prognoscope.runs.tables import ALL_FOLDS, OPTIMISM, PREDICTIONS, UNFINISHED

ON_TEST = ("test_c_index", "latest_test_c_index")  # rules that chose on the reported patients
CHOSEN_ON_TEST = "the epoch was chosen on the fold that is reported"  # how their reason begins


@dataclass(frozen=True, slots=True)
class FoldHistory:
    """The epochs of one fold of one method."""

    fold: int
    c_index: Float[np.ndarray, " E"]  # on held-out patients
    reported: int  # the epoch whose weights were kept
    chosen_by: str  # a rule of `training.progress`


def optimism_table(run: Run, methods: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """What choosing the best epoch on the held-out fold adds: a row a fold, and "all" with the means of the folds.

    Beside each method stand risks that know nothing, with as many epochs and for the same patients. Methods without
    epochs have no rows.

    Returns:
        Columns of `OPTIMISM`: reported_epoch and best_epoch (from 0, the first of equals), the held-out C-index there
        and at the last epoch (reported, best, last), added (best - reported); the same of noise, whose best lies
        between noise_low and noise_high in 95 % of the repeats.

    Raises:
        InputError: A file of the run cannot be used.
    """
    histories = {method: fold_histories(run.method(method)) for method in methods}
    patients: dict[tuple[int, tuple[str, ...]], Outcome] = {}
    longest = 0
    for method, folds in histories.items():
        for each in folds:
            outcome = outcome_in(run.method(method).tested[each.fold])
            patients.setdefault((each.fold, outcome.patients), outcome)
            longest = max(longest, len(each.c_index))
    # a process of n epochs begins like one of more, so all methods share the noise of the longest
    noise = {of: noise_c_index(outcome, longest, seed=(seed, of[0])) for of, outcome in patients.items()}
    rows = []
    for method, folds in histories.items():
        choices, noises = [], []
        for each in folds:
            choices.append(epoch_choice(each.c_index, each.reported))
            tested = tuple(run.method(method).tested[each.fold]["patient_id"])
            noises.append(noise[each.fold, tested][:, : len(each.c_index)])
            epochs = (len(each.c_index), each.reported, choices[-1].best_epoch)
            rows.append((method, str(each.fold), each.chosen_by, *epochs, *_numbers(choices[-1:], noises[-1:])))
        if folds:
            epochs = (np.mean([len(each.c_index) for each in folds]), np.nan, np.nan)
            rows.append((method, ALL_FOLDS, folds[0].chosen_by, *epochs, *_numbers(choices, noises)))
    return pd.DataFrame(rows, columns=list(OPTIMISM.columns))


def optimism_again(run: Run) -> pd.DataFrame:
    """This table of a finished run, made anew from the C-index of every epoch.

    Raises:
        InputError: The run is not whole, or no method kept the C-index of its epochs.
    """
    finished = set(run.metrics["method"])
    methods = [name for name in run.provenance.methods if name in finished]
    for name in methods:
        for fold in run.fold_numbers:
            need_file(run.files.fold(name, fold).predictions, PREDICTIONS.what, UNFINISHED)
    table = optimism_table(run, methods, seed=run.provenance.seed or 0)
    if table.empty:
        raise InputError(
            f"No method in {run.folder} kept the C-index of its held-out fold at every epoch: methods without epochs "
            "have none. Add a network to the study's methods and run it again."
        )
    return table


def choice_table(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """What choosing the best epoch on the held-out fold would have added, means over folds.

    Args:
        table: As `optimism_table` gives it.

    Returns:
        Columns of `OPTIMISM`, then folds (how many), most_added (in one fold), and on_test (whether the reported
        epoch is that best one). Methods without epochs have no row; neither have ablations.
    """
    table = table[table["method"].isin(list(run.methods))]
    by_fold = table[table["fold"] != ALL_FOLDS].groupby("method")["added"]
    means = table[table["fold"] == ALL_FOLDS].reset_index(drop=True)
    return means.assign(
        folds=means["method"].map(by_fold.count()),
        most_added=means["method"].map(by_fold.max()),
        on_test=means["chosen_by"].isin(ON_TEST),
    )


def choice_figure_data(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """The data of the figure "optimism": a row a method.

    Where the reported epoch is the best one on the held-out fold already, what is added is over the last epoch.
    """
    rows = []
    for row in choice_table(run, table).to_dict("records"):
        folds = table[(table["method"] == row["method"]) & (table["fold"] != ALL_FOLDS)]
        since = "last" if row["on_test"] else "reported"
        added = dict(zip("fold_" + folds["fold"], folds["best"] - folds[since], strict=True))
        noise = {f"noise_{end}": row[f"noise_{end}"] - row["noise_last"] for end in ("low", "high")}
        noise |= {"noise_added": row["noise_added"]}
        about = {"method": row["method"], "optimistic": row["method"] in run.optimistic, "since": since}
        rows.append({**about, "added": row["best"] - row[since], **noise, **added})
    return pd.DataFrame(rows)


def fold_histories(method: MethodRun) -> list[FoldHistory]:
    """The folds of a method that kept the held-out C-index of the epoch they chose, in order."""
    found = []
    for fold, table in sorted(method.histories.items()):
        chosen = table["chosen"].to_numpy(bool)
        if fold not in method.tested or not chosen.any():
            continue
        c_index, reported = table["test_c_index"].to_numpy(float), int(chosen.argmax())
        if np.isfinite(c_index[reported]):
            found.append(FoldHistory(fold, c_index, reported, method.cards[fold].choose or ""))
    return found


def _numbers(choices: Sequence[EpochChoice], noises: Sequence[np.ndarray]) -> tuple[float, ...]:
    ours = [float(np.mean([getattr(choice, name) for choice in choices])) for name in _CHOICES]
    noise = noise_choice(noises)
    return (*ours, noise.last, noise.best, noise.low, noise.high, noise.added)


_CHOICES = ("reported", "last", "best", "added")
