"""The column of statuses -> whether the event was observed, patient by patient."""

import re
from collections import Counter
from collections.abc import Collection

import numpy as np
import pandas as pd
from jaxtyping import Bool

from prognoscope.core.errors import CohortError, some
from prognoscope.core.tables import as_text

OBSERVED, NOT_OBSERVED = frozenset({"1", "true"}), frozenset({"0", "false"})
CODED = re.compile(r"([01])\s*:\s*(.+)")  # cBioPortal's 1:DECEASED


def read_status(
    rows: pd.DataFrame,
    column: str,
    source: str,
    *,
    says_censored: bool,
    event_values: Collection[str] | None,
    censored_values: Collection[str] | None,
    competing_values: Collection[str] | None = None,
) -> list[bool | None]:
    """True where observed, False where censored or where another event came first, None where the table does not say.

    Args:
        rows: One a patient, with the spreadsheet's row in `row`.
        says_censored: The column's 1 means censored.

    Raises:
        CohortError: A word is neither, or named as both; says which words there are, and the setting that helps.
    """
    words = as_text(rows[column])
    if event_values is None and censored_values is None:
        observed, censored = (NOT_OBSERVED, OBSERVED) if says_censored else (OBSERVED, NOT_OBSERVED)
    else:
        observed, censored = (frozenset(map(_plain, each or ())) for each in (event_values, censored_values))
        if both := sorted(observed & censored):
            raise CohortError(f"event_values and censored_values both name {some(both)}. Leave it in one of them.")
    rivals = frozenset(map(_plain, competing_values or ()))
    if both := sorted(rivals & (observed | censored)):
        raise CohortError(f"competing_values names {some(both)}, which means observed or censored. Leave it in one.")
    at_end = censored | rivals  # follow-up ended without the event
    meaning = {word: _meaning(word, observed, at_end, coded=not says_censored) for word in dict.fromkeys(words)}
    others = {_plain(word) for word, is_event in meaning.items() if word is not None and is_event is None}
    if len(others) == 1 and (event_values is None) != (censored_values is None):
        meaning = {  # "Dead" alone is named, and all the rest say "Alive"
            word: event_values is None if word is not None and is_event is None else is_event
            for word, is_event in meaning.items()
        }
        others = set()
    if others:
        strange = words[[word is not None and meaning[word] is None for word in words]]
        patient, word = strange.index[0], strange.iloc[0]
        raise CohortError(
            f"{source}: {column} of {patient} in row {rows.at[patient, 'row']} is {word!r}, which is neither observed "
            f"({some(sorted(observed)) or 'none named'}) nor censored ({some(sorted(censored)) or 'none named'}). "
            f"{_cure(words, strange, event_values, censored_values)}"
        )
    return [meaning[word] for word in words]


def read_competing(
    rows: pd.DataFrame, column: str, source: str, competing_values: Collection[str] | None, *, may_lack: bool = False
) -> Bool[np.ndarray, " P"] | None:
    """Whether another event came first, which the event of interest cannot follow; None where nothing is said to.

    Args:
        may_lack: Nobody need have one, of patients who are only predicted.

    Raises:
        CohortError: None of the words is in the column.
    """
    if not competing_values:
        return None
    rivals = frozenset(map(_plain, competing_values))
    words = as_text(rows[column])
    found = np.array([word is not None and _plain(word) in rivals for word in words], dtype=bool)
    if not found.any() and not may_lack:
        raise CohortError(
            f"{source}: no {column} is {some(sorted(rivals))}, which competing_values names. The column holds "
            f"{some(dict.fromkeys(words.dropna()), 8)}. Correct competing_values, or leave it out."
        )
    return found


def _meaning(word: str | None, observed: frozenset[str], censored: frozenset[str], *, coded: bool) -> bool | None:
    if word is None:
        return None
    parts = CODED.fullmatch(word) if coded else None
    spellings = {_plain(word), *(map(_plain, parts.groups()) if parts else ())}
    return True if spellings & observed else False if spellings & censored else None


def _plain(word: str | None) -> str:
    """In small letters, with single blanks; 2.0 is 2."""
    text = " ".join(str(word).lower().split())
    return text.partition(".")[0] if re.fullmatch(r"-?\d+\.0+", text) else text


def _cure(
    words: pd.Series,
    strange: pd.Series,
    event_values: Collection[str] | None,
    censored_values: Collection[str] | None,
) -> str:
    counts = some((f"{word} ({n})" for word, n in Counter(words.dropna()).most_common()), 8)
    there = f"The column holds {counts}. "
    unknown = "Who is neither is left out with the field empty and bad_time: drop."
    left = ", ".join(f'"{word}"' if re.search(r"[:,#]", word) else word for word in list(dict.fromkeys(strange))[:5])
    if event_values is None and censored_values is None:
        return there + (
            "Correct it, or say with event_values which words mean that the event was observed, and with "
            "censored_values which mean that it was not; with competing_values those of another event that came first. "
            f"{unknown}"
        )
    if censored_values is None:
        return there + (
            f"Besides event_values, name those that mean censored, such as censored_values: [{left}], as far as they "
            f"do. {unknown}"
        )
    if event_values is None:
        return there + (
            f"Besides censored_values, name those that mean observed, such as event_values: [{left}], as far as they "
            f"do. {unknown}"
        )
    return there + f"Name it in event_values or in censored_values too, or correct it. {unknown}"
