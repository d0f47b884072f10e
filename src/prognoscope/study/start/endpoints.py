"""Which columns of a table tell a follow-up: times and statuses, paired by what their names have in common."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from prognoscope.cohort.columns import numbers_in
from prognoscope.cohort.status import CODED, NOT_OBSERVED, OBSERVED
from prognoscope.cohort.time_units import UNIT_COLUMNS, WORDS, units_in, words_in
from prognoscope.core.column_names import is_unnamed, plain_name
from prognoscope.core.errors import some
from prognoscope.core.tables import as_text
from prognoscope.omics.columns import OF_OUTCOME, tells_outcome

OVERALL = "overall survival"
SAYS_NOTHING = (
    frozenset(  # of which endpoint: such words are in the names of times and statuses of death from any cause
        {
            *(
                "alive",
                "at",
                "censor",
                "censored",
                "censoring",
                "censorship",
                "contact",
                "date",
                "dead",
                "death",
                "deceased",
            ),
            *(
                "died",
                "event",
                "events",
                "flag",
                "follow",
                "followup",
                "fu",
                "fustat",
                "futime",
                "in",
                "indicator",
                "is",
            ),
            *("known", "last", "of", "os", "overall", "stat", "status", "survival", "survived", "time", "times", "to"),
            *("until", "up", "vital", *WORDS),
        }
    )
)
DEAD = frozenset({"dead", "deceased", "died", "death", "expired"})
ALIVE = frozenset({"alive", "living", "live", "lost to follow-up", "censored"})
MOST_WORDS = 6  # of a column of statuses; more numbers are times
UNITS = ("months", "days", "years")  # best first


@dataclass(frozen=True, slots=True)
class Status:
    """How a column says whether the event was observed."""

    column: str
    key: str  # of the study: event or censored
    event_values: tuple[str, ...] = ()
    censored_values: tuple[str, ...] = ()
    question: str = ""  # what the table does not tell


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Times and statuses of one event."""

    name: str
    times: tuple[str, ...]  # several complete each other
    unit: str | None  # None: nothing tells it
    status: Status
    questions: tuple[str, ...] = field(default=())  # on what was chosen here among others, or is unknown


def find_endpoints(table: pd.DataFrame) -> list[Endpoint]:
    """The endpoints of a table with a time and a status each, overall survival first."""
    times, statuses = defaultdict(list), defaultdict(list)
    for column in map(str, table.columns):
        if is_unnamed(column) or not _may_tell(column):
            continue
        values = as_text(table[column]).dropna()
        stem = _stem(column)
        if _are_times(values) and (values.nunique() > MOST_WORDS or units_in(column)):
            times[stem].append(column)
        elif 0 < values.nunique() <= MOST_WORDS:
            statuses[stem].append(column)
    return [_endpoint(table, stem, times[stem], statuses[stem]) for stem in sorted(times) if statuses.get(stem)]


def _may_tell(column: str) -> bool:
    return tells_outcome(column) or OF_OUTCOME.fullmatch(plain_name(column)) is not None or _stem(column) == ""


def _stem(column: str) -> str:
    return " ".join(word for word in words_in(column) if word not in SAYS_NOTHING)


def _are_times(values: pd.Series) -> bool:
    numbers = numbers_in(values)
    numbers = numbers[np.isfinite(numbers)]
    return 2 * len(numbers) > len(values) and bool(np.mean(numbers >= 0) > 0.9)


def _endpoint(table: pd.DataFrame, stem: str, times: Sequence[str], statuses: Sequence[str]) -> Endpoint:
    chosen, others = _times(times)
    status = _status(table, _best_status(statuses))
    questions = [status.question] if status.question else []
    if others:
        questions.append(f"Times of the same event are also in {some(others)}.")
    if rest := [column for column in statuses if column != status.column]:
        questions.append(f"Its status is also in {some(rest)}.")
    unit = _unit(table, chosen)
    if unit is None:
        number = numbers_in(as_text(table[chosen[0]]))
        number = number[np.isfinite(number)]
        questions.append(
            f"Nothing says in which unit {chosen[0]} is; its median is {np.median(number):g}, its largest "
            f"{number.max():g}. Write time_unit."
        )
    return Endpoint(stem or OVERALL, chosen, unit, status, tuple(questions))


def _times(columns: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The columns to use, and those of other units or names that are left."""
    best = sorted(columns, key=lambda column: min([UNITS.index(unit) for unit in units_in(column)], default=len(UNITS)))
    until = {"death": [], "last": []}
    for column in best:
        words = set(words_in(column))
        if word := next((word for word in until if word in words), None):
            until[word].append(column)
    if until["death"] and until["last"] and units_in(best[0]) == units_in(until["death"][0]):
        chosen = (until["death"][0], until["last"][0])  # of those who died, and of the others
    else:
        chosen = (best[0],)
    return chosen, [column for column in best if column not in chosen]


def _unit(table: pd.DataFrame, times: Sequence[str]) -> str | None:
    told = set().union(*(units_in(column) for column in times))
    if not told:
        columns = [column for column in table.columns if str(column).lower() in UNIT_COLUMNS]
        told = {WORDS.get(str(word).lower(), "") for name in columns for word in as_text(table[name]).dropna()} - {""}
    return next(iter(told)) if len(told) == 1 else None


def _best_status(columns: Sequence[str]) -> str:
    """One that says by its name which of 0 and 1 is which, if there is any."""
    plain = {column: set(words_in(column)) for column in columns}
    clear = ({"event"}, {"censored", "censorship", "censor"}, {"dead", "died", "deceased", "death"}, {"vital"})
    return next((column for words in clear for column in columns if plain[column] & words), columns[0])


def _status(table: pd.DataFrame, column: str) -> Status:
    words = list(dict.fromkeys(as_text(table[column]).dropna()))
    plain = {word: " ".join(word.lower().split()) for word in words}
    says_censored = bool({"censor", "censored", "censorship", "censoring", "alive"} & set(words_in(column)))
    key = "censored" if says_censored else "event"
    if set(plain.values()) <= OBSERVED | NOT_OBSERVED:
        certain = says_censored or {"event", "dead", "died", "deceased", "death"} & set(words_in(column))
        doubt = (
            "" if certain else f"{column} holds {some(sorted(words))}: 1 is taken to mean that the event was observed."
        )
        return Status(column, key, question=doubt)
    if not says_censored and all(CODED.fullmatch(word) for word in words):
        return Status(column, key)
    dead = tuple(word for word in words if plain[word] in DEAD)
    alive = tuple(word for word in words if plain[word] in ALIVE)
    if (dead or alive) and len(dead) + len(alive) == len(words):
        return Status(column, "event", dead, alive)
    there = some(words, MOST_WORDS)
    ask = (
        f"{column} holds {there}: write those that mean observed into event_values, those of another event that came "
        "first into competing_values, the others into censored_values."
    )
    return Status(column, "event", question=ask)
