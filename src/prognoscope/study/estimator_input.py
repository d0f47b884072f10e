"""Tables and outcomes as users of scikit-learn hold them -> a cohort; whatever is in them is met by a sentence."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import WORDS, Cohort
from prognoscope.core.errors import InputError, nearest, some
from prognoscope.core.outcome import Outcome
from prognoscope.features.store import Embeddings, PackedEmbeddings, pack_embeddings
from prognoscope.models.profile import Profile
from prognoscope.omics.tables import OmicsTable

FORMS_OF_Y = (
    "Give y as scikit-survival does: a structured array with event first and time second, such as "
    "sksurv.util.Surv.from_arrays(event, time), or the pair (event, time)."
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of X in their order, and what each is."""

    names: tuple[str, ...]
    is_named: bool  # by X; else x0, x1, ...
    covariates: tuple[str, ...]
    bags: str | None

    @classmethod
    def of(cls, table: pd.DataFrame, covariates: Sequence[str] | str | None, bags: str | None) -> "Columns":
        """Those of a table as `read_table` gives it.

        Args:
            covariates: Names of columns, "all", or None.
            bags: The name of a column, or None.

        Raises:
            InputError: One that is named is not there, or is named as both.
        """
        names, is_named = _named(table)
        if not names:
            raise InputError(f"X has 0 feature(s) (shape={table.shape}) while a minimum of 1 is required.")
        if bags is not None and bags not in names:
            raise InputError(f"bags names the column {bags!r}, which X has not; {nearest(bags, names)}")
        is_list = isinstance(covariates, Iterable) and not isinstance(covariates, str)
        if not (is_list or covariates in (None, "all")):
            raise InputError(f"covariates is {covariates!r}. Give a list of columns, such as ['age'], or 'all'.")
        chosen = [name for name in names if name != bags] if isinstance(covariates, str) else list(covariates or ())
        if strange := [name for name in chosen if name not in names]:
            raise InputError(f"covariates names {some(strange)}, which X has not; {nearest(str(strange[0]), names)}")
        if bags in chosen:
            raise InputError(
                f"The column {bags!r} is named both as bags and among covariates. Take it off one of them."
            )
        return cls(names, is_named, tuple(chosen), bags)

    @property
    def genes(self) -> tuple[str, ...]:
        """The columns that are neither covariates nor bags."""
        others = {*self.covariates, self.bags}
        return tuple(name for name in self.names if name not in others)

    def sorted(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns of another X, in this order.

        Raises:
            InputError: Some are missing, some were not there in `fit`, or only one of the two has names.
        """
        names, is_named = _named(table)
        if len(names) != len(self.names) and not (is_named and self.is_named):
            raise InputError(
                f"X has {len(names)} features, but PrognoscopeSurvival is expecting {len(self.names)} features as "
                "input, as many as in fit."
            )
        if is_named != self.is_named:
            mine, other = ("names", "none") if is_named else ("no names", "some")
            raise InputError(f"The columns of X have {mine}, and had {other} in fit. Give X in the form of fit.")
        if missing := [name for name in self.names if name not in names]:
            raise InputError(
                f"X lacks {len(missing)} of the {len(self.names)} columns of fit: {some(missing)}; "
                f"{nearest(missing[0], names)}"
            )
        if strange := [name for name in names if name not in self.names]:
            raise InputError(f"X has {len(strange)} columns that fit did not see: {some(strange)}. Leave them out.")
        return table.set_axis(list(names), axis=1)[list(self.names)]


@dataclass(frozen=True, slots=True)
class Given:
    """The patients of an X: a cohort, and their bags."""

    cohort: Cohort
    bags: Mapping[str, np.ndarray]  # patient -> (N, D); of those who have slides

    @classmethod
    def of(
        cls,
        table: pd.DataFrame,
        columns: Columns,
        outcome: Outcome | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> "Given":
        """What the rows hold.

        Args:
            table: With the columns in their order.
            outcome: None where it is to be predicted.
            groups: Gene group -> its columns; None: all genes are one group.

        Raises:
            InputError: Something in X cannot be used.
        """
        table = table.set_axis(list(columns.names), axis=1)
        patients = tuple(map(str, table.index))
        if outcome is None:
            outcome = Outcome(patients, np.zeros(len(table)), np.zeros(len(table), dtype=bool))
        bags = {} if columns.bags is None else _bags(table[columns.bags], patients)
        omics = OmicsTable(_numbers(table[list(columns.genes)], patients), source="X") if columns.genes else None
        covariates = _covariates(table[list(columns.covariates)], patients) if columns.covariates else None
        slides = {patient: (patient,) for patient in bags}
        told = None if groups is None else {str(name): tuple(members) for name, members in groups.items()}
        return cls(Cohort("X", outcome, slides=slides, omics=omics, covariates=covariates, groups=told), bags)

    def need(self, profile: Profile, method: str) -> None:
        """Nothing, if everybody has what the method predicts from.

        Raises:
            InputError: Somebody lacks it.
        """
        able = set[str]().union(*map(self.cohort.able, profile.enough))
        if lacking := [patient for patient in self.cohort.patients if patient not in able]:
            needs = ", or ".join(" and ".join(WORDS[what] for what in sorted(each)) for each in profile.enough)
            raise InputError(
                f"{len(lacking)} of {len(self.cohort)} rows of X lack what {method} predicts from, {needs}: "
                f"{some(lacking)}. Leave them out."
            )

    @contextmanager
    def packed(self) -> Iterator[PackedEmbeddings | None]:
        """The bags as models read them, in a file that is gone afterwards; None without any."""
        if not self.bags:
            yield None
            return
        loaders = {patient: [(patient, partial(Embeddings, patient, bag))] for patient, bag in self.bags.items()}
        with TemporaryDirectory(prefix="prognoscope-", ignore_cleanup_errors=True) as folder:
            yield pack_embeddings(loaders, Path(folder) / "x.bags", "X")


def read_table(X: object) -> pd.DataFrame:
    """X as a table, a row a patient.

    Raises:
        InputError: It is none, or has two rows of one label.
    """
    if isinstance(X, pd.DataFrame):
        if twice := [label for label, n in Counter(map(str, X.index)).items() if n > 1]:
            raise InputError(
                f"{len(twice)} labels of rows are in X twice: {some(twice)}. A row is a patient: leave one of each, or "
                "number the rows by X.reset_index(drop=True) if they are different people."
            )
        table = X
    else:
        if hasattr(X, "toarray"):
            raise InputError("X is sparse, which cannot be used. Give X.toarray().")
        array = np.asarray(X)
        if array.ndim != 2:
            raise InputError(
                f"X has {array.ndim} dimensions. Reshape your data to a row a patient and a column a gene or covariate."
            )
        table = pd.DataFrame(array)
    if not len(table):
        raise InputError("X has no rows. Give at least one patient.")
    return table


def read_outcome(y: object, patients: Sequence[str]) -> Outcome:
    """The follow-up of these patients.

    Args:
        y: A structured array of event and time, or a pair of them.

    Raises:
        InputError: It is neither, of another length, or has values that cannot be.
    """
    if y is None:
        raise InputError(f"PrognoscopeSurvival requires y to be passed, but the target y is None. {FORMS_OF_Y}")
    if isinstance(y, tuple) and len(y) == 2:
        event, time = (np.asarray(part) for part in y)
    else:
        array = np.asarray(y)
        names = array.dtype.names
        if names is None or len(names) != 2:
            raise InputError(f"y does not tell both events and times. {FORMS_OF_Y}")
        event, time = (array[name] for name in names)
    if event.shape != (len(patients),) or time.shape != (len(patients),):
        raise InputError(
            f"X has {len(patients)} rows, and y {len(np.atleast_1d(event))} events and {len(np.atleast_1d(time))} "
            "times. Give one of each a row."
        )
    if event.dtype != bool and not np.isin(event, [0, 1]).all():
        raise InputError(
            f"An event of y is {event[~np.isin(event, [0, 1])][0]}, which is neither true nor false. Are events and "
            f"times swapped? {FORMS_OF_Y}"
        )
    try:
        months = time.astype(np.float64)
    except (TypeError, ValueError) as cause:
        raise InputError(f"The times of y must be numbers, in months ({cause}).") from cause
    if (bad := ~(np.isfinite(months) & (months >= 0))).any():
        rows = [patient for patient, is_bad in zip(patients, bad, strict=True) if is_bad]
        raise InputError(
            f"The time of {len(rows)} rows of y is missing, infinite or negative: {some(rows)}. Correct it, or leave "
            "these patients out."
        )
    return Outcome(tuple(patients), months, event.astype(bool))


def _named(table: pd.DataFrame) -> tuple[tuple[str, ...], bool]:
    """The names of the columns, and whether they are the table's own."""
    is_text = [isinstance(name, str) for name in table.columns]
    if not all(is_text):
        if any(is_text):
            raise InputError("Some columns of X are named by text and some are not. Name all, or none.")
        return tuple(f"x{i}" for i in range(len(is_text))), False
    if twice := [name for name, n in Counter(table.columns).items() if n > 1]:
        raise InputError(f"{len(twice)} columns are in X twice: {some(twice)}. Leave one of each.")
    return tuple(table.columns), bool(is_text)


def _numbers(genes: pd.DataFrame, patients: Sequence[str]) -> pd.DataFrame:
    if any(np.iscomplexobj(genes[name].to_numpy()) for name in genes):
        raise InputError("Complex data not supported: X must hold real numbers.")
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which is refused with the patient's name
            return genes.astype(np.float32).set_axis(list(patients), axis=0)
    except (TypeError, ValueError) as cause:
        bad = [str(name) for name in genes if pd.to_numeric(genes[name], errors="coerce").isna().any()]
        bad = [name for name in bad if not pd.api.types.is_numeric_dtype(genes[name])]
        raise InputError(
            f"Columns of X that are no covariates are genes, and must be numbers, but {some(bad)} hold others "
            f"({cause}). Name them in covariates=[...], or leave them out."
        ) from cause


def _covariates(table: pd.DataFrame, patients: Sequence[str]) -> pd.DataFrame:
    table = table.infer_objects().set_axis(list(patients), axis=0)
    for name in table.select_dtypes("number"):
        if np.iscomplexobj(table[name].to_numpy()):
            raise InputError("Complex data not supported: X must hold real numbers.")
        if np.isinf(table[name].to_numpy(dtype=np.float64, na_value=np.nan)).any():
            raise InputError(f"The covariate {name!r} has infinite values. Correct them, or leave them empty.")
    return table


def _bags(column: pd.Series, patients: Sequence[str]) -> dict[str, np.ndarray]:
    bags: dict[str, np.ndarray] = {}
    for patient, cell in zip(patients, column, strict=True):
        if cell is None or (np.ndim(cell) == 0 and pd.isna(cell)):
            continue
        try:
            bag = np.asarray(cell, dtype=np.float32)
        except (TypeError, ValueError) as cause:
            raise InputError(f"The bag of {patient} must be an (N, D) array of numbers ({cause}).") from cause
        if bag.ndim != 2 or not bag.size or not np.isfinite(bag).all():
            raise InputError(
                f"The bag of {patient} must be an (N, D) array of finite numbers, one row a patch; its shape is "
                f"{bag.shape}. Correct it, or put None for a patient without slides."
            )
        bags[patient] = bag
    if len(lengths := {bag.shape[1]: patient for patient, bag in bags.items()}) > 1:
        told = some(f"{length} of {patient}" for length, patient in lengths.items())
        raise InputError(
            f"Patch embeddings of different lengths are in {column.name!r}: {told}. Give those of one encoder."
        )
    return bags
