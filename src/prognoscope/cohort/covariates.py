"""Clinical covariates -> numbers: gaps filled, scaled, categories spread out, all learned from training patients."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.core.errors import CohortError, nearest, some
from prognoscope.core.tables import as_text


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """A number: the training median where missing, then (value - mean) / sd."""

    name: str
    median: float
    mean: float
    sd: float
    missing: int  # training patients without a value
    low: float | None = None  # the least and the most in training; None in models of before these were kept
    high: float | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it becomes."""
        return (self.name,)

    def encode(self, column: pd.Series) -> Float[np.ndarray, "P 1"]:
        """Scaled values.

        Raises:
            CohortError: A value is not a number.
        """
        number = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        bad = column[np.isnan(number) & column.notna().to_numpy() | np.isinf(number)]
        if len(bad):
            raise CohortError(
                f"The covariate {self.name!r} was a number in training, but is {bad.iloc[0]!r} for {some(bad.index)}. "
                "Correct the value, or leave it empty."
            )
        filled = np.where(np.isnan(number), self.median, number)
        return ((filled - self.mean) / self.sd)[:, None]


@dataclass(frozen=True, slots=True)
class Categories:
    """A word: one column a category of training, 1 where it applies; all 0 where missing or never seen."""

    name: str
    values: tuple[str, ...]
    missing: int

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it becomes."""
        return tuple(f"{self.name}={value}" for value in self.values)

    def encode(self, column: pd.Series) -> Float[np.ndarray, "P C"]:
        """A one in the column of each patient's category."""
        words = as_text(column).to_numpy()
        return np.stack([(words == value).astype(np.float64) for value in self.values], axis=1)


@dataclass(frozen=True, slots=True)
class CovariateEncoder:
    """How covariates become columns."""

    columns: tuple[NumericColumn | Categories, ...]
    left_out: tuple[str, ...] = ()  # the same for all training patients, or missing for all of them

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the V encoded columns: age, stage=II."""
        return tuple(name for column in self.columns for name in column.outputs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was filled and left out, in sentences."""
        filled = [c for c in self.columns if c.missing]
        notes = [
            f"{c.name} of {c.missing} training patients was missing and "
            f"{f'filled with the median {c.median:g}' if isinstance(c, NumericColumn) else 'got no category'}."
            for c in filled
        ]
        notes += [f"The covariate {name} is constant or empty in training and was left out." for name in self.left_out]
        return tuple(notes)

    @classmethod
    def fit(cls, training: pd.DataFrame) -> "CovariateEncoder":
        """Learn from the rows of training patients."""
        columns: list[NumericColumn | Categories] = []
        left_out = []
        for name in training.columns:
            known = training[name].dropna()
            missing = len(training) - len(known)
            if known.nunique() < 2:
                left_out.append(str(name))
            elif pd.api.types.is_numeric_dtype(training[name]):
                median = float(known.median())
                filled = training[name].fillna(median).to_numpy(np.float64)
                about = (
                    median,
                    float(filled.mean()),
                    float(filled.std()),
                    missing,
                    float(known.min()),
                    float(known.max()),
                )
                columns.append(NumericColumn(str(name), *about))
            else:
                columns.append(Categories(str(name), tuple(sorted(set(as_text(known).dropna()))), missing))
        return cls(tuple(columns), tuple(left_out))

    def transform(self, table: pd.DataFrame) -> Float[np.ndarray, "P V"]:
        """The encoded covariates of these rows, float32.

        Raises:
            CohortError: A column of training is not there.
        """
        if missing := [column.name for column in self.columns if column.name not in table]:
            raise CohortError(
                f"The covariates {some(missing)} of training are missing in the clinical table; "
                f"{nearest(missing[0], map(str, table.columns))} Name them in cohort.clinical.covariates."
            )
        parts = [column.encode(table[column.name]) for column in self.columns]
        return np.concatenate([np.zeros((len(table), 0)), *parts], axis=1).astype(np.float32)

    def to_dict(self) -> dict[str, object]:
        """JSON-able and exact."""
        columns = []
        for c in self.columns:
            if isinstance(c, NumericColumn):
                columns.append(asdict(c))
            else:
                columns.append({"name": c.name, "values": list(c.values), "missing": c.missing})
        return {"columns": columns, "left_out": list(self.left_out)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "CovariateEncoder":
        """What `to_dict` gave.

        Raises:
            CohortError: Something is missing in it.
        """
        try:
            columns = tuple(_column(each) for each in _mappings(stored["columns"]))
            return cls(columns, tuple(map(str, stored.get("left_out", ()))))
        except (KeyError, TypeError) as cause:
            raise CohortError(f"The stored preparation of covariates is incomplete ({cause}). Train again.") from cause


def _mappings(stored: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(stored, list):
        raise TypeError("columns are no list")
    return stored


def _column(stored: Mapping[str, Any]) -> NumericColumn | Categories:
    if "values" in stored:
        return Categories(str(stored["name"]), tuple(stored["values"]), stored["missing"])
    known = {key: stored[key] for key in ("name", "median", "mean", "sd", "missing")}
    return NumericColumn(**known, low=stored.get("low"), high=stored.get("high"))
