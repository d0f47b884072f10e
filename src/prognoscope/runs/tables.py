"""Every table of a run, once: its columns, what each holds, and how its file is read and written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.core.errors import InputError, some
from prognoscope.core.files import need_file, write_table
from prognoscope.runs.manifest import checked

Kind = type[str] | type[int] | type[float] | type[bool]

UNFINISHED = "Name a folder that `prognoscope run` has finished, or start that run again."
ORACLES = {  # rows of the metrics that know the truth of a simulated cohort, and how they are called
    "oracle": "Oracle: true risk",
    "oracle_slides": "Oracle: slides alone",
    "oracle_genes": "Oracle: genes alone",
}
GENES_SHUFFLED, BAGS_SHUFFLED, OUTCOMES_PERMUTED = "genes shuffled", "bags shuffled", "outcomes permuted"  # surgeries
ALL_FOLDS = "all"  # in a column `fold`: the row is of all folds together


@dataclass(frozen=True, slots=True)
class Table:
    """A table's columns and what each holds.

    Its file is a CSV: text as it is written (a patient may well be called NA or 007), numbers to their last digit, a
    missing number empty, True as 1 and False as 0.
    """

    what: str  # it is, to begin an error with
    columns: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)
    numbered: Mapping[str, Kind] = field(default_factory=dict)  # "S_": of S_0, S_1, ...
    others: Kind | None = None  # what columns of any other name hold; None where there are no others

    def read(self, path: Path, *, is_sealed: bool = True) -> pd.DataFrame:
        """The table in a file, each column as what it holds; columns that a table of this kind lacks are left out.

        Args:
            is_sealed: Whether a manifest must tell of the file, where there is one.

        Raises:
            MissingFileError: There is no such file.
            InputError: It is no table, lacks a column, or something in it cannot be what the column holds.
        """
        path = need_file(path, self.what, UNFINISHED)
        path = checked(path) if is_sealed else path
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as cause:
            raise InputError(f"{path} is not a CSV table ({cause}). Remove it and run the study again.") from cause
        if missing := [name for name in self.columns if name not in table]:
            raise InputError(f"{path} has no column {some(missing)}. Remove it and run the study again.")
        kinds = {str(name): kind for name in table if (kind := self.kind_of(str(name))) is not None}
        return pd.DataFrame({name: _parsed(table[name], kind, path) for name, kind in kinds.items()}, table.index)

    def write(self, path: Path, table: pd.DataFrame) -> None:
        """Write the table, whole or not at all.

        Raises:
            ValueError: A column is missing, or one that no table of this kind has is there.
        """
        missing = [name for name in self.columns if name not in table]
        strange = [name for name in table if self.kind_of(str(name)) is None]
        if missing or strange:
            raise ValueError(f"{path.name} has columns {some(self.columns, 30)}; {missing} are missing, {strange} odd.")
        truths = [name for name in table if table[name].dtype == np.bool_]
        write_table(path, table.astype(dict.fromkeys(truths, int)))

    def empty(self) -> pd.DataFrame:
        """The table without rows."""
        return pd.DataFrame({name: pd.Series(dtype=_DTYPES[kind]) for name, kind in self.columns.items()})

    def kind_of(self, column: str) -> Kind | None:
        """What a column of this name holds; None if there is no such column."""
        stem = column.rstrip("0123456789")
        known = self.columns.get(column) or self.optional.get(column)
        return known or (self.numbered.get(stem) if stem != column else None) or self.others


def numbered_columns(table: pd.DataFrame, prefix: str) -> list[str]:
    """The columns prefix0, prefix1, ... of a table in the order of their numbers."""
    found = (str(name) for name in table.columns)
    found = [name for name in found if name.startswith(prefix) and name[len(prefix) :].isdecimal()]
    return sorted(found, key=lambda name: int(name[len(prefix) :]))


_DTYPES: dict[Kind, type] = {str: object, int: np.int64, float: np.float64, bool: np.bool_}


def _parsed(column: pd.Series, kind: Kind, path: Path) -> np.ndarray:
    values = column.to_numpy(object)
    if kind is str:
        return values
    if kind is bool and len(bad := values[(values != "0") & (values != "1")]):
        raise InputError(
            f"{path}, column {column.name}, holds what is neither 0 nor 1 in {len(bad)} rows: {some(bad)}. Remove it "
            "and run the study again."
        )
    try:
        # exact, which pandas's own parser is not: rounding would make or break ties of risks
        if kind is float:
            return np.where(values == "", "nan", values).astype(float)
        return values.astype(np.int64).astype(_DTYPES[kind])
    except (ValueError, OverflowError) as cause:
        what = "a number" if kind is float else "a whole number"
        raise InputError(f"{path}, column {column.name}, holds something that is not {what}: {cause}.") from cause


_INTERVAL = {"low": float, "high": float}
_PAIR = {"difference": float, **_INTERVAL, "p_bootstrap": float, "p_t": float}

# of one method in one fold
PREDICTIONS = Table(
    "The table of predictions",
    {"patient_id": str, "fold": int, "risk": float, "time": float, "event": bool, "S_0": float},
    optional={"subtype": int, "competing": bool},  # -1 where unknown; another event came first
    # chance of outliving each bin; when it ends; chance of being of each subtype
    numbered={"S_": float, "months_": float, "subtype_": float},
)
TRAINING_RISKS = Table("The table of training risks", {"patient_id": str, "risk": float}, numbered={"S_": float})
HISTORY = Table(
    "The history of a training",
    {"epoch": int, "learning_rate": float, "train_loss": float},
    optional={"validation_loss": float, "validation_c_index": float, "test_c_index": float, "chosen": bool},
    others=float,  # a method's own losses
)
EPOCH_RISKS = Table("The table of risks at other epochs", {"patient_id": str, "last": float, "best_on_test": float})
GENES = Table(
    "The table of chosen genes",
    {"group": str, "gene": str, "p": float, "p_adjusted": float, "kept": bool, "rule": str},
)
RECONSTRUCTION_PATIENTS = Table(
    "The table of patients whose genes were told", {"group": str, "patient_id": str, "genes": int, "spearman": float}
)
RECONSTRUCTION = Table(
    "The table of genes told from slides", {"group": str, "gene": str, "patients": int, "spearman": float}
)
TRIALS = Table(
    "The table of trials",
    {"trial": int, "loss": float, "failed": str, "chosen": bool, "key": str},
    others=str,  # the settings
)
SURGERY_RISKS = Table(
    "The table of risks after surgery", {"patient_id": str}, numbered={"genes_": float, "bags_": float}
)

# of a run
SPLITS = Table("The table of splits", {"patient_id": str, "fold": int, "part": str})
OUTCOMES = Table(
    "The table of outcomes", {"patient_id": str, "time": float, "event": bool}, optional={"competing": bool}
)
PATIENTS = Table(  # patches: NaN where no embeddings were used
    "The table of patients", {"patient_id": str, "site": str, "subtype": str, "slides": int, "patches": float}
)
LACKING = Table(  # left_out: from training and test; else the method does without
    "The table of what patients lack", {"method": str, "patient_id": str, "lacks": str, "left_out": bool}
)
COVARIATES = Table("The table of covariates", {"patient_id": str}, others=str)
ACCOUNT = Table(
    "The account of patients", {"step": str, "patients": float, "events": float, "dropped": float, "who": str}
)
PREVIEWS = Table("The table of previews", {"slide": str, "patient_id": str, "file": str, "left_out": str})
BY_MODALITY = Table(  # folds: that have a pair to compare
    "The table of what patients lack, and how they are ranked",
    {"method": str, "lacks": str, "patients": int, "events": int, "folds": int, "c_index": float, **_INTERVAL},
)
METRICS = Table(
    "The table of results",
    {"method": str, "metric": str, "fold": str, "value": float, **_INTERVAL, "sd": float},
)
COMPARISON = Table("The table of paired differences", {"metric": str, "method_a": str, "method_b": str, **_PAIR})
_BESIDE_THE_WHOLE: dict[str, Kind] = dict.fromkeys(
    (
        *("c_index", "c_index_low", "c_index_high", "c_index_sd"),
        *("difference", "difference_low", "difference_high", "p_bootstrap", "p_t"),
        *("integrated_brier", "integrated_brier_low", "integrated_brier_high"),
    ),
    float,
)
ABLATIONS = Table("The table of ablations", {"ablation_of": str, "row": str, "method": str} | _BESIDE_THE_WHOLE)
SWEEPS = Table(  # value: of the setting, as text; line: those of the other settings of a grid
    "The table of sweeps",
    dict.fromkeys(("sweep_of", "sweep", "setting", "line", "value", "row", "method"), str) | _BESIDE_THE_WHOLE,
)
OPTIMISM = Table(
    "The table of choosing the epoch",
    {"method": str, "fold": str, "chosen_by": str}
    | dict.fromkeys(("epochs", "reported_epoch", "best_epoch", "reported", "last", "best", "added"), float)
    | dict.fromkeys(("noise_last", "noise_best", "noise_low", "noise_high", "noise_added"), float),
)
GENE_LENGTHS = Table(
    "The table of gene groups' lengths",
    {"cohort": str, "method": str, "group": str, "before": float, "after": float, "sd": float, "folds": int}
    | {"rule": str, "published": float},
)
SETTINGS = Table(
    "The table of chosen settings",
    {"method": str, "fold": int, "setting": str, "value": str, "loss": float, "trials": int, "failed": int},
)
SURGERY = Table(
    "The table of surgery",
    {"method": str, "surgery": str, "fold": str}
    | dict.fromkeys(("before", "after", "after_low", "after_high", "drop", "low", "high"), float),
)
COSTS = Table(  # missing where it could not be measured, or there is no such thing
    "The table of costs",
    {"method": str, "fold": int}
    | dict.fromkeys(("training_seconds", "training_peak_mb", "testing_seconds", "testing_peak_mb"), float)
    | dict.fromkeys(("parameters", "teacher_parameters", "patients", "tested", "epochs", "patches"), float)
    | dict.fromkeys(("gflop_training", "gflop_inference", "tflop_training_total"), float),
)

# of an explanation
PATCHES = Table("The table of patches", {"slide_id": str, "x": float, "y": float}, others=float)  # a column a map
GENE_GROUPS = Table("The table of gene groups", {"group": str}, others=float)  # a column a score
GENE_SCORES = Table("The table of gene scores", {"group": str, "gene": str, "value": float}, others=float)
MODALITIES = Table("The table of modalities", {"modality": str, "shapley": float, "without": float})
FAITHFULNESS = Table("The table of faithfulness", {"map": str, "measure": str, "value": float})
