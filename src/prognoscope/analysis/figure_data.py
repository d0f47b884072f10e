"""The data behind each figure, as they are drawn and as they are kept in CSV files."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool

from prognoscope.analysis.risk_cuts import high_risk, need_two_states
from prognoscope.analysis.standings import MAIN, difference_table, method_table, ranking
from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.calibration import calibration_table, middle_of_events
from prognoscope.evaluation.competing import aalen_johansen, incidence_difference
from prognoscope.evaluation.curves import kaplan_meier, median_survival
from prognoscope.evaluation.fold import pool
from prognoscope.evaluation.gray import gray_test
from prognoscope.evaluation.group_tests import HazardRatio, hazard_ratio, log_rank
from prognoscope.runs.method_run import MethodRun
from prognoscope.runs.read import Run

GROUPS = 5  # of a calibration, where there are patients enough


def c_index_data(run: Run, *, common: bool = False) -> pd.DataFrame:
    """A row for each method and oracle that has a C-index: its value, interval and folds; see `method_table`."""
    table = method_table(run, common=common)
    table = table[np.isfinite(table[MAIN].astype(float))].reset_index(drop=True)
    first = table[["method", "label", "kind"]].assign(optimistic=table["optimistic"] != "")
    numbers = {"value": table[MAIN], "low": table[f"{MAIN}_low"], "high": table[f"{MAIN}_high"]}
    folds = table[[name for name in table.columns if name.startswith("fold_")]]
    return pd.concat([first.assign(**numbers), folds], axis=1)


def difference_data(run: Run) -> pd.DataFrame:
    """The paired differences between the method with the highest C-index and each other one."""
    table = difference_table(run)
    leader = ranking(run, MAIN)[:1]
    columns = ["method_a", "method_b", "optimistic", "difference", "low", "high", "supported"]
    return table.loc[table["method_a"].isin(leader), columns].reset_index(drop=True)


def survival_data(run: Run, method: str) -> pd.DataFrame:
    """Kaplan-Meier curves of the two groups by predicted risk of one method.

    Raises:
        MetricError: One of the groups is empty, or nothing can be tested.
    """
    need_two_states(run)
    named = {"method": method, "optimistic": method in run.optimistic}
    return survival_by_group(run.method(method).outcome, high_risk(run, method), named)


def survival_by_group(outcome: Outcome, is_high: Bool[np.ndarray, " P"], named: Mapping[str, object]) -> pd.DataFrame:
    """Kaplan-Meier curves of patients at high and at low risk, with the log-rank p; `named` are columns before these.

    Raises:
        MetricError: One of the groups is empty, or nothing can be tested.
    """
    p = log_rank(is_high, time=outcome.time, event=outcome.event).p
    parts = []
    for group, members in (("High risk", is_high), ("Low risk", ~is_high)):
        curve = kaplan_meier(time=outcome.time[members], event=outcome.event[members])
        size = int(members.sum())
        start = {"time": 0.0, "survival": 1.0, "low": 1.0, "high": 1.0, "at_risk": size, "events": 0, "censored": 0}
        rows = pd.DataFrame({name: np.append(value, getattr(curve, name)) for name, value in start.items()})
        median = median_survival(curve)
        constant = {**named, "group": group, "patients": size}
        constant |= {"median": median.value, "median_low": median.low, "median_high": median.high, "log_rank_p": p}
        parts.append(pd.concat([pd.DataFrame(constant, index=rows.index), rows], axis=1))
    return pd.concat(parts, ignore_index=True)


def risk_hazard_ratio(run: Run, method: str) -> HazardRatio:
    """The hazard of the group at high risk over that of the group at low risk.

    Raises:
        MetricError: One group is empty, or one has all the events.
    """
    need_two_states(run)
    outcome, is_high = run.method(method).outcome, high_risk(run, method)
    return hazard_ratio(is_high, time=outcome.time, event=outcome.event)


def incidence_data(run: Run, method: str) -> pd.DataFrame:
    """Cumulative incidence by Aalen and Johansen of the two groups by predicted risk, where other events compete.

    Returns:
        method, optimistic, group, patients, others (competing events), ratio, ratio_low, ratio_high (of subdistribution
        hazards, high over low risk), p (of that ratio), gray_p, time, incidence, low, high, at_risk, events; the first
        row of a group at 0.

    Raises:
        MetricError: One of the groups is empty, or has no event.
    """
    named = {"method": method, "optimistic": method in run.optimistic}
    return incidence_by_group(run.method(method).outcome, high_risk(run, method), named)


def incidence_by_group(outcome: Outcome, is_high: Bool[np.ndarray, " P"], named: Mapping[str, object]) -> pd.DataFrame:
    """The same of patients at high and at low risk; `named` are columns before these.

    Raises:
        MetricError: One of the groups is empty, or has no event; or no other event competes.
    """
    if outcome.competing is None:
        raise MetricError("No other event competes.")
    time, event, competing = outcome.time, outcome.event, outcome.competing
    found = incidence_difference(is_high, time=time, event=event, competing=competing)
    tested = gray_test(is_high, time=time, event=event, competing=competing)
    parts = []
    for group, members in (("High risk", is_high), ("Low risk", ~is_high)):
        curve = aalen_johansen(time=time[members], event=event[members], competing=competing[members])
        start = {"time": 0.0, "incidence": 0.0, "low": 0.0, "high": 0.0, "at_risk": int(members.sum()), "events": 0}
        rows = pd.DataFrame({name: np.append(value, getattr(curve, name)) for name, value in start.items()})
        constant = {**named, "group": group, "patients": int(members.sum()), "others": int(competing[members].sum())}
        constant |= {"ratio": found.ratio.value, "ratio_low": found.ratio.low, "ratio_high": found.ratio.high}
        constant |= {"p": found.p, "gray_p": tested.p}
        parts.append(pd.concat([pd.DataFrame(constant, index=rows.index), rows], axis=1))
    return pd.concat(parts, ignore_index=True)


def history_data(method: MethodRun, columns: tuple[str, str]) -> pd.DataFrame:
    """Two columns of a method's histories by epoch, then their mean over folds as far as all folds go.

    Returns:
        method, fold (text; "mean" for the mean), epoch, the two columns, chosen; no rows where both are empty.
    """
    history = method.history
    if not history[list(columns)].notna().any(axis=None):
        return pd.DataFrame(columns=["method", "fold", "epoch", *columns, "chosen"])
    by_epoch = history.groupby("epoch")
    whole = by_epoch["fold"].nunique() == history["fold"].nunique()
    mean = by_epoch[list(columns)].mean()[whole].reset_index().assign(fold="mean", chosen=False)
    each = history[["fold", "epoch", *columns, "chosen"]].assign(fold=history["fold"].astype(int).astype(str))
    table = pd.concat([each, mean], ignore_index=True)
    table.insert(0, "method", method.title)
    return table[["method", "fold", "epoch", *columns, "chosen"]]


def calibration_horizon(run: Run) -> float:
    """Where calibration is looked at, the same for all methods; NaN without events."""
    outcome = run.held_out
    return middle_of_events(outcome) if outcome.event.any() else float("nan")


def calibration_data(run: Run, method: str, horizon: float) -> pd.DataFrame:
    """Predicted and observed survival at a horizon in groups of patients of similar prediction.

    Raises:
        InputError: The method's time bins or its training patients are not known.
        MetricError: Its predictions are no survival, or there are too few patients or events.
    """
    if not np.isfinite(horizon):
        raise MetricError("No event was observed.")
    folds = [run.fold(method, number) for number in run.methods[method].tested]
    predicted = np.concatenate([fold.survival_at(np.array([horizon]))[:, 0] for fold in folds])
    _, outcome = pool(folds)
    groups = min(GROUPS, max(1, len(outcome) // 10))
    told = {"time": outcome.time, "event": outcome.event, "competing": outcome.competing}
    table = calibration_table(predicted, **told, horizon=horizon, groups=groups)
    constant = {"method": method, "optimistic": method in run.optimistic, "horizon": horizon}
    return pd.concat([pd.DataFrame(constant, index=table.index), table], axis=1)
