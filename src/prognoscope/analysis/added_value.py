"""What a method's risk adds to the clinical covariates of held-out patients, and in which of them it holds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.analysis.clinical_words import groups_of, spoken
from prognoscope.analysis.risk_cuts import need_two_states
from prognoscope.core.errors import MetricError, some
from prognoscope.core.outcome import Outcome, Prediction
from prognoscope.core.words import listed
from prognoscope.evaluation.cox import CoxFit, fit_cox, likelihood_ratio
from prognoscope.evaluation.design import Design
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.paired import difference, measure
from prognoscope.runs.read import Run

EVERYBODY = "all patients"
FEWEST_EVENTS = 5  # of a subgroup whose hazard ratio is told


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The held-out patients of a method: each once, with a risk in standard deviations of its fold."""

    folds: tuple[Fold, ...]
    outcome: Outcome  # of all folds, in their order
    risk: Float[np.ndarray, " P"]
    covariates: pd.DataFrame  # of the same patients
    fold: np.ndarray  # (P,) the number of each patient's

    @classmethod
    def of(cls, run: Run, method: str) -> "HeldOut":
        """Read from a run.

        Raises:
            InputError: A file of the run is missing or cannot be used.
            MetricError: A patient is held out twice, or a fold gives all its patients one risk.
        """
        need_two_states(run)
        folds = tuple(run.fold(method, number) for number in run.methods[method].tested)
        patients = [patient for fold in folds for patient in fold.outcome.patients]
        if len(set(patients)) < len(patients):
            raise MetricError("Patients are held out in several folds, and cannot be pooled.")
        if flat := [fold.fold for fold in folds if not fold.prediction.risk.std() > 0]:
            raise MetricError(f"All patients of fold {some(flat)} have one risk.")
        risk = [(f.prediction.risk - f.prediction.risk.mean()) / f.prediction.risk.std() for f in folds]
        time, event = (np.concatenate([getattr(f.outcome, name) for f in folds]) for name in ("time", "event"))
        number = np.concatenate([np.full(len(fold), fold.fold) for fold in folds])
        outcome = Outcome(tuple(patients), time, event)
        return cls(folds, outcome, np.concatenate(risk), run.covariates.reindex(patients), number)


def added_value(run: Run, method: str) -> pd.DataFrame:
    """One row: the hazard ratio of a standard deviation of the risk, beside the covariates, and what it adds to them.

    The ratio and the likelihood-ratio test are of Cox models of all held-out patients. The C-indices are of patients
    whom neither model was fitted on: for each fold, the clinical model and the one with the risk beside are fitted
    on the held-out patients of the other folds.

    Returns:
        method, optimistic, covariates (names in words, or ""), columns (how many they are), patients, events, ratio,
        low, high, statistic, p (of the likelihood-ratio test), c_clinical, c_both, added,
        added_low, added_high, added_p; NaN without covariates.

    Raises:
        MetricError: A model has no finite answer; says why.
    """
    held_out = HeldOut.of(run, method)
    outcome, risk = held_out.outcome, held_out.risk[:, None]
    design = Design.of(held_out.covariates)
    clinical = design.columns(held_out.covariates)
    alone = fit_cox(clinical, time=outcome.time, event=outcome.event)
    both = fit_cox(np.column_stack([risk, clinical]), time=outcome.time, event=outcome.event)
    ratio, test = both.hazard_ratio(0), likelihood_ratio(both, alone)
    row = {"method": method, "optimistic": method in run.optimistic, "covariates": listed(_used(design), 30)}
    row |= {"columns": len(design.names), "patients": len(outcome), "events": int(outcome.event.sum())}
    row |= {"ratio": ratio.value, "low": ratio.low, "high": ratio.high, "statistic": test.statistic, "p": test.p}
    names = ("c_clinical", "c_both", "added", "added_low", "added_high", "added_p")
    gained = _gain(held_out, run.draws, run.provenance.seed or 0) if design.names else (np.nan,) * 6
    return pd.DataFrame([row | dict(zip(names, gained, strict=True))])


def clinical_chances(held_out: HeldOut, horizon: float) -> Float[np.ndarray, " P"]:
    """Each held-out patient's chance of an event by a time, from covariates alone, by the patients of other folds."""
    chance = np.zeros(len(held_out.outcome))
    for fold in held_out.folds:
        here = held_out.fold == fold.fold
        design, fitted = _fit(held_out, ~here, has_risk=False)
        chance[here] = 1 - fitted.survival_at(design.columns(held_out.covariates[here]), horizon)
    return chance


def subgroups(run: Run, method: str) -> pd.DataFrame:
    """The hazard ratio of the risk in subgroups by each covariate, site and subtype; numbers at their median.

    Returns:
        method, optimistic, group (`EVERYBODY` in the first row), level, patients, events, ratio, low, high (NaN where
        events are too few or a group has no finite ratio), interaction_p (of the group, whether
        ratios differ between levels).

    Raises:
        MetricError: There is no finite ratio of all patients.
    """
    held_out = HeldOut.of(run, method)
    rows = [{"group": EVERYBODY, "level": EVERYBODY, **_ratio(held_out, np.ones(len(held_out.risk), bool))}]
    if not np.isfinite(rows[0]["ratio"]):
        raise MetricError("The risk has no finite hazard ratio.")
    table = held_out.covariates.copy()
    about = run.patients.reindex(list(held_out.outcome.patients))
    for name in ("site", "subtype"):
        if name not in table and about.loc[about[name] != "", name].nunique() > 1:
            table[name] = about[name]
    for name in table:
        group = groups_of(table[name], halves=True)
        levels = [level for level in group.cat.categories if (group == level).any()]
        if len(levels) < 2:
            continue
        found = [_ratio(held_out, (group == level).to_numpy()) for level in levels]
        p = _interaction(held_out, [(group == lv).to_numpy() for lv, f in zip(levels, found, strict=True) if f["told"]])
        rows += [
            {"group": spoken(str(name)), "level": level, **each, "interaction_p": p}
            for level, each in zip(levels, found, strict=True)
        ]
    columns = ["group", "level", "patients", "events", "ratio", "low", "high", "interaction_p"]
    told = pd.DataFrame(rows).reindex(columns=columns)
    told.insert(0, "method", method)
    told.insert(1, "optimistic", method in run.optimistic)
    return told


def _used(design: Design) -> Sequence[str]:
    return [spoken(name) for name in (*(name for name, *_ in design.numbers), *(name for name, _ in design.categories))]


def _fit(held_out: HeldOut, members: np.ndarray, *, has_risk: bool) -> tuple[Design, CoxFit]:
    design = Design.of(held_out.covariates[members])
    values = design.columns(held_out.covariates[members])
    values = np.column_stack([held_out.risk[members], values]) if has_risk else values
    outcome = held_out.outcome
    return design, fit_cox(values, time=outcome.time[members], event=outcome.event[members])


def _gain(held_out: HeldOut, draws: int, seed: int) -> tuple[float, ...]:
    if len(held_out.folds) < 2:
        return (np.nan,) * 6
    measured = []
    for has_risk in (True, False):
        folds = []
        for fold in held_out.folds:
            here = held_out.fold == fold.fold
            design, fitted = _fit(held_out, ~here, has_risk=has_risk)
            values = design.columns(held_out.covariates[here])
            values = np.column_stack([held_out.risk[here], values]) if has_risk else values
            told = Prediction(fold.outcome.patients, fitted.log_hazard(values), fold.prediction.survival)
            folds.append(replace(fold, prediction=told))
        measured.append(measure([folds], metric="c_index", draws=draws, seed=seed))
    both, alone = measured
    gain = difference(both, alone)
    return alone.mean, both.mean, gain.difference, gain.low, gain.high, gain.p_bootstrap


def _ratio(held_out: HeldOut, members: np.ndarray) -> dict:
    outcome = held_out.outcome.take(np.flatnonzero(members))
    row = {"patients": len(outcome), "events": int(outcome.event.sum()), "told": False}
    row |= dict.fromkeys(("ratio", "low", "high"), np.nan)
    if row["events"] < FEWEST_EVENTS:
        return row
    try:
        ratio = fit_cox(held_out.risk[members, None], time=outcome.time, event=outcome.event).hazard_ratio(0)
    except MetricError:  # all events of a small group at its highest risks: NaN, as promised
        return row
    return row | {"ratio": ratio.value, "low": ratio.low, "high": ratio.high, "told": True}


def _interaction(held_out: HeldOut, levels: Sequence[np.ndarray]) -> float:
    if len(levels) < 2:
        return float("nan")
    members = np.any(levels, axis=0)
    apart = np.column_stack(levels[1:])[members].astype(np.float64)
    risk, outcome = held_out.risk[members, None], held_out.outcome.take(np.flatnonzero(members))
    try:
        smaller, larger = (
            fit_cox(np.column_stack(parts), time=outcome.time, event=outcome.event)
            for parts in ([risk, apart], [risk, apart, risk * apart])
        )
    except MetricError:
        return float("nan")
    return likelihood_ratio(larger, smaller).p
