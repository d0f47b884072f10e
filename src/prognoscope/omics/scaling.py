"""Genes filled and standardised, group by group, by what training patients are like."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.core.errors import OmicsError, some
from prognoscope.core.genes import without_version

Scale = Literal["zscore", "none"]
FARTHEST = 3.5  # SDs from training's means of half the genes of a patient
NARROWEST = 20.0  # times that genes may differ less than in training
FAR_GENE = 10.0  # SDs of one gene's median over patients from its training mean
FEWEST_PATIENTS = 3  # with fewer, one gene's median may be far away by chance
FEWEST_COLUMNS = 5  # with fewer, a patient may be far away by chance
LISTS = ("columns", "median", "mean", "sd", "constant", "emptied", "counts")


@dataclass(frozen=True, slots=True)
class OmicsScaler:
    """Fills each column with the median of training patients, and scales it by their mean and SD. JSON-able."""

    columns: tuple[str, ...]  # that are used, each once
    median: tuple[float, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    groups: Mapping[str, tuple[int, ...]]  # gene group -> positions in `columns`
    clip: float | None = None
    constant: tuple[str, ...] = ()  # left out: the same in all training patients, or never measured
    filled: int = 0  # missing values of training patients
    clipped: int = 0  # values of training patients beyond `clip`
    emptied: tuple[str, ...] = ()  # gene groups left out, because none of their columns varies
    counts: tuple[str, ...] = ()  # columns whose raw values are counts, scaled as log2(1 + count)
    scale: Scale = "zscore"  # "none": mean and SD are known, and not used

    @classmethod
    def fit(
        cls,
        training: pd.DataFrame,
        groups: Mapping[str, Sequence[str]],
        *,
        clip: float | None = None,
        counts: Collection[str] = (),
        scale: str = "zscore",
    ) -> "OmicsScaler":
        """Learn from the rows of training patients.

        Args:
            training: Patients x columns, raw.
            groups: Gene group -> columns, as `assign_columns` gives them.
            clip: Raw values are cut at plus and minus this before anything else, which tames outliers of z-scores;
                of no use in a table that does not hold z-scores.
            counts: Columns of raw counts, whose logarithms are scaled: log2(1 + count).
            scale: "zscore", or "none", which leaves values and counts as they are but for clipping and filling: for
                genes in a few steps, such as -1, 0 and 1.

        Raises:
            OmicsError: No training patient has genes, no column varies, a value is infinite, or a count negative.
        """
        if scale not in ("zscore", "none"):
            raise OmicsError(f"Genes cannot be scaled by {scale!r}. Choose zscore or none.")
        counts = counts if scale == "zscore" else ()
        if clip is not None and not clip > 0:
            raise OmicsError(f"Genes cannot be clipped at plus and minus {clip:g}. Give a positive number, such as 5.")
        wanted = list(dict.fromkeys(column for columns in groups.values() for column in columns))
        raw = _logarithms(_finite(training, wanted), wanted, counts)
        raw = raw[~np.isnan(raw).all(axis=1)]
        if not len(raw):
            raise OmicsError(
                "No training patient has genes. Check that patient ids in cohort.omics are the clinical's."
            )
        values = raw if clip is None else np.clip(raw, -clip, clip)
        known = ~np.isnan(values)
        never = ~known.any(axis=0)
        median = np.nanmedian(np.where(never, 0.0, values), axis=0)
        # sorted, so that sums do not depend on the order of patients, not even in their last digit
        filled = np.sort(np.where(known, values, median), axis=0)
        mean, sd = filled.mean(axis=0), filled.std(axis=0)
        used = (filled[0] < filled[-1]) & (sd > 0)
        if not used.any():
            raise OmicsError(f"All {len(wanted)} gene columns are constant over the training patients.")
        place = {wanted[i]: n for n, i in enumerate(np.flatnonzero(used))}
        positions = {name: tuple(place[c] for c in columns if c in place) for name, columns in groups.items()}
        return cls(
            columns=tuple(place),
            median=tuple(median[used].tolist()),
            mean=tuple(mean[used].tolist()),
            sd=tuple(sd[used].tolist()),
            groups={name: where for name, where in positions.items() if where},
            clip=clip,
            constant=tuple(column for column, use in zip(wanted, used, strict=True) if not use),
            filled=int((~known[:, used]).sum()),
            clipped=int((values != raw)[known].sum()),
            emptied=tuple(name for name, where in positions.items() if not where),
            counts=tuple(column for column in place if column in set(counts)),
            scale=scale,
        )

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Columns in each gene group, in order."""
        return tuple(len(where) for where in self.groups.values())

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """Gene group -> its columns, in order."""
        return {name: tuple(self.columns[i] for i in where) for name, where in self.groups.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out and filled, in sentences."""
        notes = []
        if self.constant:
            notes.append(f"{len(self.constant)} constant gene columns were left out: {some(self.constant)}.")
        if self.emptied:
            notes.append(
                f"{len(self.emptied)} gene groups without a varying column were left out: {some(self.emptied)}."
            )
        if self.clipped:
            notes.append(
                f"{self.clipped} gene values of training patients were clipped at plus and minus {self.clip:g}."
            )
        if self.filled:
            notes.append(f"{self.filled} missing gene values of training patients were filled with the gene's median.")
        return tuple(notes)

    def transform(self, table: pd.DataFrame) -> tuple[Float[np.ndarray, "P _"], ...]:
        """What models read of any patients, float32, one array a gene group; a patient without any gene has NaN.

        Raises:
            OmicsError: Columns of training are missing, a value is infinite, or a count negative. Further columns are
                passed over.
        """
        values = _logarithms(_finite(table, self.columns), self.columns, self.counts)
        absent = np.isnan(values).all(axis=1)
        values = values if self.clip is None else np.clip(values, -self.clip, self.clip)
        values = np.where(np.isnan(values), np.array(self.median), values)
        scaled = values if self.scale == "none" else (values - np.array(self.mean)) / np.array(self.sd)
        largest = np.finfo(np.float32).max
        scaled = np.clip(scaled, -largest, largest).astype(np.float32)
        scaled[absent] = np.nan
        return tuple(scaled[:, list(where)] for where in self.groups.values())

    def need_same_scale(self, table: pd.DataFrame, source: str) -> None:
        """Nothing, if the genes of new patients can be on the scale of training.

        Half of a patient's genes lie within 0.7 SD of their training means where the scale is the same. Raw values
        given for logarithms, or z-scores, move nearly all of them far outside; logarithms given for raw values make
        the genes of a patient all alike.

        Raises:
            OmicsError: They cannot.
        """
        if not set(self.columns) <= set(table.columns):
            return  # what `transform` refuses, unless the model needs no genes any more
        values = _logarithms(_finite(table, self.columns), self.columns, self.counts)
        values = values[~np.isnan(values).all(axis=1)]
        if not len(values):
            return
        mean, sd = np.array(self.mean), np.array(self.sd)
        away = np.nanmedian(np.abs(values - mean) / sd, axis=1)
        spread = np.nanstd(values) / np.sqrt(np.mean(sd**2) + np.var(mean))
        strange = away > FARTHEST
        is_narrow = spread < 1 / NARROWEST
        is_enough = len(self.columns) >= FEWEST_COLUMNS or (strange.all() and values.size >= FEWEST_COLUMNS)
        if not is_enough or not (is_narrow or strange.any()):
            return
        middle = np.nanmedian(values[strange] if strange.any() else values, axis=0)
        worst = int(np.nanargmax(np.abs(middle - mean) / sd))
        logged = np.log2(1 + np.maximum(values, 0))
        fits = np.nanmedian(np.abs(logged - mean) / sd) <= FARTHEST < np.nanmedian(away)
        hint = "They look raw where training had log2(1 + value). " if fits else ""
        known = [str(name) for name in table.index[table.notna().any(axis=1)]]
        who = some([name for name, is_strange in zip(known, strange, strict=False) if is_strange] or known, 3)
        n = int(strange.sum()) or len(values)
        raise OmicsError(
            f"The genes of {source} are on another scale than those of training, for {n} of {len(values)} patients "
            f"({who}): {self.columns[worst]} is about {middle[worst]:.4g}, and was "
            f"{mean[worst]:.4g} with an SD of {sd[worst]:.3g}. {hint}Give genes prepared as those of training were, or "
            "leave these patients out."
        )

    def apart(self, table: pd.DataFrame, source: str) -> str:
        """A sentence where the genes of new patients lie apart from those of training, "" elsewhere.

        In another unit, by logarithms to another base, or of another batch, genes move together: the patients' median
        of a gene lies near its training mean where all is alike, but for chance in few patients.
        """
        if not set(self.columns) <= set(table.columns):
            return ""
        values = _logarithms(_finite(table, self.columns), self.columns, self.counts)
        values = values[~np.isnan(values).all(axis=1)]
        mean, sd = np.array(self.mean), np.array(self.sd)
        middle = pd.DataFrame(values).median().to_numpy()
        away = np.abs(middle - mean) / sd
        if not np.isfinite(away).any():
            return ""
        half = np.nanmedian(away) if len(self.columns) >= FEWEST_COLUMNS else 0.0
        far = int((away > FAR_GENE).sum()) if len(values) >= FEWEST_PATIENTS else 0
        if half <= 0.8 + 1.2 / np.sqrt(len(values)) and not far:
            return ""
        worst = int(np.nanargmax(away))
        which = f"{far} of {len(away)} genes" if far else "half of the genes"
        least = FAR_GENE if far else half
        return (
            f"The genes of {source} lie apart from those of training: the patients' medians of {which} are "
            f"{least:.2g} SD or more away, most of all {self.columns[worst]}, {middle[worst]:.4g} where training had "
            f"{mean[worst]:.4g} with an SD of {sd[worst]:.3g}. Are they in the same unit, and normalised alike? If "
            "not, their predictions are not to be trusted."
        )

    def to_dict(self) -> dict[str, object]:
        """JSON-able, floats in full."""
        plain: dict[str, object] = {name: list(getattr(self, name)) for name in LISTS}
        return plain | {
            "groups": [[name, list(where)] for name, where in self.groups.items()],  # a list keeps its order in JSON
            "clip": self.clip,
            "filled": self.filled,
            "clipped": self.clipped,
            "scale": self.scale,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "OmicsScaler":
        """What `to_dict` gave.

        Raises:
            OmicsError: Something is missing in it.
        """
        try:
            plain: dict[str, Any] = {name: tuple(stored[name]) for name in LISTS}
            for name in ("columns", "constant", "counts"):  # older cards have the versions of Ensembl ids
                plain[name] = tuple(map(without_version, plain[name]))
            plain |= {name: stored[name] for name in ("clip", "filled", "clipped", "scale")}
            return cls(groups={name: tuple(where) for name, where in stored["groups"]}, **plain)
        except (KeyError, TypeError, ValueError) as cause:
            raise OmicsError(f"The stored scaler of genes is incomplete ({cause}). Train again.") from cause


def _finite(table: pd.DataFrame, columns: Sequence[str]) -> Float[np.ndarray, "P G"]:
    """The values of these columns; NaN is allowed, infinity is not."""
    if missing := [column for column in columns if column not in table]:
        lower = {str(name).lower() for name in table.columns}
        hint = "They are there in other letters: upper and lower case count. " if missing[0].lower() in lower else ""
        raise OmicsError(
            f"The gene table lacks {len(missing)} of the {len(columns)} columns of training: {some(missing)}. "
            f"{hint}Give a table with the same genes, measured and named alike."
        )
    values = table[list(columns)].to_numpy(dtype=np.float64)
    rows, places = np.nonzero(np.isinf(values))
    if len(rows):
        raise OmicsError(
            f"The gene table has {len(rows)} infinite values, the first of patient {table.index[rows[0]]} in column "
            f"{columns[places[0]]!r}. Correct them, or leave them empty."
        )
    return values


def _logarithms(
    values: Float[np.ndarray, "P G"], columns: Sequence[str], counts: Collection[str]
) -> Float[np.ndarray, "P G"]:
    """The values, with log2(1 + count) in the columns of counts."""
    is_count = np.isin(list(columns), list(counts))
    if (values[:, is_count] < 0).any():
        raise OmicsError(
            f"The gene table has negative values in columns that held counts in training: {some(counts)}. Give counts."
        )
    return np.where(is_count, np.log2(1 + np.where(is_count, values, 0)), values)
