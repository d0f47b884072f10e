"""A run's predictions -> its tables of metrics and of paired differences."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.core.errors import InputError, MetricError, some
from prognoscope.core.files import need_file, read_json
from prognoscope.core.outcome import Outcome, Prediction, TimeBins
from prognoscope.core.tables import read_table
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.classification import accuracy, accuracy_of_draws, auroc, auroc_of_draws
from prognoscope.evaluation.compare import Measured, check_paired, difference, measure
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.summary import evaluate
from prognoscope.report.run_folder import UNFINISHED, read_run_csv
from prognoscope.training.checkpoint import CARD
from prognoscope.training.crossval import PREDICTIONS

ORACLES = {"oracle": "risk_oracle", "oracle_slides": "risk_slides", "oracle_genes": "risk_genes"}
COMPARED = ("c_index", "integrated_brier")
SUBTYPE_METRICS = {"subtype_accuracy": (accuracy, accuracy_of_draws), "subtype_auroc": (auroc, auroc_of_draws)}
METRIC_COLUMNS = ["method", "metric", "fold", "value", "low", "high", "sd"]
PAIR_COLUMNS = ["metric", "method_a", "method_b", "difference", "low", "high", "p_bootstrap", "p_t"]


def read_about(run: Path | str) -> dict:
    """The provenance of a finished run.

    Raises:
        InputError: The folder is not there, or is not a finished run.
    """
    run = Path(run)
    if not run.is_dir():
        raise InputError(f"There is no run folder {run}. Name the folder that `prognoscope run` wrote.")
    about = read_json(run / "provenance.json", "The provenance", UNFINISHED)
    if not isinstance(about, dict) or not {"methods", "protocol"} <= set(about):
        raise InputError(f"{run / 'provenance.json'} does not tell methods and protocol. {UNFINISHED}")
    return about


def read_outcomes(folder: Path) -> Outcome:
    """The follow-up of all patients of a run.

    Raises:
        MissingFileError: The folder is not a run.
    """
    path = need_file(folder / "outcomes.csv", "The table of outcomes", UNFINISHED)
    table = read_run_csv(path, ("patient_id", "time", "event"))
    return Outcome(tuple(table["patient_id"]), table["time"].to_numpy(float), table["event"].to_numpy(bool))


def read_folds(folder: Path, method: str) -> tuple[Fold, ...]:
    """What a method predicted, fold by fold, with whom it had been trained on.

    Raises:
        MissingFileError: A fold has no predictions.
    """
    everybody = read_outcomes(folder)
    place = {patient: i for i, patient in enumerate(everybody.patients)}
    path = need_file(folder / "splits.csv", "The table of splits", UNFINISHED)
    splits = read_run_csv(path, ("patient_id", "fold", "part"))
    folds = []
    for number, parts in splits.groupby("fold"):
        at = folder / method / f"fold_{number}"
        table = read_predictions(at)
        card = read_json(at / CARD, "The model card", UNFINISHED)
        if not isinstance(card, dict) or "bins" not in card:
            raise InputError(f"{at / CARD} tells no time bins. Remove the folder {at} and run the study again.")
        bins = card_bins(card)
        trained = parts.loc[parts["part"] != "test", "patient_id"]
        survival = table[[c for c in table if c.startswith("S_")]].to_numpy(float)
        if strange := [patient for patient in (*table["patient_id"], *trained) if patient not in place]:
            raise InputError(
                f"{len(strange)} patients in {at / PREDICTIONS} or splits.csv are not in outcomes.csv of the run: "
                f"{some(strange)}. Remove the folder {at} and run the study again."
            )
        prediction = Prediction(tuple(table["patient_id"]), table["risk"].to_numpy(float), survival)
        outcome = everybody.take(np.array([place[p] for p in prediction.patients]))
        train = everybody.take(np.array([place[p] for p in trained]))
        folds.append(Fold(int(number), prediction, outcome, train, bins))
    return tuple(folds)


def read_predictions(at: Path) -> pd.DataFrame:
    """The predictions of one fold of one method."""
    path = need_file(at / PREDICTIONS, "The table of predictions", UNFINISHED)
    table = read_run_csv(path, ("patient_id", "risk", "S_0"))
    survival = table[[name for name in table if name.startswith("S_")]]
    if table["risk"].isna().any() or survival.isna().any(axis=None):
        raise InputError(f"{path} is not whole. Remove it and run the study again.")
    return table


def card_bins(card: Mapping[str, object]) -> TimeBins:
    """The time bins in a model card."""
    edges = [np.nan if edge is None else edge for edge in card["bins"]]
    edges[0] = -np.inf if np.isnan(edges[0]) else edges[0]
    edges[-1] = np.inf if np.isnan(edges[-1]) else edges[-1]
    return TimeBins(np.array(edges, dtype=np.float64))


def metrics_table(
    folder: Path, methods: Sequence[str], *, draws: int, seed: int, truth: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Every metric of every method and fold, oracles of a simulated cohort below; and notes on what is not defined.

    Args:
        truth: Index patient, with the oracle risks.
    """
    parts, notes = [], []
    for method in methods:
        folds = read_folds(folder, method)
        table = evaluate(folds, draws=draws, seed=seed)
        notes += [f"{method}: {note}" for note in table.attrs.get("notes", ())]
        subtype = _subtype_metrics(folder, method, folds, draws=draws, seed=seed)
        parts += [each.assign(method=method) for each in (table, subtype) if len(each)]
    if truth is not None:
        first = read_folds(folder, methods[0])
        for name, column in ORACLES.items():
            if column in truth:
                table = evaluate(
                    [_oracle_fold(fold, truth[column]) for fold in first], metrics=["c_index"], draws=draws, seed=seed
                )
                parts.append(table.assign(method=name))
    return pd.concat(parts, ignore_index=True)[METRIC_COLUMNS], tuple(notes)


def gene_notes(folder: Path, methods: Sequence[str]) -> list[str]:
    """What the folds noted of how their genes were chosen, each note once, with the methods that it is of."""
    notes: dict[str, list[str]] = {}
    for method in methods:
        for path in sorted((folder / method).glob(f"fold_*/{CARD}")):
            chosen = read_json(path, "The model card", UNFINISHED).get("gene_selection", {})
            for note in chosen.get("notes", ()):
                of = notes.setdefault(note, [])
                of += [method] * (method not in of)
    return [f"{some(of, len(of))}: {note}" for note, of in notes.items()]


def pairs_table(
    folds: Mapping[str, Sequence[Fold]],
    pairs: Iterable[tuple[str, str]],
    *,
    metrics: Iterable[str],
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """The paired differences of pairs of methods, method -> folds, for each metric."""
    rows, pairs = [], list(pairs)
    methods = list(dict.fromkeys(method for pair in pairs for method in pair))
    for method in methods[1:]:
        check_paired(folds[methods[0]], folds[method])
    for metric in metrics:
        measured: dict[str, Measured] = {}
        for method in methods:
            try:
                measured[method] = measure([folds[method]], metric=metric, draws=draws, seed=seed)
            except MetricError:
                if metric == COMPARED[0]:
                    raise
                continue  # the metric's own row says that and why it is not defined
        for a, b in pairs:
            if a in measured and b in measured:
                found = difference(measured[a], measured[b])
                row = (found.difference, found.low, found.high, found.p_bootstrap, found.p_t)
                rows.append((metric, a, b, *row))
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def read_truth(path: Path, patients: Sequence[str]) -> pd.DataFrame:
    """The oracle risks of a simulated cohort, by patient.

    Raises:
        InputError: Patients or all risks are missing.
    """
    table = read_table(path, "The table of the truth")
    if "patient_id" not in table or not set(ORACLES.values()) & set(table):
        raise InputError(f"{path} needs a column patient_id and any of {', '.join(ORACLES.values())}.")
    table = table.set_index("patient_id")
    if missing := [patient for patient in patients if patient not in table.index]:
        raise InputError(f"{path} lacks {len(missing)} patients: {some(missing)}.")
    return table


def _oracle_fold(fold: Fold, risk: pd.Series) -> Fold:
    values = risk.loc[list(fold.outcome.patients)].to_numpy(float)
    prediction = Prediction(fold.outcome.patients, values, fold.prediction.survival)
    return Fold(fold.fold, prediction, fold.outcome, fold.train, fold.bins)


def _subtype_metrics(folder: Path, method: str, folds: Sequence[Fold], *, draws: int, seed: int) -> pd.DataFrame:
    tables = {fold.fold: read_predictions(folder / method / f"fold_{fold.fold}") for fold in folds}
    tables = {number: table for number, table in tables.items() if "subtype" in table}
    rows = []
    for name, (value_of, of_draws) in SUBTYPE_METRICS.items():
        values, drawn = [], []
        for fold in folds:
            if fold.fold not in tables:
                continue
            table = tables[fold.fold]
            probability = table[[c for c in table if c.startswith("subtype_")]].to_numpy(float)
            label = table["subtype"].to_numpy(np.int64)
            try:
                value = value_of(probability, label=label)
            except MetricError:  # a fold with one class has no AUROC
                value = np.nan
            of_fold = of_draws(probability, draw_counts(fold, draws, seed), label=label)
            rows.append((name, str(fold.fold), value, *percentile_interval(of_fold), np.nan))
            if np.isfinite(value):
                values.append(value)
                drawn.append(of_fold)
        if values:
            spread = percentile_interval(np.mean(drawn, axis=0))
            rows.append((name, "all", float(np.mean(values)), *spread, float(np.std(values))))
    return pd.DataFrame(rows, columns=METRIC_COLUMNS[1:])
