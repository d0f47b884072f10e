"""Predictions for patients of another cohort, and what became of them: the measures of an external validation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from prognoscope.analysis.figure_data import incidence_by_group, survival_by_group
from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome, Prediction, TimeBins
from prognoscope.evaluation.calibration import calibration_table, middle_of_events
from prognoscope.evaluation.competing import event_free, fit_subdistribution_ratio, incidence_difference
from prognoscope.evaluation.cox import fit_cox
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.gray import gray_test
from prognoscope.evaluation.group_tests import hazard_ratio, log_rank
from prognoscope.evaluation.summary import evaluate, find_metric

METRICS = ("c_index", "c_index_ipcw", "integrated_brier", "auc", "d_calibration_p")
GROUPS, PATIENTS_A_GROUP = 5, 10
PARTS = 5  # of which each is recalibrated by the others
NEAR = 1e-6
SUBDISTRIBUTION = "subdistribution_ratio"
COLUMNS = ["cohort", "method", "measure", "value", "low", "high"]


@dataclass(frozen=True)
class ExternalCohort:
    """A cohort that taught none of the models, with what they say of it."""

    name: str
    method: str
    prediction: Prediction  # survival at `months`
    months: Float[np.ndarray, " K"]
    outcome: Outcome
    is_high: Bool[np.ndarray, " P"] | None  # by the cut of training; None where it was not kept

    @property
    def whole(self) -> Fold:
        """All of the follow-up. Weights for censoring are of this cohort itself, which is censored in its own way."""
        return Fold(0, self.prediction, self.outcome, self.outcome, TimeBins(np.array([0.0, *self.months])))

    @property
    def seen(self) -> Fold:
        """The follow-up up to the last month that the models know of; what came later counts as not seen."""
        last = self.months[-1]
        time, event = np.minimum(self.outcome.time, last), self.outcome.event & (self.outcome.time <= last)
        rivals = self.outcome.competing
        rivals = None if rivals is None else rivals & (self.outcome.time <= last)
        outcome = Outcome(self.outcome.patients, time, event, rivals)
        return Fold(0, self.prediction, outcome, outcome, TimeBins(np.array([0.0, *self.months])))

    @property
    def horizon(self) -> float:
        """Where calibration is looked at: the middle of the events that models can know of."""
        seen = self.seen.outcome
        if not seen.event.any():
            raise MetricError("No event was observed.")
        return middle_of_events(seen)


def external_table(cohorts: Sequence[ExternalCohort], *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """A row for each cohort and measure: cohort, method, measure, value, low, high (95 %); attrs["notes"] say why not.

    The C-indices, the integrated Brier score, the AUC and D-calibration. `calibration_slope` is 1 where log hazards are
    as far apart as predicted, and below 1 where they are predicted too far apart; `observed_expected` is the chance of
    the event by the horizon, seen over predicted; `log_rank_p` and `hazard_ratio` are of the groups by the cut of
    training. Where other events compete, log hazards are of the subdistribution, the chance is the cumulative
    incidence, and `gray_p`, `fine_gray_p` and `subdistribution_ratio` are of the groups. `recalibrated_...` are of
    another model, which learned from outcomes of this cohort: see `recalibrated`.
    """
    rows, notes = [], []

    def add(cohort: ExternalCohort, measure: str, value: float, low: float = np.nan, high: float = np.nan) -> None:
        rows.append((cohort.name, cohort.method, measure, value, low, high))

    for cohort in cohorts:
        lost = [name for name in METRICS if cohort.outcome.competing is not None and not find_metric(name).knows_causes]
        notes += [f"{cohort.name}: Not measured, as they know no competing events: {', '.join(lost)}."] * bool(lost)
        for name in METRICS:
            if name in lost:
                continue
            fold = cohort.whole if name == "c_index" else cohort.seen
            try:
                found = evaluate([fold], metrics=[name], draws=draws, seed=seed)
            except MetricError as cause:
                notes.append(f"{cohort.name}: {name} is not defined. {cause}")
                continue
            row = found[found["fold"] == "all"].iloc[0]
            add(cohort, name, row["value"], row["low"], row["high"])
            notes += [f"{cohort.name}: {note}" for note in found.attrs["notes"]]
        for measure in (_slope, _observed_expected, _groups, _recalibrated):
            try:
                for name, value, low, high in measure(cohort):
                    add(cohort, name, value, low, high)
            except MetricError as cause:
                notes.append(f"{cohort.name}: {measure.__name__.strip('_').replace('_', ' ')} is not defined. {cause}")
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.attrs["notes"] = notes
    return table


def log_hazards(cohort: ExternalCohort, month: float) -> Float[np.ndarray, " P"]:
    """log(-log S) at a month: a proportional-hazards model's linear predictor, up to a constant."""
    survival = cohort.whole.survival_at(np.array([month]))[:, 0]
    return np.log(-np.log(np.clip(survival, NEAR, 1 - NEAR)))


def recalibrated(cohort: ExternalCohort) -> Fold:
    """The same patients with survival that was learned anew from outcomes of this cohort: one slope, one baseline.

    Cox's model of the predicted log hazard at the horizon. Each fifth of the patients is predicted by the other four,
    so that no patient's own outcome is in their number; it is another model than the one that is validated.

    Raises:
        MetricError: Other events compete.
    """
    seen = cohort.seen
    if seen.outcome.competing is not None:
        raise MetricError("Other events compete, and what is learned anew here is Cox's model, which knows none.")
    values = log_hazards(cohort, cohort.horizon)[:, None]
    part = np.random.default_rng(0).permutation(len(values)) % PARTS
    survival = np.empty((len(values), len(cohort.months)))
    for k in range(PARTS):
        teach, told = part != k, part == k
        fit = fit_cox(values[teach], time=seen.outcome.time[teach], event=seen.outcome.event[teach])
        survival[told] = np.stack([fit.survival_at(values[told], month) for month in cohort.months], axis=1)
    prediction = Prediction(cohort.prediction.patients, cohort.prediction.risk, survival)
    return Fold(0, prediction, seen.outcome, seen.outcome, seen.bins)


def external_survival_data(cohort: ExternalCohort) -> pd.DataFrame:
    """Kaplan-Meier curves of the two groups by the cut of training, as the figure `survival` takes them.

    Raises:
        MetricError: One group is empty, or nothing can be tested.
    """
    named = {"method": cohort.method, "optimistic": False}
    return survival_by_group(cohort.outcome, _both_groups(cohort), named)


def external_incidence_data(cohort: ExternalCohort) -> pd.DataFrame:
    """The cumulative incidence of the two groups, where other events compete, as the figure `incidence` takes it.

    Raises:
        MetricError: One group is empty, or has no event.
    """
    return incidence_by_group(cohort.outcome, _both_groups(cohort), {"method": cohort.method, "optimistic": False})


def external_calibration_data(cohort: ExternalCohort, fold: Fold | None = None) -> pd.DataFrame:
    """Predicted and observed survival at the horizon, as the figure `calibration` takes them.

    Raises:
        MetricError: There are too few patients or events.
    """
    fold, horizon = fold or cohort.seen, cohort.horizon
    predicted = fold.survival_at(np.array([horizon]))[:, 0]
    groups = min(GROUPS, max(1, len(fold) // PATIENTS_A_GROUP))
    outcome = cohort.outcome
    told = {"time": outcome.time, "event": outcome.event, "competing": outcome.competing}
    table = calibration_table(predicted, **told, horizon=horizon, groups=groups)
    named = {"method": cohort.method, "optimistic": False, "horizon": horizon}
    return pd.concat([pd.DataFrame(named, index=table.index), table], axis=1)


def _both_groups(cohort: ExternalCohort) -> Bool[np.ndarray, " P"]:
    if cohort.is_high is None:
        raise MetricError("The models kept no cut of training.")
    if cohort.is_high.all() or not cohort.is_high.any():
        group = "high" if cohort.is_high.all() else "low"
        raise MetricError(f"By the cut of training all {len(cohort.is_high)} patients are at {group} risk.")
    return cohort.is_high


def _slope(cohort: ExternalCohort) -> list[tuple[str, float, float, float]]:
    seen = cohort.seen.outcome
    values = log_hazards(cohort, cohort.horizon)[:, None]
    if seen.competing is None:
        fit = fit_cox(values, time=seen.time, event=seen.event)
    else:
        fit = fit_subdistribution_ratio(values, time=seen.time, event=seen.event, competing=seen.competing)
    half = 1.959964 * np.sqrt(fit.covariance[0, 0])
    return [("calibration_slope", float(fit.beta[0]), float(fit.beta[0] - half), float(fit.beta[0] + half))]


def _observed_expected(cohort: ExternalCohort) -> list[tuple[str, float, float, float]]:
    seen, month = cohort.seen, cohort.horizon
    curve = event_free(seen.outcome)
    at = int(np.searchsorted(curve.time, month, "right"))  # 0: nobody's follow-up has ended yet
    expected = 1 - float(seen.survival_at(np.array([month]))[:, 0].mean())
    if expected <= 0:
        raise MetricError(f"Nobody is predicted to have the event by {month:g} months.")
    observed = (1 - float(np.append(1.0, each)[at]) for each in (curve.survival, curve.high, curve.low))
    value, low, high = (each / expected for each in observed)
    if low == high:  # as everybody's or nobody's survival, of which a band tells nothing
        low = high = np.nan
    return [("observed_expected", value, low, high)]


def _groups(cohort: ExternalCohort) -> Iterator[tuple[str, float, float, float]]:
    """The test first: it is defined where one of the groups has no event, and a ratio is not."""
    outcome, is_high = cohort.outcome, _both_groups(cohort)
    if (competing := outcome.competing) is not None:
        tested = gray_test(is_high, time=outcome.time, event=outcome.event, competing=competing)
        yield "gray_p", tested.p, np.nan, np.nan
        found = incidence_difference(is_high, time=outcome.time, event=outcome.event, competing=competing)
        yield "fine_gray_p", found.p, np.nan, np.nan
        yield SUBDISTRIBUTION, found.ratio.value, found.ratio.low, found.ratio.high
        return
    yield "log_rank_p", log_rank(is_high, time=outcome.time, event=outcome.event).p, np.nan, np.nan
    ratio = hazard_ratio(is_high, time=outcome.time, event=outcome.event)
    yield "hazard_ratio", ratio.value, ratio.low, ratio.high


def _recalibrated(cohort: ExternalCohort) -> list[tuple[str, float, float, float]]:
    found = evaluate([recalibrated(cohort)], metrics=["integrated_brier", "d_calibration_p"], draws=0)
    rows = found[found["fold"] == "all"].set_index("metric")["value"]
    return [(f"recalibrated_{name}", float(value), np.nan, np.nan) for name, value in rows.items()]
