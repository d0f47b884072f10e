"""The decision curves of a run's methods, and of those who need no method."""

import numpy as np
import pandas as pd

from prognoscope.analysis.added_value import HeldOut, clinical_chances
from prognoscope.core.errors import InputError, MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.decision_curve import net_benefit
from prognoscope.runs.read import Run

ALL, NONE, CLINICAL = "Treat all", "Treat none", "Clinical alone"
COLUMNS = ["method", "optimistic", "horizon", "threshold", "net_benefit"]
THRESHOLDS = np.arange(1, 100) / 100


def decision_data(run: Run, methods: list[str], horizon: float) -> tuple[pd.DataFrame, list[str]]:
    """Net benefit at each threshold of these methods, of covariates alone, and of treating all and none.

    It is of the patients whom all methods of the run were tested on.

    Thresholds go up to where treating all patients has lost twice what it can win.

    Returns:
        method, optimistic, horizon, threshold, net_benefit; and why methods are left out, in sentences.
    """
    chances, outcome, absent = {}, run.held_out, []
    for name in methods:
        try:
            held_out = HeldOut.of(run, name)
            predicted = [fold.survival_at(np.array([horizon]))[:, 0] for fold in held_out.folds]
            common = np.flatnonzero([patient in run.common for patient in held_out.outcome.patients])
            outcome = held_out.outcome.take(common)
            chances[name] = (1 - np.clip(np.concatenate(predicted), 0, 1)[common], outcome)
        except (InputError, MetricError) as cause:
            absent.append(f"{name}: no decision curve. {cause}")
    if not chances:
        return pd.DataFrame(columns=COLUMNS), absent
    if len(run.covariates.columns):
        try:
            held_out = HeldOut.of(run, next(iter(chances)))
            common = np.flatnonzero([patient in run.common for patient in held_out.outcome.patients])
            chances[CLINICAL] = (clinical_chances(held_out, horizon)[common], held_out.outcome.take(common))
        except MetricError as cause:
            absent.append(f"{CLINICAL}: no decision curve. {cause}")
    try:
        everybody = _worth(np.ones(len(outcome)), THRESHOLDS, outcome, horizon)
    except MetricError as cause:  # those whom all methods were tested on may have been followed for less than others
        return pd.DataFrame(columns=COLUMNS), [*absent, f"No decision curve. {cause}"]
    thresholds = THRESHOLDS[everybody > -2 * everybody[0]]
    lines = {name: _worth(chance, thresholds, of, horizon) for name, (chance, of) in chances.items()}
    lines |= {ALL: everybody[: len(thresholds)], NONE: np.zeros(len(thresholds))}
    parts = [
        pd.DataFrame({"threshold": thresholds, "net_benefit": worth}).assign(
            method=name, optimistic=name in run.optimistic, horizon=horizon
        )
        for name, worth in lines.items()
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS], absent


def useful_range(data: pd.DataFrame, method: str) -> tuple[float, float] | None:
    """The ends of the longest stretch of thresholds on which a method beats both all and none; None without one."""
    table = data.pivot(index="threshold", columns="method", values="net_benefit")
    better = (table[method] > np.maximum(table[ALL], 0) + 1e-12).to_numpy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], better, [False]]).astype(int)))
    if not len(edges):
        return None
    starts, ends, thresholds = edges[::2], edges[1::2], table.index.to_numpy(float)
    longest = int((ends - starts).argmax())
    return float(thresholds[starts[longest]]), float(thresholds[ends[longest] - 1])


def _worth(chance: np.ndarray, thresholds: np.ndarray, outcome: Outcome, horizon: float) -> np.ndarray:
    return net_benefit(chance, thresholds, time=outcome.time, event=outcome.event, horizon=horizon)
