"""Times of one column or several -> one time a patient, and whether leaving some out would change who is studied."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.cohort.columns import numbers_in
from prognoscope.core.errors import some
from prognoscope.core.tables import as_text

OF_EVENTS = re.compile(r"death|died|dead|decease|progression|recurrence|relapse", re.IGNORECASE)
OF_TIMES = re.compile(r"follow|last|contact|death|died|surviv|time|months|days_to|years", re.IGNORECASE)
OF_ELSE = re.compile(r"birth|age|diagnos|collection|sample|treatment|therapy|index", re.IGNORECASE)
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
COMMA = ", with a decimal comma"  # the end of a complaint
CHANCE = 0.01  # below it, those left out are of one status by more than luck
ONE_STATUS = 0.9  # the share of one status that is nearly all
MOVED = 0.05  # of the event rate, which is told


@dataclass(frozen=True, slots=True)
class Times:
    """A time for each patient in the unit of the table, and what is wrong with it."""

    number: Float[np.ndarray, " P"]
    complaints: tuple[str, ...]  # "" where it can be used
    warnings: tuple[str, ...] = ()


def read_times(rows: pd.DataFrame, columns: Sequence[str], event: Sequence[bool | None], source: str) -> Times:
    """The first of the columns that has a value; of several, columns of events are for patients with one.

    With [days_to_death, days_to_last_follow_up], in any order, the dead have the former and the living the latter. A
    patient with an event whose time is not there has that of last follow-up, which is told.

    Args:
        rows: One a patient.
        event: Of each, as far as it is known.
    """
    texts = {name: as_text(rows[name]) for name in columns}
    ends = [name for name in columns if OF_EVENTS.search(name)] if len(columns) > 1 else []
    others = [name for name in columns if name not in ends]
    numbers, complaints, late, early = [], [], [], []
    for patient, is_event in zip(rows.index, event, strict=True):
        there = {name: text for name in columns if (text := texts[name][patient]) is not None}
        order = [*ends, *others] if is_event else [*others, *ends] if ends and others else list(columns)
        name = next((each for each in order if each in there), None)
        if name is None:
            numbers.append(np.nan)
            complaints.append(f"{' and '.join(columns)} {'is' if len(columns) == 1 else 'are'} missing")
            continue
        value = numbers_in([there[name]])[0]
        numbers.append(value)
        complaints.append(_complaint(name, there[name], value))
        if is_event and name != order[0]:
            late.append(patient)
        if is_event is False and name in ends and others:
            complaints[-1] = complaints[-1] or f"is censored but has {name} {there[name]} and no {' or '.join(others)}"
        if is_event and ends and others and name in ends:
            after = numbers_in([there.get(each) for each in others])
            early += [patient] if np.nanmax(after, initial=-np.inf) > value else []
    warnings = []
    if late:
        first = ([*ends, *others] if ends else list(columns))[0]
        warnings.append(
            f"{source}: {len(late)} patients with an event have no {first}, so that the time of last follow-up stands "
            f"for that of their event: {some(late)}."
        )
    if early:
        warnings.append(
            f"{source}: {len(early)} patients were followed up after the time of their event ({', '.join(ends)}), "
            f"which counts: {some(early)}."
        )
    return Times(np.array(numbers, dtype=np.float64), tuple(complaints), tuple(warnings))


def _complaint(name: str, text: str, value: float) -> str:
    if np.isnan(value):
        comma = COMMA if re.fullmatch(r"-?\d+,\d+", text) else ""
        kind = "a date" if DATE.fullmatch(text) else "not a number"
        return f"{name} {text!r} is {kind}{comma}"
    if np.isinf(value):
        return f"{name} is infinite"
    return f"{name} {value:g} is {'zero' if value == 0 else 'negative'}" if value <= 0 else ""


def one_sided(event: Sequence[bool | None], why: Sequence[str]) -> str:
    """Why those without usable follow-up cannot be left out: that would choose patients by their outcome.

    Args:
        why: What is wrong with each patient; "" where nothing is.

    Returns:
        A sentence; "" where they can be left out.
    """
    lost = [each for each, reason in zip(event, why, strict=True) if reason]
    kept = [bool(each) for each, reason in zip(event, why, strict=True) if not reason]
    unclear = [each for each in lost if each is not True]
    if kept and all(kept) and len(unclear) >= 2:
        return (
            f"All {len(kept)} others have an event, and {len(unclear)} of these do not, or nobody knows: leaving them "
            "out would choose patients by outcome."
        )
    known = [each for each in lost if each is not None]
    if len(known) < 2:
        return ""
    is_event = sum(known) * 2 > len(known)
    alike, total = known.count(is_event), sum(each is is_event for each in event)
    everybody = len(kept) + len(known)
    from scipy.stats import hypergeom  # slow to import, and seldom needed

    chance = hypergeom.sf(alike - 1, everybody, total, len(known))
    zeros = sum(reason.endswith(" is zero") for reason in why)
    if not is_event and zeros == len(lost) and 2 * alike < total:
        return ""  # censored at once: they would teach nothing
    if alike < ONE_STATUS * len(known) or chance >= CHANCE:
        return ""
    words = ("have an event", "are censored")
    return (
        f"{alike} of these {len(known)} {words[not is_event]}, of all {everybody} only {total}: leaving them out would "
        "choose patients by outcome."
    )


def rates_moved(event: Sequence[bool | None], why: Sequence[str], source: str) -> tuple[str, ...]:
    """A sentence with the event rates before and after patients are left out, where they differ much."""
    known = [each for each in event if each is not None]
    kept = [each for each, reason in zip(event, why, strict=True) if not reason]
    before, after = (float(np.mean([bool(e) for e in each])) if each else 0.0 for each in (known, kept))
    if not kept or abs(after - before) < MOVED:
        return ()
    left = len(event) - len(kept)
    return (
        f"{source}: leaving out {left} patients without usable follow-up moves the share of events from {before:.1%} "
        f"to {after:.1%}, so those studied are no longer those of the table.",
    )


def other_times(table: pd.DataFrame, patients: pd.Series, lacking: Mapping[str, str], used: Sequence[str]) -> list[str]:
    """Columns that hold a time of nearly all patients who lack one.

    Args:
        patients: Of each row of the table.
    """
    of_lacking = table[patients.isin(set(lacking)).to_numpy()]
    found = []
    for name in of_lacking.columns:
        if name in used or not OF_TIMES.search(str(name)) or OF_ELSE.search(str(name)):
            continue
        values = numbers_in(as_text(of_lacking[name]))
        if len(values) and np.mean(values > 0) >= ONE_STATUS:
            found.append(str(name))
    return found
