"""Days and years to months, and signs that a unit is not what somebody says."""

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.cohort.columns import numbers_in
from prognoscope.core.errors import CohortError, some
from prognoscope.core.tables import as_text, row_of

TimeUnit = Literal["months", "days", "years"]
DAYS_A_MONTH = 30.4375
MONTHS: dict[str, float] = {"days": 1 / DAYS_A_MONTH, "months": 1.0, "years": 12.0}  # in one unit
WORDS = {"day": "days", "month": "months", "year": "years", "yr": "years", "yrs": "years"}
WORDS |= {unit: unit for unit in MONTHS}
UNIT_COLUMNS = {"time_unit", "time_units", "unit", "units"}
LONGEST_MEDIAN, LONGEST = 400, 1200  # months: nobody's cohort was followed for longer
FEW = 0.1  # of the patients: what is odd in so few is wrong in them, not in the unit
ODD_MEDIAN, ODD, ODD_TIMES, ODD_FROM = 180, 480, 20, 240  # months: 15 and 40 years; times the median, from 20 years on
FACTOR = 20, 46  # about 30.4: the ratio of two medians that are the same in other units


def in_months(time: Float[np.ndarray, " P"], unit: TimeUnit) -> Float[np.ndarray, " P"]:
    """The same times in months: days / 30.4375, years * 12."""
    return time / DAYS_A_MONTH if unit == "days" else time * MONTHS[unit]


def refuse_two_units(table: pd.DataFrame, rows: pd.DataFrame, column: str, unit: TimeUnit, source: str) -> None:
    """Compare the stated unit with the column's name, with its other names in the table, and with its values.

    Args:
        table: As it was read.
        rows: One a patient, with the spreadsheet's row in `row`.

    Raises:
        CohortError: They speak of two units, or some patients were followed for more than a life.
    """
    named = units_in(column)
    if len(named) == 1 and unit not in named:
        raise CohortError(
            f"{source}: the column {column!r} is named after {next(iter(named))}, but time_unit says {unit}. "
            f"Set time_unit: {next(iter(named))}, or name a column in {unit}."
        )
    for name in table.columns:
        if str(name).lower() not in UNIT_COLUMNS:
            continue
        for i, word in enumerate(as_text(table[name])):
            if word is not None and WORDS.get(word.lower(), unit) != unit:
                raise CohortError(
                    f"{source}: {name} in row {row_of(table, i)} says {word}, but time_unit says {unit}. "
                    "Convert all times to one unit."
                )
    _compare_with_twin(table, column, unit, source)
    time = numbers_in(as_text(rows[column]))
    is_usable = np.isfinite(time) & (time > 0)
    usable = time[is_usable]
    if not len(usable):
        return
    months = in_months(usable, unit)
    is_long = months > LONGEST
    if is_long.any() and np.mean(is_long) <= FEW and np.median(months) <= LONGEST_MEDIAN:
        those = rows[is_usable][is_long]
        named = some(
            f"{p} in row {row} ({value:g})"
            for p, row, value in zip(those.index, those["row"], usable[is_long], strict=True)
        )
        raise CohortError(
            f"{source}: {column!r} of {is_long.sum()} patients is over {LONGEST // 12} years, in {unit}: {named}."
            " Correct these values; they may be in another unit, or mean missing."
        )
    if np.median(months) > LONGEST_MEDIAN or months.max() > LONGEST:
        likely = next((u for u in ("months", "days") if is_likely(in_months(usable, u)) and u != unit), "days")
        raise CohortError(
            f"{source}: {column!r} in {unit} means a median follow-up of {np.median(months):.0f} months and up to "
            f"{months.max():.0f}, so it looks like {likely}. Set time_unit: {likely}, or correct the column."
        )
    fractions = np.mean(usable != np.round(usable))
    if unit == "days" and fractions > 0.5 and usable.max() < LONGEST_MEDIAN:
        raise CohortError(
            f"{source}: {column!r} has fractions and ends at {usable.max():g}, so it looks like months, but time_unit "
            "says days. Set time_unit: months, or correct the column."
        )


def odd_times(months: Mapping[str, float], source: str) -> tuple[str, ...]:
    """Warnings on times that are possible and hardly plausible."""
    if not months:
        return ()
    median = float(np.median(list(months.values())))
    if median > ODD_MEDIAN:
        return (f"{source}: the median follow-up is {median:.0f} months, {median / 12:.0f} years. Is time_unit right?",)
    limit = min(ODD, max(ODD_TIMES * median, ODD_FROM))
    if odd := {p: each for p, each in months.items() if each > limit}:
        named = some(f"{patient} ({each:.0f})" for patient, each in odd.items())
        return (
            f"{source}: {len(odd)} patients were followed for more than {limit:.0f} months, where the median is "
            f"{median:.0f}: {named}. Are their times in another unit?",
        )
    return ()


def refuse_units_between_tables(months: Mapping[str, Float[np.ndarray, " _"]]) -> None:
    """Compare the tables of one cohort, whose medians should not differ by the days of a month.

    Raises:
        CohortError: Those of two tables do.
    """
    medians = {source: float(np.median(time)) for source, time in months.items() if len(time)}
    for (one, a), (other, b) in combinations(medians.items(), 2):
        if FACTOR[0] <= max(a, b) / min(a, b) <= FACTOR[1]:
            raise CohortError(
                f"{one} has a median follow-up of {a:.1f} months and {other} one of {b:.1f}, as if one were in days. "
                "Give each table its own time_unit."
            )


def refuse_units_between_patients(months: pd.Series, others: pd.Series, source: str, other: str) -> None:
    """Compare two tables that both tell the time of the same patients (two series indexed by patient).

    Raises:
        CohortError: The times of most of them differ by the days of a month, or of a year.
    """
    common = months.index.intersection(others.index)
    ratio = (others[common] / months[common]).replace([np.inf, -np.inf], np.nan).dropna()
    if len(ratio) and (FACTOR[0] <= (middle := float(max(ratio.median(), 1 / ratio.median()))) <= FACTOR[1]):
        raise CohortError(
            f"The times of {some(ratio.index, 3)} in {other} are {middle:.1f} times off those in {source}, "
            "as if one were in days. Give each table its own time_unit."
        )


def _compare_with_twin(table: pd.DataFrame, column: str, unit: str, source: str) -> None:
    """A table with os_days beside os_months: the two must agree."""
    stem = _without_unit(column)
    for twin in table.columns:
        named = units_in(str(twin))
        if twin == column or len(named) != 1 or _without_unit(str(twin)) != stem:
            continue
        other = next(iter(named))
        pair = pd.DataFrame({"a": pd.to_numeric(table[column], errors="coerce")})
        pair["b"] = pd.to_numeric(table[twin], errors="coerce")
        pair = pair[((pair > 0) & (pair < np.inf)).all(axis=1)]
        if not len(pair):
            continue
        ratio = float((pair["b"] * MONTHS[other] / (pair["a"] * MONTHS[unit])).median())
        if not 0.8 <= ratio <= 1.25:
            raise CohortError(
                f"{source}: {column!r} in {unit} and {twin!r} in {other} differ by a factor of "
                f"{max(ratio, 1 / ratio):.1f}. Correct time_unit or one of the two columns."
            )


def is_likely(months: Float[np.ndarray, " P"]) -> bool:
    """Whether anybody's cohort was followed for so long."""
    return bool(np.median(months) <= LONGEST_MEDIAN and months.max() <= LONGEST)


def words_in(name: str) -> list[str]:
    """The words of a column's name in small letters, however it joins them."""
    return [w.lower() for w in re.split(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])", name) if w]


def units_in(name: str) -> set[str]:
    """The units of time that a column's name tells."""
    return {WORDS[word] for word in words_in(name) if word in WORDS}


def _without_unit(name: str) -> tuple[str, ...]:
    return tuple(word for word in words_in(name) if word not in WORDS)
