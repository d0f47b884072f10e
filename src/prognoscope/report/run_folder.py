"""A finished run's folder, read into values that do not change."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from prognoscope.core.errors import InputError, some
from prognoscope.core.files import need_file, read_json
from prognoscope.core.outcome import Outcome, Prediction, TimeBins
from prognoscope.evaluation.fold import Fold

ORACLES = {  # rows of metrics.csv that know the truth of a simulated cohort
    "oracle": "Oracle: true risk",
    "oracle_slides": "Oracle: slides alone",
    "oracle_genes": "Oracle: genes alone",
}
UNFINISHED = "Name a folder that `prognoscope run` has finished, or start that run again."
TEXT = ("patient_id", "method", "metric", "method_a", "method_b", "step", "who", "part", "ablation_of", "row")
TEXT += ("chosen_by", "surgery")
METRIC_COLUMNS = ("method", "metric", "fold", "value", "low", "high", "sd")
COMPARISON_COLUMNS = ("metric", "method_a", "method_b", "difference", "low", "high", "p_bootstrap", "p_t")
ABLATION_COLUMNS = (
    *("ablation_of", "row", "method", "c_index", "c_index_low", "c_index_high", "c_index_sd"),
    *("difference", "difference_low", "difference_high", "p_bootstrap", "p_t"),
    *("integrated_brier", "integrated_brier_low", "integrated_brier_high"),
)
OPTIMISM_COLUMNS = (
    *("method", "fold", "chosen_by", "epochs", "reported_epoch", "best_epoch", "reported", "last", "best", "added"),
    *("noise_last", "noise_best", "noise_low", "noise_high", "noise_added"),
)
GENES, BAGS, OUTCOMES = "genes shuffled", "bags shuffled", "outcomes permuted"  # kinds of surgery
SURGERY_COLUMNS = ("method", "surgery", "fold", "before", "after", "after_low", "after_high", "drop", "low", "high")
ACCOUNT_COLUMNS = ("step", "patients", "events", "dropped", "who")
HISTORY_NUMBERS = ("train_loss", "validation_loss", "validation_c_index", "test_c_index", "learning_rate")


@dataclass(frozen=True, slots=True)
class MethodRun:
    """What one method left behind."""

    name: str
    predictions: (
        pd.DataFrame
    )  # patient_id, fold, risk, time, event (bool), S_0 ... of held-out patients; folds ascending
    history: pd.DataFrame  # fold, epoch, losses, C-indices, chosen (bool); no rows for a method without epochs
    cards: dict[int, dict[str, Any]]  # fold -> model.json, where it exists

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that were tested."""
        return tuple(sorted(int(fold) for fold in self.predictions["fold"].unique()))

    @property
    def outcome(self) -> Outcome:
        """The follow-up of all held-out patients, in the order of the predictions."""
        table = self.predictions
        return Outcome(tuple(table["patient_id"]), table["time"].to_numpy(float), table["event"].to_numpy(bool))


@dataclass(frozen=True, slots=True)
class RunFolder:
    """All that a report may know of a run."""

    folder: Path
    study_text: str  # study.yaml, "" where absent
    provenance: dict[str, Any]
    account: pd.DataFrame  # ACCOUNT_COLUMNS
    splits: pd.DataFrame  # patient_id, fold, part
    metrics: pd.DataFrame  # METRIC_COLUMNS
    comparison: pd.DataFrame  # COMPARISON_COLUMNS
    ablations: pd.DataFrame  # ABLATION_COLUMNS, in the order of the published tables
    epoch_choice: pd.DataFrame  # OPTIMISM_COLUMNS
    surgery: pd.DataFrame  # SURGERY_COLUMNS; no rows for a run without both modalities
    methods: dict[str, MethodRun]  # in the order of metrics.csv, oracles and ablations left out
    gaps: tuple[str, ...]  # a sentence for everything that is not there

    @property
    def name(self) -> str:
        """The study's name; the folder's where it has none."""
        try:
            study = yaml.safe_load(self.study_text)
        except yaml.YAMLError:  # a report can do without
            study = None
        named = study.get("name") if isinstance(study, dict) else None
        return str(self.provenance.get("name") or named or self.folder.resolve().name)

    @property
    def protocol(self) -> str:
        """`honest` or `paper`; "" where the run does not say."""
        return str(self.provenance.get("protocol") or "")

    @property
    def optimistic(self) -> dict[str, str]:
        """Method -> why its numbers flatter it."""
        return {str(k): str(v) for k, v in (self.provenance.get("optimistic") or {}).items()}

    @property
    def folds(self) -> tuple[int, ...]:
        """Every fold of the splits, or of any method where there are no splits."""
        from_splits = set(self.splits["fold"].astype(int)) if len(self.splits) else set()
        return tuple(sorted(from_splits or {fold for each in self.methods.values() for fold in each.folds}))

    @property
    def outcome(self) -> Outcome:
        """The follow-up of every patient whom at least one method was tested on."""
        tables = [each.predictions[["patient_id", "time", "event"]] for each in self.methods.values()]
        table = pd.concat(tables).drop_duplicates("patient_id").sort_values("patient_id")
        return Outcome(tuple(table["patient_id"]), table["time"].to_numpy(float), table["event"].to_numpy(bool))

    def oracles(self) -> list[str]:
        """Rows of the metrics that know the truth."""
        present = set(self.metrics["method"])
        return [name for name in ORACLES if name in present]

    def summary(self, method: str, metric: str) -> pd.Series | None:
        """The row of a metric over all folds; None where it was not measured."""
        rows = self._measured(method, metric, over_folds=True)
        return None if rows.empty or not np.isfinite(rows.iloc[0]["value"]) else rows.iloc[0]

    def by_fold(self, method: str, metric: str) -> pd.Series:
        """The values of a metric by fold, an integer index; empty where it was not measured."""
        rows = self._measured(method, metric, over_folds=False)
        return pd.Series(rows["value"].to_numpy(float), index=rows["fold"].astype(int)).sort_index()

    def part(self, fold: int, part: str) -> list[str]:
        """The patients of a part of a fold: train, validation or test."""
        table = self.splits
        return table.loc[(table["fold"] == fold) & (table["part"] == part), "patient_id"].tolist()

    def _measured(self, method: str, metric: str, *, over_folds: bool) -> pd.DataFrame:
        table = self.metrics
        wanted = (table["method"] == method) & (table["metric"] == metric)
        return table[wanted & ((table["fold"] == "all") == over_folds)]

    def evaluation_folds(self, method: str) -> tuple[Fold, ...]:
        """A method's folds as evaluation takes them; those without known time bins or training patients left out."""
        run, everyone = self.methods[method], self.outcome
        place = {patient: i for i, patient in enumerate(everyone.patients)}
        folds = []
        for number in run.folds:
            if (bins := _bins(run.cards.get(number))) is None:
                continue
            table = run.predictions[run.predictions["fold"] == number]
            patients = tuple(table["patient_id"])
            survival = table[survival_columns(table)].to_numpy(float)
            if survival.shape[1] != len(bins):
                continue
            learned_from = [*self.part(number, "train"), *self.part(number, "validation")]
            index = np.array([place[p] for p in learned_from if p in place], dtype=np.int64)
            if not len(index):
                continue
            outcome = Outcome(patients, table["time"].to_numpy(float), table["event"].to_numpy(bool))
            prediction = Prediction(patients, table["risk"].to_numpy(float), survival)
            folds.append(Fold(number, prediction, outcome, everyone.take(index), bins))
        return tuple(folds)


def survival_columns(table: pd.DataFrame) -> list[str]:
    """S_0, S_1, ... in order."""
    return sorted((c for c in table.columns if c.startswith("S_") and c[2:].isdigit()), key=lambda c: int(c[2:]))


def read_run_folder(folder: Path | str) -> RunFolder:
    """Read a run folder; what is absent becomes a sentence in `gaps`, as far as a report can do without it.

    Raises:
        MissingFileError: There are no metrics.
        InputError: No method has predictions, or a file's content cannot be used; names the file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no run folder {folder}. Name the folder that `prognoscope run` wrote.")
    gaps: list[str] = []
    metrics = read_run_csv(
        need_file(folder / "metrics.csv", "The table of results", UNFINISHED), METRIC_COLUMNS, text=("fold",)
    )
    study = folder / "study.yaml"
    # neither is a gap: a run may have no ablations, and an older one has no such table
    ablations = _optional_csv(folder / "ablations.csv", ABLATION_COLUMNS, "", [])
    epoch_choice = _optional_csv(folder / "optimism.csv", OPTIMISM_COLUMNS, "", [], text=("fold",))
    surgery = _optional_csv(folder / "surgery.csv", SURGERY_COLUMNS, "", [], text=("fold",))
    ablated = ablations[ablations["method"] != ablations["ablation_of"]]
    provenance = _provenance(folder, gaps)
    failed = {name for name, _ in failures_of(provenance)}
    gaps += [sentence for _, sentence in failures_of(provenance)]
    names = [name for name in _method_names(folder, metrics, failed) if name not in set(ablated["method"])]
    methods = {name: _read_method(folder / name, gaps) for name in names}
    methods = {name: method for name, method in methods.items() if method is not None}
    if not methods:
        raise InputError(f"No method in {folder} has predictions yet. Finish it with `prognoscope run`.")
    run = RunFolder(
        folder,
        study.read_text(encoding="utf-8") if study.is_file() else "",
        provenance,
        _optional_csv(folder / "account.csv", ACCOUNT_COLUMNS, "The account of patients", gaps),
        _optional_csv(folder / "splits.csv", ("patient_id", "fold", "part"), "The table of splits", gaps),
        metrics,
        _optional_csv(folder / "comparison.csv", COMPARISON_COLUMNS, "The table of paired differences", gaps),
        ablations,
        epoch_choice,
        surgery,
        methods,
        (),
    )
    for name, method in methods.items():
        if missing := [fold for fold in run.folds if fold not in method.folds]:
            gaps.append(f"{name} has no predictions for fold {some(missing)}; its numbers rest on the other folds.")
    object.__setattr__(run, "gaps", tuple(gaps))
    return run


def failures_of(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """The method and a sentence for every fold that failed."""
    return [(str(each["method"]), str(each["sentence"])) for each in provenance.get("failed") or []]


def _method_names(folder: Path, metrics: pd.DataFrame, failed: set[str]) -> list[str]:
    measured = [name for name in dict.fromkeys(metrics["method"]) if name not in ORACLES]
    found = sorted(path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("fold_*")))
    return [*measured, *(name for name in found if name not in {*measured, *failed})]


def _read_method(folder: Path, gaps: list[str]) -> MethodRun | None:
    tables, histories, cards = [], [], {}
    for path in sorted(folder.glob("fold_*/predictions.csv")):
        number = path.parent.name.removeprefix("fold_")
        if not number.isdigit():
            continue
        columns = ("patient_id", "risk", "time", "event")
        tables.append(read_run_csv(path, columns).assign(fold=int(number)))
        if (path.parent / "model.json").is_file():
            cards[int(number)] = read_json(path.parent / "model.json", "The model card")
        if (path.parent / "history.csv").is_file():
            history = read_run_csv(path.parent / "history.csv", ("epoch", "chosen")).assign(fold=int(number))
            histories.append(history)
    if not tables:
        gaps.append(f"{folder.name} has no predictions, so it is left out.")
        return None
    predictions = pd.concat(tables, ignore_index=True).sort_values("fold", kind="stable", ignore_index=True)
    if twice := predictions.loc[predictions.duplicated(["patient_id", "fold"]), "patient_id"].tolist():
        raise InputError(
            f"{folder} predicts {len(twice)} patients twice in a fold: {some(twice)}. Run the method again."
        )
    if len(bad := predictions.loc[~predictions["event"].isin([0, 1]), "patient_id"]):
        raise InputError(f"The event of {len(bad)} patients in {folder} is neither 0 nor 1: {some(bad)}. Run it again.")
    predictions["event"] = predictions["event"].astype(bool)
    empty = pd.DataFrame({name: pd.Series(dtype=float) for name in ("fold", "epoch", *HISTORY_NUMBERS, "chosen")})
    history = pd.concat(histories, ignore_index=True) if histories else empty
    for name in HISTORY_NUMBERS:
        history[name] = history[name].astype(float) if name in history else np.nan
    history["chosen"] = history["chosen"].fillna(0).astype(bool)
    history = history.sort_values(["fold", "epoch"], kind="stable", ignore_index=True)
    return MethodRun(folder.name, predictions, history, cards)


def _bins(card: dict[str, Any] | None) -> TimeBins | None:
    edges = None if card is None else card.get("bins")
    if not isinstance(edges, list) or len(edges) < 2:
        return None
    ends = [-np.inf if edges[0] is None else edges[0], np.inf if edges[-1] is None else edges[-1]]
    return TimeBins(np.array([ends[0], *edges[1:-1], ends[1]], dtype=float))


def _provenance(folder: Path, gaps: list[str]) -> dict[str, Any]:
    path = folder / "provenance.json"
    if not path.is_file():
        gaps.append("provenance.json is absent, so versions, seed and command are not known.")
        return {}
    content = read_json(path, "The provenance")
    if not isinstance(content, dict):
        raise InputError(f"The provenance {path} is not a mapping. Remove it and run the study again.")
    return content


def _optional_csv(
    path: Path, columns: Sequence[str], what: str, gaps: list[str], text: Sequence[str] = ()
) -> pd.DataFrame:
    if path.is_file():
        return read_run_csv(path, columns, text)
    gaps.append(f"{what}, {path.name}, is absent.")
    return pd.DataFrame({name: pd.Series(dtype=object if name in TEXT else float) for name in columns})


def read_run_csv(path: Path, columns: Sequence[str], text: Sequence[str] = ()) -> pd.DataFrame:
    """A table of a run with these columns; but for names of patients and alike, every column is of exact numbers.

    Raises:
        InputError: It is not a table, a column is missing, or something is not a number.
    """
    try:
        # names are kept as they are written: a patient may well be called NA or 007
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as cause:
        raise InputError(f"{path} is not a CSV table ({cause}). Remove it and run the study again.") from cause
    if missing := [name for name in columns if name not in table]:
        raise InputError(f"{path} has no column {some(missing)}. Remove it and run the study again.")
    for name in table.columns:
        if name in TEXT or name in text:
            continue
        try:
            # exact, which pandas's own parser is not: rounding would make or break ties of risks
            is_whole = table[name].str.fullmatch(r"-?\d+").all()
            table[name] = table[name].astype(int) if is_whole else table[name].replace("", "nan").astype(float)
        except (ValueError, OverflowError) as cause:
            raise InputError(f"{path}, column {name}, holds something that is not a number: {cause}.") from cause
    return table
