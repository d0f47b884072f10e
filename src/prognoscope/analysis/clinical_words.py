"""How covariates and their levels are called in tables and figures."""

import pandas as pd

MOST_VALUES = 4  # of a number that is shown value by value, such as 0 and 1
MOST_LEVELS = 8  # of a category; the others are one more
OTHERS = "all others"
SEXES = {"is_female": ("male", "female"), "is_male": ("female", "male")}


def spoken(name: str) -> str:
    """A covariate's name in words: `is_female` is `sex`."""
    return "sex" if name in SEXES else name.replace("_", " ")


def level_words(name: str, value: float) -> str:
    """A value of a number with few of them; of `is_female`, `female` or `male`; of others that begin so, yes or no."""
    if name.startswith("is_") and value in (0, 1):
        return SEXES.get(name, ("no", "yes"))[int(value)]
    return f"{value:g}"


def groups_of(column: pd.Series, *, halves: bool) -> pd.Series:
    """The group of each patient in words, None where it is not known; in the order of the category's levels.

    Args:
        halves: Whether a number with many values is parted at its median; else all of its patients have None.
    """
    name = str(column.name)
    if pd.api.types.is_numeric_dtype(column):
        values = sorted(column.dropna().unique())
        if len(values) <= MOST_VALUES:
            words = {value: level_words(name, float(value)) for value in values}
            return pd.Series(pd.Categorical(column.map(words), list(words.values())), index=column.index, name=name)
        middle = column.median()
        low, high = f"below {middle:g}", f"{middle:g} or more"
        known = column.map(lambda value: None if pd.isna(value) else high if value >= middle else low)
        return pd.Series(
            pd.Categorical(known if halves else [None] * len(column), [low, high]), column.index, name=name
        )
    words = column.astype(object).map(lambda word: None if pd.isna(word) or word == "" else word)
    counts = words.value_counts()
    if len(counts) > MOST_LEVELS + 1:
        kept = set(counts.index[:MOST_LEVELS])
        words = words.map(lambda word: word if word in kept else OTHERS, na_action="ignore")
    levels = sorted({str(word) for word in words.dropna()} - {OTHERS}) + [OTHERS] * (OTHERS in set(words.dropna()))
    return pd.Series(pd.Categorical(words, levels), index=column.index, name=name)
