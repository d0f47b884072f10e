"""Clinical covariates -> columns of a Cox model, all learned from the patients it is fitted on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

FEWEST = 5  # patients of a category that gets a column of its own
UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Design:
    """How covariates become columns: numbers in units of their standard deviation, categories against the commonest."""

    numbers: tuple[tuple[str, float, float, float], ...]  # name, median (where missing), mean, sd
    categories: tuple[tuple[str, tuple[str, ...]], ...]  # name, levels with a column; all others are the reference

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Design":
        """Learn from these patients. What does not vary among them has no column."""
        numbers, categories = [], []
        for name in table:
            if pd.api.types.is_numeric_dtype(table[name]):
                median = float(table[name].median())
                filled = table[name].fillna(median).to_numpy(np.float64)
                if np.isfinite(median) and filled.std() > 0:
                    numbers.append((str(name), median, float(filled.mean()), float(filled.std())))
                continue
            counts = table[name].fillna(UNKNOWN).value_counts()
            levels = sorted(str(level) for level in counts.index[1:] if counts[level] >= FEWEST)
            if levels:
                categories.append((str(name), tuple(levels)))
        return cls(tuple(numbers), tuple(categories))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return (
            *(name for name, *_ in self.numbers),
            *(f"{n}={level}" for n, each in self.categories for level in each),
        )

    def columns(self, table: pd.DataFrame) -> Float[np.ndarray, "P V"]:
        """The columns of these patients."""
        parts = [
            (table[name].fillna(median).to_numpy(np.float64) - mean) / sd for name, median, mean, sd in self.numbers
        ]
        for name, levels in self.categories:
            words = table[name].fillna(UNKNOWN).to_numpy()
            parts += [(words == level).astype(np.float64) for level in levels]
        return np.column_stack(parts) if parts else np.zeros((len(table), 0))
