"""What one method left in a run, fold by fold; each file is read when it is first asked for, and kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.core.errors import InputError, some
from prognoscope.core.outcome import Outcome
from prognoscope.runs.card import ModelCard, need_own_card
from prognoscope.runs.components import read_components
from prognoscope.runs.layout import FoldFiles
from prognoscope.runs.manifest import is_there
from prognoscope.runs.tables import (
    EPOCH_RISKS,
    GENES,
    HISTORY,
    PREDICTIONS,
    RECONSTRUCTION,
    RECONSTRUCTION_PATIENTS,
    SURGERY_RISKS,
    TRAINING_RISKS,
    TRIALS,
    Table,
    numbered_columns,
)


@dataclass(frozen=True, eq=False)
class MethodRun:
    """One method of a run. Tables are shared: copy one to change it."""

    title: str
    files: tuple[FoldFiles, ...]  # of the folds that are there, ascending
    permuted_files: FoldFiles

    @cached_property
    def tested(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> its predictions, of the folds that have them."""
        return {each.number: read_predictions(each.predictions) for each in self.files if each.is_tested}

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Of all folds, ascending, with the number of each (fold)."""
        return _stacked(self.tested, PREDICTIONS)

    @cached_property
    def outcome(self) -> Outcome:
        """The follow-up of all held-out patients, in the order of the predictions."""
        return outcome_in(self.predictions)

    @cached_property
    def cards(self) -> Mapping[int, ModelCard]:
        """Fold -> its card, of the folds that have one."""
        return {each.number: need_own_card(each) for each in self.files if is_there(each.card)}

    @cached_property
    def histories(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> its epochs, of the folds that kept them; what was not measured is NaN or False."""
        found = {each.number: HISTORY.read(each.history) for each in self.files if is_there(each.history)}
        return {number: _completed(table, HISTORY) for number, table in found.items()}

    @cached_property
    def epoch_risks(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> risks of its test patients at epochs that nobody chose, of the folds that kept them."""
        there = (each for each in self.files if is_there(each.epoch_risks))
        return {each.number: EPOCH_RISKS.read(each.epoch_risks) for each in there}

    @cached_property
    def history(self) -> pd.DataFrame:
        """The epochs of all folds that were tested, ascending, with the number of each (fold)."""
        tested = {number: table for number, table in self.histories.items() if number in self.tested}
        return _stacked(tested, _HISTORY).sort_values(["fold", "epoch"], ignore_index=True)

    @cached_property
    def training_risks(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> the risks of its training part by its own model, of the folds that were tested and kept them."""
        there = (each for each in self.files if each.is_tested and is_there(each.training_risks))
        return {each.number: TRAINING_RISKS.read(each.training_risks) for each in there}

    @cached_property
    def reconstructions(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> how well it told genes from slides, of a method that does."""
        there = (each for each in self.files if is_there(each.reconstruction))
        return {each.number: RECONSTRUCTION.read(each.reconstruction) for each in there}

    @cached_property
    def components(self) -> Mapping[int, Mapping[str, np.ndarray]]:
        """Fold -> component -> (P, d) of its test patients in the order of the predictions, where a method has them."""
        there = [each for each in self.files if each.is_tested and is_there(each.components)]
        found = {each.number: read_components(each.components) for each in there}
        for files in there:
            if {len(values) for values in found[files.number].values()} != {len(self.tested[files.number])}:
                raise InputError(
                    f"{files.components} is not of the patients in {files.predictions.name} beside it. Remove the "
                    f"folder {files.folder} and run the study again."
                )
        return found

    @cached_property
    def told_patients(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> how well it told each patient's genes, of a method that does."""
        there = (each for each in self.files if is_there(each.reconstruction_patients))
        return {each.number: RECONSTRUCTION_PATIENTS.read(each.reconstruction_patients) for each in there}

    @cached_property
    def chosen_genes(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> which genes were kept, of the folds that were tested of a method that chooses among them."""
        there = (each for each in self.files if each.is_tested and is_there(each.genes))
        return {each.number: GENES.read(each.genes) for each in there}

    @cached_property
    def trials(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> the trials of its search, of the folds that were tested and searched."""
        there = (each for each in self.files if each.is_tested and is_there(each.trials))
        return {each.number: TRIALS.read(each.trials) for each in there}

    @cached_property
    def operated(self) -> Mapping[int, pd.DataFrame]:
        """Fold -> risks with genes or bags of other patients."""
        return {each.number: SURGERY_RISKS.read(each.surgery) for each in self.files if is_there(each.surgery)}

    @cached_property
    def permuted(self) -> pd.DataFrame | None:
        """The predictions of the model that learned from permuted outcomes; None where there is none."""
        files = self.permuted_files
        return read_predictions(files.predictions) if files.is_tested else None


def read_predictions(path: Path) -> pd.DataFrame:
    """The predictions of one fold of one method.

    Raises:
        MissingFileError: There are none.
        InputError: They are not whole, or have a patient twice.
    """
    table = PREDICTIONS.read(path)
    if table.empty:
        raise InputError(f"{path} has no patients. Remove it and run the study again.")
    if table[["risk", *numbered_columns(table, "S_")]].isna().any(axis=None):
        raise InputError(f"{path} is not whole. Remove it and run the study again.")
    if twice := table.loc[table["patient_id"].duplicated(), "patient_id"].tolist():
        raise InputError(f"{path} predicts {len(twice)} patients twice: {some(twice)}. Remove it and run again.")
    return table


def outcome_in(table: pd.DataFrame) -> Outcome:
    """The follow-up in a table of predictions or outcomes, in its order."""
    competing = table["competing"].to_numpy(bool) if "competing" in table else None
    return Outcome(tuple(table["patient_id"]), table["time"].to_numpy(float), table["event"].to_numpy(bool), competing)


_HISTORY = Table(HISTORY.what, {"fold": int, **HISTORY.columns, **HISTORY.optional})


def _completed(table: pd.DataFrame, kind: Table) -> pd.DataFrame:
    absent = {name: False if what is bool else np.nan for name, what in kind.optional.items() if name not in table}
    return table.assign(**absent)


def _stacked(tables: Mapping[int, pd.DataFrame], kind: Table) -> pd.DataFrame:
    parts = [table.assign(fold=number) for number, table in sorted(tables.items())]
    return pd.concat(parts, ignore_index=True) if parts else kind.empty()
