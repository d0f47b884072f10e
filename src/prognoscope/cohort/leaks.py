"""Inputs that tell the outcome: single columns which order patients as no gene and no covariate does.

A column is refused where it is strong and not by chance. Strong: it has a C-index above 0.95 (or below 0.05), parts
patients with an event from the others as well, or equals the time but for scale, sign or logarithm. Not by chance: with
as many columns as were looked at, one so strong would come up by luck in fewer than a hundredth of cohorts of the same
follow-up. So ten patients with 20,000 genes, of which some order them well by luck, are not held against anybody.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import comb, factorial

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from pandas.api.types import is_numeric_dtype

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.distributions import ranks_of, two_sided_normal, two_sided_t
from prognoscope.core.errors import CohortError, some

STRONG_C, STRONG_AUC, STRONG_RANKS, STRONG_LINE = 0.95, 0.98, 0.99, 0.9999
CHANCE = 0.001  # of all columns together, for each of the eight ways to be strong: together below a hundredth
PROMISING = 0.6  # of the largest correlation that a column could have: below it, no column has a C-index that strong
BLOCK = 2000  # columns at once, for memory
FLAT = 1e-10  # of the squares of a column: what its values differ by is rounding
ROUNDING = 1e-6  # tables are no more exact than that, nor are correlations


@dataclass(frozen=True, slots=True)
class Leak:
    """A column that tells the outcome, and how."""

    column: str
    how: str

    def __str__(self) -> str:
        return f"{self.column} ({self.how})"


def refuse_leaks(cohort: Cohort, allowed: Collection[str]) -> Cohort:
    """The cohort, if none of its genes and covariates tells the outcome; its account tells of those that are allowed.

    Args:
        allowed: Columns that may, since they were known when follow-up began.

    Raises:
        CohortError: One that is not allowed does.
    """
    found: list[Leak] = []
    if cohort.covariates is not None:
        found += _leaks(cohort, _indicators(cohort.covariates))
    if cohort.omics is not None:
        found += _leaks(cohort, cohort.omics.values)
    found = list({leak.column: leak for leak in found}.values())
    if refused := [leak for leak in found if leak.column not in allowed]:
        genes = cohort.omics is not None and any(leak.column in cohort.omics.values for leak in refused)
        where = "the gene table" if genes else "cohort.clinical.covariates"
        raise CohortError(
            f"{len(refused)} inputs tell the outcome: {some(refused)}. No measurement does so: they were most likely "
            f"made from the follow-up. Remove them from {where}, or, if they were known when follow-up began, name "
            "them in cohort.clinical.not_outcomes."
        )
    if not found:
        return cohort
    told = f"Inputs that tell the outcome were allowed by cohort.clinical.not_outcomes: {some(found)}."
    return cohort.told(warnings=(told,))


def _indicators(covariates: pd.DataFrame) -> pd.DataFrame:
    """Numbers as they are, categories as a column of 0 and 1 for each level, all under the covariate's name."""
    columns, names = [], []
    for name in covariates:
        column = covariates[name]
        levels = [None] if is_numeric_dtype(column) else sorted(set(column.dropna()))
        for level in levels:
            names.append(name)
            columns.append(column if level is None else (column == level).astype(float).where(column.notna()))
    return pd.DataFrame(dict(enumerate(columns)), index=covariates.index).set_axis(names, axis=1)


def _leaks(cohort: Cohort, table: pd.DataFrame) -> list[Leak]:
    place = {patient: i for i, patient in enumerate(cohort.patients)}
    rows = np.array([i for i, patient in enumerate(table.index) if patient in place], dtype=np.int64)
    if len(rows) < 4 or not len(table.columns):
        return []
    which = np.array([place[patient] for patient in table.index[rows]], dtype=np.int64)
    time, event = cohort.outcome.time[which].astype(np.float64), cohort.outcome.event[which]
    values = table.to_numpy(np.float64 if len(table.columns) < BLOCK else np.float32)[rows]
    found = []
    for start in range(0, values.shape[1], BLOCK):
        block = values[:, start : start + BLOCK]
        for i, how in _strong(block, time, event, len(table.columns)):
            found.append(Leak(str(table.columns[start + i]), how))
    return found


def _strong(
    values: Float[np.ndarray, "P G"], time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"], columns: int
) -> list[tuple[int, str]]:
    """Positions of the columns that tell the outcome, each with how."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    ranks = np.where(known, ranks_of(np.where(known, values, np.inf)), 0.0)
    precedes, preceded = _comparable(time, event)
    lead = (precedes - preceded).astype(np.float64)
    found: dict[int, str] = {}
    of_time = _correlation(ranks, ranks_of(time), known)
    for i in np.flatnonzero(np.abs(of_time) > STRONG_RANKS).tolist():
        if columns * max(_chance(of_time[i], int(count[i])), 2 / factorial(min(int(count[i]), 20))) < CHANCE:
            found[i] = f"it orders patients as their times do, rank correlation {of_time[i]:.3f}"
    died = known & event[:, None]
    for name, scale in (("time", time), ("logarithm of the time", np.log(np.maximum(time, 1e-9)))):
        for whose, mask in ((" of patients with an event", died), ("", known)):
            line = _correlation(np.where(mask, values, 0.0), scale, mask)
            of = mask.sum(axis=0)
            for i in np.flatnonzero(np.abs(line) > STRONG_LINE).tolist():
                among = mask[:, i]
                in_order = np.corrcoef(ranks_of(values[among, i]), ranks_of(time[among]))[
                    0, 1
                ]  # else one far value makes a line
                if abs(in_order) > STRONG_RANKS and columns * _chance(line[i], int(of[i])) < CHANCE:
                    found[i] = f"it is the {name}{whose} but for scale, correlation {line[i]:.5f}"
    auc, of_chance = _auc(ranks, event, known)
    for i in np.flatnonzero(np.abs(auc - 0.5) > STRONG_AUC - 0.5).tolist():
        if columns * of_chance[i] < CHANCE:
            found[i] = f"it tells who has an event, AUC {max(auc[i], 1 - auc[i]):.3f}"
    best = _correlation(ranks_of(lead)[:, None], lead, np.ones((len(lead), 1), dtype=bool))[0]
    score = _correlation(ranks, lead, known)
    for i in np.flatnonzero(np.abs(score) > PROMISING * best).tolist():
        if i not in found and (how := _by_concordance(values[:, i], time, event, columns)):
            found[i] = how
    return sorted(found.items())


def _by_concordance(
    column: Float[np.ndarray, " P"], time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"], columns: int
) -> str:
    known = ~np.isnan(column)
    column, time, event = column[known], time[known], event[known]
    precedes, preceded = _comparable(time, event)
    pairs = precedes.sum()
    if not pairs:
        return ""
    concordant = sum(
        np.sign(column[i] - column[(time > time[i]) | ((time == time[i]) & ~event)]).sum()
        for i in np.flatnonzero(event).tolist()
    )
    c = 0.5 + concordant / pairs / 2
    lead = (precedes - preceded).astype(np.float64)
    spread = np.sqrt(pairs + (np.sum(lead**2) - 2 * pairs) / 3)  # if patients were shuffled
    if max(c, 1 - c) <= STRONG_C or columns * two_sided_normal(concordant / spread) >= CHANCE:
        return ""
    return f"C-index {max(c, 1 - c):.3f} by itself"


def _comparable(time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"]) -> tuple[np.ndarray, np.ndarray]:
    """How many patients each is known to precede, by an event before their follow-up ended; and how many precede it."""
    of_all, of_events, of_others = np.sort(time), np.sort(time[event]), np.sort(time[~event])
    later = len(time) - np.searchsorted(of_all, time, "right")
    precedes = np.where(event, later + _equal(of_others, time), 0)
    preceded = np.searchsorted(of_events, time, "left") + np.where(event, 0, _equal(of_events, time))
    return precedes, preceded


def _equal(ascending: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How many are equal to each value."""
    return np.searchsorted(ascending, values, "right") - np.searchsorted(ascending, values, "left")


def _correlation(
    values: Float[np.ndarray, "P G"], other: Float[np.ndarray, " P"], known: Bool[np.ndarray, "P G"]
) -> Float[np.ndarray, " G"]:
    """Pearson's, column by column over the patients whose value is known; unknown ones are 0 in `values`."""
    n = np.maximum(known.sum(axis=0), 1)
    mean, mean_other = values.sum(axis=0) / n, other @ known / n
    spread = np.where(known, values - mean, 0.0)
    square = (spread**2).sum(axis=0)
    square_other = (other**2) @ known - n * mean_other**2
    product = other @ spread  # centred once is enough
    with np.errstate(divide="ignore", invalid="ignore"):
        r = product / np.sqrt(square * square_other)
    is_flat = square <= FLAT * (values**2).sum(axis=0)  # but for rounding
    return np.where(np.isfinite(r) & ~is_flat, np.clip(r, -1, 1), 0.0)


def _auc(
    ranks: Float[np.ndarray, "P G"], event: Bool[np.ndarray, " P"], known: Bool[np.ndarray, "P G"]
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
    """How well each column parts patients with an event from the others, and how likely that is by chance."""
    events, others = (each.astype(np.float64) @ known for each in (event, ~event))
    pairs = np.maximum(events * others, 1.0)
    auc = np.where(events * others > 0, (event @ ranks - events * (events + 1) / 2) / pairs, 0.5)
    chance = two_sided_normal((auc - 0.5) / np.sqrt((events + others + 1) / 12 / pairs))
    sizes, place = np.unique(np.stack([events, others]).astype(np.int64), axis=1, return_inverse=True)
    perfect = np.array([2 / comb(int(n + m), int(n)) for n, m in sizes.T])[np.ravel(place)]
    return auc, np.maximum(chance, perfect)


def _chance(r: float, n: int) -> float:
    """Two-sided, of a correlation of n pairs."""
    return 1.0 if n < 3 else two_sided_t(r * np.sqrt((n - 2) / max(1 - r**2, ROUNDING)), n - 2)
