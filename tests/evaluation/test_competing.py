"""Competing risks against other implementations, brute force, and a simulation whose truth is known."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.errors import CohortError, MetricError
from prognoscope.core.outcome import Outcome, Prediction, TimeBins
from prognoscope.core.subdistribution import fit_subdistribution
from prognoscope.evaluation.brier import brier_terms
from prognoscope.evaluation.competing import aalen_johansen, event_free, incidence_difference
from prognoscope.evaluation.curves import kaplan_meier
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.metrics import c_index, c_index_of_draws
from prognoscope.simulation.patients import (
    SCALE_MONTHS,
    SHAPE,
    add_risks,
    competing_events,
    draw_patients,
    follow_up,
    log_hazard_other,
)


def drawn(n: int = 120, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    status = rng.integers(0, 3, n)
    return {"time": rng.exponential(20, n).round(1) + 0.1, "event": status == 1, "competing": status == 2}


def outcome_of(told: dict[str, np.ndarray]) -> Outcome:
    patients = tuple(f"P{i}" for i in range(len(told["time"])))
    return Outcome(patients, told["time"], told["event"], told["competing"])


def test_cumulative_incidence_is_that_of_scikit_survival():
    sksurv = pytest.importorskip("sksurv.nonparametric")
    told = drawn()
    status = np.where(told["event"], 1, np.where(told["competing"], 2, 0))
    times, known, bands = sksurv.cumulative_incidence_competing_risks(
        status, told["time"], conf_type="log-log", var_type="Aalen"
    )
    curve = aalen_johansen(**told)
    assert np.allclose(curve.at(times), known[1], atol=1e-12)
    place = np.searchsorted(curve.time, times[-60:-5], "right") - 1
    assert np.allclose(curve.low[place], bands[1][0][-60:-5], atol=0.006)  # its variance is another estimate
    assert np.allclose(curve.high[place], bands[1][1][-60:-5], atol=0.006)


def test_without_competing_events_it_is_one_minus_kaplan_meier():
    told = drawn() | {"competing": np.zeros(120, dtype=bool)}
    curve, known = event_free(outcome_of(told)), kaplan_meier(time=told["time"], event=told["event"])
    assert np.allclose(curve.survival, known.survival, atol=1e-12)
    assert curve.censored.tolist() == known.censored.tolist()
    inside = (known.survival > 0.01) & (known.survival < 1)
    assert np.allclose(curve.low[inside] <= known.survival[inside], True)


def test_one_minus_kaplan_meier_overstates_what_the_simulation_knows_and_aalen_johansen_does_not():
    table = add_risks(draw_patients(1500, 3, sites=4))
    time, event = follow_up(table["log_hazard"].to_numpy(), 3, censoring=0.3)
    other = log_hazard_other(table).to_numpy()
    months, is_other, scale = competing_events(time, other, 3, share=0.35)
    assert is_other.mean() == pytest.approx(0.35, abs=0.001)
    told = {"time": months, "event": event & ~is_other}
    own, rival = np.exp(table["log_hazard"].to_numpy()) / SCALE_MONTHS**SHAPE, np.exp(other) / scale**SHAPE
    times = np.array([6.0, 12.0, 24.0])
    truth = (own / (own + rival) * (1 - np.exp(-np.outer(times**SHAPE, own + rival)))).mean(axis=1)
    ours = aalen_johansen(**told, competing=is_other).at(times)
    theirs = 1 - kaplan_meier(**told).at(times)
    assert np.allclose(ours, truth, atol=0.03)
    assert (theirs > ours).all() and theirs[-1] > truth[-1] + 0.06


def test_fine_and_gray_without_competing_events_is_cox():
    lifelines = pytest.importorskip("lifelines")
    told = drawn() | {"competing": np.zeros(120, dtype=bool)}
    rng = np.random.default_rng(1)
    told["time"] = told["time"] + rng.uniform(0, 1e-4, 120)
    values = rng.normal(size=(120, 2))
    table = pd.DataFrame(values).assign(time=told["time"], event=told["event"])
    known = lifelines.CoxPHFitter().fit(table, "time", "event", robust=True)
    fit = fit_subdistribution(values, **told)
    assert fit.is_converged and np.allclose(fit.beta, known.params_, atol=1e-6)
    assert np.allclose(np.sqrt(np.diag(fit.covariance)), known.standard_errors_, rtol=1e-4)
    ridge = lifelines.CoxPHFitter(penalizer=0.3).fit(table, "time", "event")
    spread = values.std(axis=0, ddof=1)
    assert np.allclose(
        fit_subdistribution(values / spread, **told, penalizer=0.3).beta / spread, ridge.params_, atol=1e-4
    )


def test_fine_and_gray_is_a_weighted_cox_regression_of_rows_cut_at_events():
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(2)
    told = drawn(60, seed=2)
    told["time"] = told["time"] + rng.uniform(0, 1e-4, 60)
    values = rng.normal(size=60)
    uncensored = lifelines.KaplanMeierFitter().fit(told["time"], ~(told["event"] | told["competing"]))

    def before(time: float) -> float:
        return float(uncensored.survival_function_at_times(time - 1e-9).iloc[0])

    rows, events = [], np.sort(told["time"][told["event"]])
    for i, time in enumerate(told["time"]):
        rows.append((0.0, time, told["event"][i], 1.0, values[i]))
        cuts = [time, *events[events > time]] if told["competing"][i] else []
        rows += [(a, b, False, before(b) / before(time), values[i]) for a, b in pairwise(cuts)]
    table = pd.DataFrame(rows, columns=["start", "stop", "event", "weight", "value"])
    known = lifelines.CoxPHFitter().fit(
        table, "stop", "event", entry_col="start", weights_col="weight", robust=True, show_progress=False
    )
    assert fit_subdistribution(values[:, None], **told).beta == pytest.approx(known.params_.to_numpy(), abs=1e-5)


def test_the_interval_of_a_subdistribution_hazard_ratio_covers_as_the_bootstrap_does():
    told, rng = drawn(150, seed=4), np.random.default_rng(4)
    is_high = rng.random(150) < 0.5
    found = incidence_difference(is_high, **told)
    sd = np.log(found.ratio.high / found.ratio.low) / (2 * 1.96)
    rows = [rng.integers(0, 150, 150) for _ in range(150)]
    betas = [np.log(incidence_difference(is_high[r], **{k: v[r] for k, v in told.items()}).ratio.value) for r in rows]
    assert sd == pytest.approx(np.std(betas), rel=0.2)
    with pytest.raises(MetricError, match="in one group"):
        incidence_difference(np.ones(150, dtype=bool), **told)


def fold_of(told: dict[str, np.ndarray], risk: np.ndarray) -> Fold:
    outcome = outcome_of(told)
    survival = np.tile([0.8, 0.5], (len(risk), 1))
    bins = TimeBins(np.array([-np.inf, 10.0, np.inf]))
    return Fold(0, Prediction(outcome.patients, risk, survival), outcome, outcome, bins)


def test_the_c_index_compares_with_whoever_had_another_event_as_with_one_who_never_has_it():
    told, risk = drawn(40, seed=5), np.random.default_rng(5).normal(size=40)
    time, event, competing = told.values()
    agreed = comparable = 0
    for i in np.flatnonzero(event):
        for j in range(40):
            if j != i and ((time[j] > time[i]) or competing[j] or (time[j] == time[i] and not event[j])):
                comparable += 1
                agreed += risk[i] > risk[j]
    fold = fold_of(told, risk)
    assert c_index(fold) == pytest.approx(agreed / comparable)
    assert c_index_of_draws(fold, np.ones((1, 40), dtype=np.int64))[0] == pytest.approx(agreed / comparable)


def test_the_brier_score_weighs_other_events_by_their_own_time():
    told = drawn(50, seed=6)
    time, event, competing = told.values()
    train, at = outcome_of(told), float(np.median(time))
    is_censored = ~(event | competing)  # of which alone the chance of not being censored tells, events before them
    chance = kaplan_meier(time=time + 1e-6 * is_censored, event=is_censored)
    survival = np.random.default_rng(6).random((50, 1))
    found = brier_terms(survival, np.array([at]), time=time, event=event, train=train, competing=competing)[:, 0]
    for i in range(50):
        weight = 1 / float(chance.at(np.array([min(time[i], at) + 1e-6]))[0])
        ended = event[i] or competing[i]
        wanted = (
            0.0
            if time[i] <= at and not ended
            else weight * (float(not (event[i] and time[i] <= at)) - survival[i, 0]) ** 2
        )
        assert found[i] == pytest.approx(wanted), i


def test_nobody_has_both_events():
    with pytest.raises(CohortError, match="1 patients have the event and a competing one: A"):
        Outcome(("A",), np.ones(1), np.ones(1, dtype=bool), np.ones(1, dtype=bool))
    with pytest.raises(MetricError, match="and a competing one"):
        aalen_johansen(time=np.ones(1), event=np.ones(1, dtype=bool), competing=np.ones(1, dtype=bool))
