"""How well risks order patients: Harrell's C with its counts, and Uno's C weighted for censoring."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.checks import checked_outcome, checked_risk
from prognoscope.evaluation.curves import censoring_curve

TIED_TOL = 1e-8  # risks no farther apart than this, ends included, are tied


@dataclass(frozen=True, slots=True)
class Concordance:
    """Harrell's C-index and the pairs it is made of."""

    value: float  # (concordant + tied_risk / 2) / comparable
    concordant: int
    discordant: int
    tied_risk: int  # comparable pairs whose risks are tied
    tied_time: int  # pairs of an event and a censoring at the same time; they are comparable too

    @property
    def comparable(self) -> int:
        """All pairs of which it is known who had the event first."""
        return self.concordant + self.discordant + self.tied_risk


def concordance(
    risk: Float[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    tied_tol: float = TIED_TOL,
) -> Concordance:
    """Harrell's C-index: how often, of two patients, the one with the higher risk had the event first. O(P log P).

    A pair is comparable if the earlier time is an event; an event and a censoring at the same time count as the
    event first; two events at the same time are not comparable. Tied risks count one half.

    Raises:
        MetricError: No event was observed, or no pair is comparable.

    Source: Harrell, Lee, Mark: Multivariable prognostic models. Statistics in Medicine 1996.
    """
    pairs = pairs_of_events(risk, time=time, event=event, tied_tol=tied_tol)
    concordant, tied, comparable = (int(n.sum()) for n in (pairs.concordant, pairs.tied_risk, pairs.comparable))
    value = (concordant + 0.5 * tied) / comparable
    return Concordance(value, concordant, comparable - concordant - tied, tied, int(pairs.tied_time.sum()))


def concordance_ipcw(
    risk: Float[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    train: Outcome,
    tau: float | None = None,
    tied_tol: float = TIED_TOL,
) -> float:
    """Uno's C-index: each pair weighs 1 / G^2 of its event, G being the chance of not being censored by then.

    Args:
        train: The patients from whom G is estimated.
        tau: Only events before this time, in months, count; None counts all.

    Raises:
        MetricError: No event before tau, no comparable pair, or an event where G is unknown or zero.

    Source: Uno et al.: On the C-statistics for evaluating overall adequacy of risk prediction procedures with
        censored survival data. Statistics in Medicine 2011.
    """
    pairs = pairs_of_events(risk, time=time, event=event, tied_tol=tied_tol)
    weight = uno_weights(time, event, train, tau)[pairs.patient]
    agreed = weight * (pairs.concordant + 0.5 * pairs.tied_risk)
    # never divided by 0: where the counted event is one that nobody outlived, the comparable ones came before it
    return float(agreed.sum() / (weight * pairs.comparable).sum())


def uno_weights(
    time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"], train: Outcome, tau: float | None
) -> Float[np.ndarray, " P"]:
    """1 / G(time)^2 of events before tau, 0 of all other patients.

    Raises:
        MetricError: No event lies before tau, or one lies where G is unknown or zero.
    """
    time, event = checked_outcome(time, event)
    counts = event if tau is None else event & (time < tau)
    if not counts.any():
        raise MetricError("No event was observed" + ("." if tau is None else f" before tau = {tau:g} months."))
    weight = np.zeros(len(time))
    weight[counts] = censoring_curve(train).weights(time[counts]) ** 2
    return weight


@dataclass(frozen=True, slots=True)
class PairsOfEvents:
    """For each of E events, the pairs in which it is the earlier one."""

    patient: Int[np.ndarray, " E"]  # position of the patient with the event
    comparable: Int[np.ndarray, " E"]
    concordant: Int[np.ndarray, " E"]
    tied_risk: Int[np.ndarray, " E"]
    tied_time: Int[np.ndarray, " E"]


def pairs_of_events(
    risk: Float[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    tied_tol: float = TIED_TOL,
) -> PairsOfEvents:
    """The pairs of each event, counted in O(P log P).

    Near ties are not transitive, so risks are never grouped: of the sorted risks, those that a given one exceeds by
    more than `tied_tol`, and those tied with it, are two stretches whose ends bisection finds with the very
    subtraction that defines a tie.

    Raises:
        MetricError: No event was observed, or no pair is comparable.
    """
    time, event = checked_outcome(time, event)
    risk = checked_risk(risk, len(time))
    if not event.any():
        raise MetricError(f"None of the {len(time)} patients had an event, so no pair of patients is comparable.")
    order = np.lexsort((~event, time))  # by time; at equal times events come first
    time, event, risk = time[order], event[order], risk[order]
    row = np.flatnonzero(event)

    same_start, same_end = np.searchsorted(time, time[row], "left"), np.searchsorted(time, time[row], "right")
    events_until = np.concatenate([[0], np.cumsum(event)])
    later = same_start + events_until[same_end] - events_until[same_start]  # all from here on outlived the event
    comparable = len(time) - later
    if not comparable.any():
        raise MetricError(
            f"No pair among {len(time)} patients is comparable: nobody was followed longer than an observed event."
        )

    by_risk = np.argsort(risk, kind="stable")
    ranked = risk[by_risk]
    rank = np.empty(len(risk), dtype=np.int64)
    rank[by_risk] = np.arange(len(risk))
    lower = _first(lambda at: risk[row] - ranked[at] <= tied_tol, len(risk), len(row))
    upper = _first(lambda at: ranked[at] - risk[row] > tied_tol, len(risk), len(row))
    below, up_to_ties = np.split(_count_below(rank, np.tile(later, 2), np.concatenate([lower, upper])), 2)
    return PairsOfEvents(order[row], comparable, below, up_to_ties - below, same_end - later)


def _first(is_true, n: int, queries: int) -> Int[np.ndarray, " Q"]:
    """For each query the first position in 0 ... n at which a claim, false then true, holds: bisection, all at once."""
    low, high = np.zeros(queries, dtype=np.int64), np.full(queries, n, dtype=np.int64)
    while np.any(searching := low < high):
        middle = (low + high) // 2
        holds = is_true(np.minimum(middle, n - 1))
        high = np.where(searching & holds, middle, high)
        low = np.where(searching & ~holds, middle + 1, low)
    return low


def _count_below(
    rank: Int[np.ndarray, " P"], start: Int[np.ndarray, " Q"], bound: Int[np.ndarray, " Q"]
) -> Int[np.ndarray, " Q"]:
    """For each query, how many of rank[start:] are less than its bound, in O((P + Q) log P): a wavelet matrix.

    Bit by bit from the highest, ranks are parted stably by the bit; a query whose bound has it set counts those
    of its stretch that have not, and goes on among the others.
    """
    count = np.zeros(len(start), dtype=np.int64)
    end = np.full(len(start), len(rank), dtype=np.int64)
    for bit in reversed(range(len(rank).bit_length())):
        is_one = (rank >> bit) & 1 == 1
        ones = np.concatenate([[0], np.cumsum(is_one)])
        bound_is_one = (bound >> bit) & 1 == 1
        zero_start, zero_end = start - ones[start], end - ones[end]
        count += np.where(bound_is_one, zero_end - zero_start, 0)
        zeros = len(rank) - ones[-1]
        start = np.where(bound_is_one, zeros + ones[start], zero_start)
        end = np.where(bound_is_one, zeros + ones[end], zero_end)
        rank = np.concatenate([rank[~is_one], rank[is_one]])
    return count
