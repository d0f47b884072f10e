"""What became of each covariate: read as what, missing where, filled by what, left out why; and what is new to it."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.covariate_columns import plain_level
from prognoscope.cohort.covariates import Categories, CovariateEncoder, NumericColumn
from prognoscope.cohort.splits import Split
from prognoscope.core.errors import some
from prognoscope.core.tables import as_text
from prognoscope.core.words import count

LEVELS_SHOWN = 30
NO_CATEGORY = "no category"
FAR = 0.5  # of the range in training, beyond it: what lies further off is most likely in another unit


def tell_covariates(cohort: Cohort, splits: Sequence[Split]) -> tuple[dict[str, str], ...]:
    """A row for each covariate, as text: what it is, its values, and what each fold's training part makes of it."""
    if cohort.covariates is None:
        return ()
    table = cohort.covariates.reindex(list(cohort.patients))
    encoders = {
        split.fold: CovariateEncoder.fit(table.reindex([*split.train, *split.validation]))
        for split in sorted(splits, key=lambda split: split.fold)
    }
    tested = {split.fold: split.test for split in splits}
    rows = []
    for name in table:
        known = table[name].dropna()
        missing = len(table) - len(known)
        is_number = pd.api.types.is_numeric_dtype(table[name])
        columns = {fold: _column(encoder, name) for fold, encoder in encoders.items()}
        used = [
            *_left_out(columns),
            *_unseen_in_tests({f: c for f, c in columns.items() if isinstance(c, Categories)}, table[name], tested),
        ]
        rows.append(
            {
                "covariate": str(name),
                "read as": "number" if is_number else "category",
                "values": _range(known) if is_number else _levels(known),
                "missing": str(missing),
                "filled with": _filled(columns.values()) if missing else "",
                "used": "; ".join(used) or ("in all folds" if encoders else ""),
            }
        )
    return tuple(rows)


def tell_strangers(encoders: Sequence[CovariateEncoder], table: pd.DataFrame) -> tuple[str, ...]:
    """What of new patients' covariates the models of all folds never saw: words, numbers far outside, gaps."""
    told = []
    for name in dict.fromkeys(column.name for encoder in encoders for column in encoder.columns):
        if name not in table:
            continue
        columns = [found for encoder in encoders if (found := _column(encoder, name)) is not None]
        new = table[name]
        if gaps := int(new.isna().sum()):
            filled = _filled(columns)
            stands = f", and {filled} stands for it" if filled == NO_CATEGORY else f"; {filled}, stands for it"
            told.append(f"{name} of {gaps} of {count(len(new), 'patient')} is missing{stands}.")
        numbers = [column for column in columns if isinstance(column, NumericColumn)]
        told += _far(name, numbers, new) if numbers else _unseen(name, columns, new, len(encoders))
    return tuple(told)


def _column(encoder: CovariateEncoder, name: object) -> NumericColumn | Categories | None:
    return next((column for column in encoder.columns if column.name == name), None)


def _range(known: pd.Series) -> str:
    if not len(known):
        return "none"
    return f"{known.min():g} to {known.max():g}, median {known.median():g}"


def _levels(known: pd.Series) -> str:
    return some((f"{level}: {n}" for level, n in Counter(known).most_common()), LEVELS_SHOWN)


def _filled(columns) -> str:
    columns = [column for column in columns if column is not None]
    medians = [column.median for column in columns if isinstance(column, NumericColumn)]
    if medians:
        low, high = min(medians), max(medians)
        return f"the training median, {low:g}" + (f" to {high:g} by fold" if high > low else "")
    return NO_CATEGORY if columns else ""


def _left_out(columns) -> list[str]:
    folds = [str(fold) for fold, column in columns.items() if column is None]
    if not folds:
        return []
    where = "all folds" if len(folds) == len(columns) else f"fold {some(folds)}"
    return [f"left out in {where}: constant or empty in training"]


def _unseen_in_tests(columns, values: pd.Series, tested) -> list[str]:
    told = []
    for fold, column in columns.items():
        unseen = Counter(as_text(values.reindex(list(tested[fold])).dropna()))
        unseen = {level: n for level, n in unseen.items() if level not in column.values}
        if unseen:
            named = some(f"{level} ({n})" for level, n in unseen.items())
            told.append(f"tested in fold {fold}, but not in its training: {named}")
    return told


def _far(name: str, columns: Sequence[NumericColumn], new: pd.Series) -> list[str]:
    bounds = [(column.low, column.high) for column in columns if column.low is not None and column.high is not None]
    if not bounds:
        return []  # of models that were trained before this was kept
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    margin = FAR * (high - low)
    number = pd.to_numeric(new, errors="coerce")
    outside = number[(number < low - margin) | (number > high + margin)]
    if not len(outside):
        return []
    named = some((f"{patient} ({value:g})" for patient, value in outside.items()), 3)
    return [
        f"{name} of {len(outside)} of {count(len(new), 'patient')} lies far outside training, where it went from "
        f"{low:g} to {high:g}: {named}. Is it in the same unit? Their predictions are not to be trusted."
    ]


def _unseen(name: str, columns: Sequence[NumericColumn | Categories], new: pd.Series, folds: int) -> list[str]:
    known = Counter(value for column in columns if isinstance(column, Categories) for value in column.values)
    told = []
    words = Counter(as_text(new).dropna())
    if never := {word: n for word, n in words.items() if word not in known}:
        named = some((_with_guess(word, n, list(known)) for word, n in never.items()), 8)
        told.append(
            f"{name} of {sum(never.values())} of {count(len(new), 'patient')} is a word that training never had, which "
            f"counts as none: {named}. Training had {some(sorted(known), 8)}."
        )
    if some_folds := {word: n for word, n in words.items() if 0 < known[word] < folds}:
        named = some(f"{word} ({n}), by {known[word]} of {folds} models" for word, n in some_folds.items())
        told.append(f"{name}: words that only some of the models had in training: {named}.")
    return told


def _with_guess(word: str, n: int, known: Sequence[str]) -> str:
    alike = [level for level in known if plain_level(level) == plain_level(word)]
    return f"{word} ({n}; did you mean {alike[0]}?)" if alike else f"{word} ({n})"
