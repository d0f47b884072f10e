"""C-indices against the definition pair by pair, against two libraries, and against laws."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.checks import checked_risk
from prognoscope.evaluation.concordance import TIED_TOL, Concordance, concordance, concordance_ipcw

from .cohorts import follow_ups, outcome, risks


def pair_by_pair(risk, time, event, tied_tol=TIED_TOL) -> tuple[int, int, int, int]:
    """The definition, read aloud."""
    concordant = discordant = tied_risk = tied_time = 0
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            if time[i] < time[j] or (time[i] == time[j] and not event[j]):
                tied_time += time[i] == time[j]
                tied = abs(risk[i] - risk[j]) <= tied_tol
                tied_risk += tied
                concordant += not tied and risk[i] > risk[j]
                discordant += not tied and risk[i] < risk[j]
    return concordant, discordant, tied_risk, tied_time


def counts(c: Concordance) -> tuple[int, int, int, int]:
    return c.concordant, c.discordant, c.tied_risk, c.tied_time


@given(data=st.data(), o=follow_ups())
def test_counts_are_those_of_the_definition_with_ties_and_near_ties(data, o):
    risk = data.draw(risks(len(o)))
    expected = pair_by_pair(risk, o.time, o.event)
    assume(sum(expected[:3]))
    ours = concordance(risk, time=o.time, event=o.event)
    assert counts(ours) == expected
    assert ours.value == (expected[0] + expected[2] / 2) / sum(expected[:3])
    assert ours.comparable == sum(expected[:3])


@given(data=st.data(), o=follow_ups(), tol=st.sampled_from([0.0, 1e-8, 0.5, 10.0]))
def test_counts_and_value_are_those_of_scikit_survival(data, o, tol):
    metrics = pytest.importorskip("sksurv.metrics")
    risk = data.draw(risks(len(o)))
    assume(sum(pair_by_pair(risk, o.time, o.event)[:3]))
    theirs = metrics.concordance_index_censored(o.event, o.time, risk, tied_tol=tol)
    ours = concordance(risk, time=o.time, event=o.event, tied_tol=tol)
    assert counts(ours) == theirs[1:]
    assert abs(ours.value - theirs[0]) <= 1e-12


@given(data=st.data(), o=follow_ups())
def test_value_is_that_of_lifelines(data, o):
    from lifelines.utils import concordance_index

    risk = data.draw(risks(len(o), near_ties=False))
    assume(sum(pair_by_pair(risk, o.time, o.event)[:3]))
    theirs = concordance_index(o.time, -risk, o.event)
    assert concordance(risk, time=o.time, event=o.event).value == pytest.approx(theirs, abs=1e-12)


def test_single_precision_risks_are_kept_as_they_are():
    pytest.importorskip("sksurv")
    from sksurv.metrics import concordance_index_censored

    generator = np.random.default_rng(3)
    time, event = generator.integers(1, 50, 400).astype(float), generator.random(400) < 0.5
    risk = (-4 + 1e-6 * generator.random(400)).astype(np.float32)
    theirs = concordance_index_censored(event, time, risk)
    assert counts(concordance(risk, time=time, event=event)) == theirs[1:]


def test_a_hundred_thousand_patients_are_counted_as_their_number_of_pairs_demands():
    generator = np.random.default_rng(0)
    n = 100_000
    time, event = generator.permutation(n).astype(float), np.ones(n, dtype=bool)
    ours = concordance(-time, time=time, event=event)
    assert counts(ours) == (n * (n - 1) // 2, 0, 0, 0)


@given(data=st.data(), o=follow_ups())
def test_turning_risks_around_mirrors_the_index(data, o):
    risk = data.draw(risks(len(o)))
    assume(sum(pair_by_pair(risk, o.time, o.event)[:3]))
    ahead, back = (concordance(sign * risk, time=o.time, event=o.event) for sign in (1, -1))
    assert (ahead.concordant, ahead.discordant, ahead.tied_risk) == (back.discordant, back.concordant, back.tied_risk)
    assert back.value == pytest.approx(1 - ahead.value, abs=1e-15)


@given(o=follow_ups(), seed=st.integers(0, 99))
def test_the_index_does_not_change_under_a_monotone_map_or_another_order_of_patients(o, seed):
    generator = np.random.default_rng(seed)
    risk = generator.permutation(len(o)).astype(float)
    assume(sum(pair_by_pair(risk, o.time, o.event)[:3]))
    plain = concordance(risk, time=o.time, event=o.event)
    assert concordance(np.exp(0.2 * risk) + risk**3, time=o.time, event=o.event) == plain
    order = generator.permutation(len(o))
    assert concordance(risk[order], time=o.time[order], event=o.event[order]) == plain


def test_closed_forms():
    time, event = np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, False])
    assert counts(concordance(np.array([4.0, 3.0, 2.0, 1.0]), time=time, event=event)) == (5, 0, 0, 1)
    assert concordance(np.zeros(4), time=time, event=event).value == 0.5
    chain = np.array([2e-8, 1e-8, 0.0, 5.0])  # near ties that are not transitive
    assert counts(concordance(chain, time=np.arange(4.0), event=np.ones(4, dtype=bool))) == (1, 3, 2, 0)


def test_an_undefined_index_is_an_error():
    time = np.array([1.0, 2.0])
    with pytest.raises(MetricError, match="None of the 2 patients had an event"):
        concordance(np.zeros(2), time=time, event=np.zeros(2, dtype=bool))
    with pytest.raises(MetricError, match="nobody was followed longer"):
        concordance(np.zeros(2), time=time, event=np.array([False, True]))
    with pytest.raises(MetricError, match=r"risk of 1 patients is not finite \(positions 1\)"):
        concordance(np.array([0.0, np.nan]), time=time, event=np.ones(2, dtype=bool))
    with pytest.raises(MetricError, match="no patients"):
        concordance(np.zeros(0), time=np.zeros(0), event=np.zeros(0, dtype=bool))
    with pytest.raises(MetricError, match="positions 1 are negative"):
        concordance(np.zeros(2), time=np.array([1.0, -2.0]), event=np.ones(2, dtype=bool))
    with pytest.raises(MetricError, match=r"shape \(2, 1\) are not one number a patient"):
        checked_risk(np.zeros((2, 1)), 2)


@given(data=st.data(), train=follow_ups(8), test=follow_ups(4))
def test_uno_is_that_of_scikit_survival(data, train, test):
    metrics = pytest.importorskip("sksurv.metrics")
    from sksurv.util import Surv

    risk = data.draw(risks(len(test)))
    tau = data.draw(st.sampled_from([None, 6.0, 9.5]))
    last = train.time.max() if tau is None else min(tau, train.time.max())
    assume(tau is None or tau <= train.time.max())
    counted = test.event & (test.time < (np.inf if tau is None else tau))
    assume(counted.any() and test.time[test.event].max() <= train.time.max() and last > 0)
    try:
        ours = concordance_ipcw(risk, time=test.time, event=test.event, train=train.outcome("T"), tau=tau)
    except MetricError:
        return
    theirs = metrics.concordance_index_ipcw(
        Surv.from_arrays(train.event, train.time), Surv.from_arrays(test.event, test.time), risk, tau=tau
    )[0]
    assert ours == pytest.approx(theirs, abs=1e-8)


def test_uno_without_censoring_is_harrell():
    generator = np.random.default_rng(5)
    time, risk = generator.exponential(size=60), generator.normal(size=60)
    everybody = outcome(time, np.ones(60, dtype=bool))
    known = {"time": time, "event": everybody.event}
    assert concordance_ipcw(risk, **known, train=everybody) == pytest.approx(concordance(risk, **known).value)


def test_an_event_at_tau_itself_does_not_count():
    everybody = outcome([1.0, 2.0, 3.0], [True] * 3)
    known = {"time": everybody.time, "event": everybody.event, "train": everybody}
    risk = np.array([0.0, 2.0, 1.0])  # the first event is below both of its pairs, the second above its one
    assert concordance_ipcw(risk, **known, tau=2.0) == 0
    assert concordance_ipcw(risk, **known, tau=2.5) == pytest.approx(1 / 3)


def test_uno_says_why_it_is_not_defined():
    train = outcome([1.0, 2.0, 5.0], [True, False, True])
    time, event = np.array([1.0, 6.0, 7.0]), np.array([True, True, False])
    with pytest.raises(MetricError, match="lies beyond the last training time, 5 months"):
        concordance_ipcw(np.zeros(3), time=time, event=event, train=train)
    with pytest.raises(MetricError, match="before tau = 0.5"):
        concordance_ipcw(np.zeros(3), time=time, event=event, train=train, tau=0.5)
    with pytest.raises(MetricError, match="censored by 3 months"):
        late = outcome([1.0, 3.0], [True, False])
        concordance_ipcw(np.zeros(2), time=np.array([3.0, 4.0]), event=np.array([True, False]), train=late)
