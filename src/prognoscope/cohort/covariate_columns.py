"""A column of a clinical table -> a covariate that is a number or a category, never half of each."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from prognoscope.cohort.columns import numbers_in
from prognoscope.core.errors import CohortError, some
from prognoscope.core.tables import as_text, missing_words

COMMA = re.compile(r"-?\d+(,\d+)+")  # 62,5 and 1,234
BOUND = re.compile(r"(over|under|[<>≤≥]=?)\s*\d+(\.\d+)?|\d+(\.\d+)?\s*\+")  # >89, as portals hide the age of the old
MOST_LEVELS, FEWEST_A_LEVEL = 30, 20  # of a category; more levels, with fewer patients each, are refused
FEWEST_OF_IDS = 6  # levels, from which on nearly as many levels as patients are ids


def read_covariates(
    rows: pd.DataFrame, names: Sequence[str], source: str, categories: Collection[str] = ()
) -> pd.DataFrame:
    """Numbers as float with NaN, categories as text with None, of patients in the order of the rows.

    Args:
        rows: One a patient, with the spreadsheet's row in `row`.
        categories: Covariates that are categories, though some or all of their words are numbers.

    Raises:
        CohortError: A column holds numbers and words, decimal commas, or an infinite number.
    """
    read = {name: _read(rows[name], rows["row"], source, as_words=name in categories) for name in names}
    return pd.DataFrame(read, index=rows.index)


def words_taken_as_missing(rows: pd.DataFrame, columns: Sequence[str], source: str) -> list[str]:
    """A sentence for each column in which words say that a value is missing."""
    found = {name: missing_words(rows[name]) for name in dict.fromkeys(columns)}
    return [
        f"{source}: in {name}, {some((f'{word} ({n})' for word, n in words.most_common()), 8)} "
        f"{'means' if len(words) == 1 else 'mean'} missing."
        for name, words in found.items()
        if words
    ]


def join_covariates(tables: Sequence[pd.DataFrame], sources: Sequence[str]) -> pd.DataFrame:
    """The rows of all tables; what only some of them have is missing in the others.

    Raises:
        CohortError: A covariate is a number in one of them, and a category in another.
    """
    for name in dict.fromkeys(str(name) for table in tables for name in table):
        kinds = {}
        for table, source in zip(tables, sources, strict=True):
            if name in table and table[name].notna().any():
                kinds.setdefault("a number" if is_numeric_dtype(table[name]) else "a category", source)
        if len(kinds) > 1:
            told = " and ".join(f"{kind} in {source}" for kind, source in kinds.items())
            raise CohortError(
                f"The covariate {name!r} is {told}. Write it alike in both, or name it in cohort.clinical.categories."
            )
        if "a category" in kinds:
            tables = [table.assign(**{name: as_text(table[name])}) if name in table else table for table in tables]
    return pd.concat(tables)


def check_levels(covariates: pd.DataFrame, source: str) -> tuple[str, ...]:
    """Warnings on levels of categories that look like one, written in two ways.

    Raises:
        CohortError: A category has about as many levels as patients, or very many.
    """
    warnings = []
    for name in covariates:
        if covariates[name].dtype != object:
            continue
        counts = Counter(covariates[name].dropna())
        known = sum(counts.values())
        cure = "Remove it from cohort.clinical.covariates, or merge its levels."
        if len(counts) >= FEWEST_OF_IDS and 2 * len(counts) > known:
            raise CohortError(
                f"{source}: the covariate {name!r} has {len(counts)} words for {known} patients ({some(counts, 3)}), "
                f"so it tells patients apart as an id or a date does. {cure}"
            )
        if len(counts) > MOST_LEVELS and FEWEST_A_LEVEL * len(counts) > known:
            raise CohortError(
                f"{source}: the covariate {name!r} has {len(counts)} levels for {known} patients "
                f"({some(counts, 3)}), too few each to learn from. {cure}"
            )
        for alike in alike_levels(counts):
            named = " and ".join(f"{level!r} ({counts[level]})" for level in alike)
            warnings.append(
                f"{source}: levels of {name} differ in case or blanks only, and count as different: {named}. Write "
                "them alike."
            )
    return tuple(warnings)


def plain_level(word: str) -> str:
    """The same text for levels that differ in case or blanks only."""
    return "".join(unicodedata.normalize("NFKC", word).casefold().split())


def alike_levels(counts: Counter[str]) -> list[list[str]]:
    """The levels that differ from each other in case or blanks only."""
    groups: dict[str, list[str]] = {}
    for level in sorted(counts):
        groups.setdefault(plain_level(level), []).append(level)
    return [group for group in groups.values() if len(group) > 1]


def _read(column: pd.Series, row: pd.Series, source: str, *, as_words: bool) -> pd.Series:
    text = as_text(column)
    if as_words:
        return text
    known = {word.lower() for word in text if word is not None}
    if known and known <= {"true", "false"}:
        codes = [None if word is None else "01"[word.lower() == "true"] for word in text]
        text = pd.Series(codes, index=text.index, name=text.name, dtype=object)
    number = pd.Series(numbers_in(text), index=column.index, name=column.name)
    words = text[number.isna() & text.notna()]
    commas = [word for word in words if COMMA.fullmatch(word)]
    if len(words) and (number.notna().any() or commas):
        raise CohortError(_mixture(words, row, source, int(number.notna().sum())))
    if len(words):
        return text
    if np.isinf(number).any():
        raise CohortError(f"{source}: {column.name} of {some(column.index[np.isinf(number)])} is infinite. Correct it.")
    return number


def _mixture(words: pd.Series, row: pd.Series, source: str, numbers: int) -> str:
    counts = Counter(words)
    first = {word: str(patient) for patient, word in reversed(list(words.items()))}
    place = row.to_dict()
    named = some(f"{word!r} ({n}: {first[word]} in row {place[first[word]]})" for word, n in counts.most_common())
    more = ""
    if any(COMMA.fullmatch(word) for word in counts):
        more = "Save the table with decimal points and without marks of thousands. "
    elif bounds := [word for word in counts if BOUND.fullmatch(word.lower())]:
        more = f"For {bounds[0]!r}, which hides a number, write one, such as {_hidden(bounds[0])}. "
    if not numbers and more:
        return f"{source}: the covariate {words.name!r} has numbers with commas: {named}. {more.strip()}"
    return (
        f"{source}: the covariate {words.name!r} is a number for {numbers} patients and a word for {len(words)}: "
        f"{named}. {more}Correct these fields, or leave them empty, which means missing; if it is a category, name it "
        "in cohort.clinical.categories."
    )


def _hidden(bound: str) -> str:
    number = float(re.sub(r"[^\d.]", "", bound))
    return f"{number + (-1 if bound.lower().startswith(('<', '≤', 'under')) else 1):g}"
