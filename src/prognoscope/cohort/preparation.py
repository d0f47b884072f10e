"""What is learned from training patients before any model is: time bins, scalers, fillings, classes.

It is kept with a checkpoint, so that new patients are prepared alike.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.covariates import CovariateEncoder
from prognoscope.cohort.resampled import drawn_as_released
from prognoscope.core.errors import CohortError, some
from prognoscope.core.genes import GeneSelection
from prognoscope.core.outcome import Outcome, TimeBins
from prognoscope.omics.differential import ChosenGenes, choose_genes, risk_groups
from prognoscope.omics.groups import assign_columns
from prognoscope.omics.scaling import OmicsScaler, Scale

BinsFrom = Literal["train", "cohort"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """P patients as arrays."""

    patients: tuple[str, ...]
    bin: Int[np.ndarray, " P"]
    omics: tuple[np.ndarray, ...]  # (P, G) float32 a gene group, NaN for a patient without genes; () without omics
    clinical: Float[np.ndarray, "P V"] | None  # float32; None without covariates
    subtype: Int[np.ndarray, " P"] | None  # class, -1 where unknown; None if the study has none


@dataclass(frozen=True, slots=True)
class Preparation:
    """All that was learned from training patients; `prepare` applies it to any."""

    bins: TimeBins
    omics: OmicsScaler | None = None
    covariates: CovariateEncoder | None = None
    subtypes: tuple[str, ...] = ()  # labels of the classes, in order; () without labels
    genes: ChosenGenes | None = None  # how they were chosen; `omics` has only those kept

    @classmethod
    def fit(
        cls,
        cohort: Cohort,
        train_patients: Sequence[str],
        *,
        n_bins: int = 4,
        bins_from: BinsFrom = "train",
        clip: float | None = None,
        scale: Scale = "zscore",
        groups: Mapping[str, tuple[str, ...]] | None = None,
        selection: GeneSelection | None = None,
    ) -> "Preparation":
        """Learn from these patients of the cohort.

        Args:
            bins_from: "train": inner edges from training patients, outer ones infinite. "cohort": the published rule,
                with edges from everybody's times, test patients included, closed at the first and the last.
            clip: Raw gene values are cut at plus and minus this, which suits tables of z-scores.
            scale: Genes are standardised, or "none": left as the table has them, clipped and filled.
            groups: Gene group -> genes; by default the cohort's, and without any one group of all columns.
            selection: Which genes of each group are kept; by default all that vary.

        Raises:
            CohortError: A training patient is not in the cohort, or the events do not give the bins.
            OmicsError: No gene of the groups is in the table, or the selection cannot choose among them.
        """
        train = cohort.take(train_patients)
        bins = TimeBins.fit(*binned(cohort, train, bins_from), n_bins=n_bins, closed_ends=bins_from == "cohort")
        scaler, genes = None, None
        if cohort.omics is not None:
            values = cohort.omics.values
            known = set(values.index)
            training = values.loc[[patient for patient in train.patients if patient in known]]
            wanted = groups if groups is not None else cohort.groups
            columns = assign_columns(list(values.columns), wanted, source=cohort.omics.source)
            scaler = OmicsScaler.fit(training, columns, clip=clip, scale=scale)
            if selection is not None:
                genes = _choose(training, scaler, bins, train.outcome, selection)
                scaler = OmicsScaler.fit(training, genes.groups, clip=clip, counts=genes.counts, scale=scale)
        encoder = None
        if cohort.covariates is not None:
            encoder = CovariateEncoder.fit(cohort.covariates.reindex(list(train.patients)))
        labels = {train.subtype[patient] for patient in train.patients if patient in train.subtype}
        return cls(bins, scaler, encoder, tuple(sorted(labels, key=_numbers_first)), genes)

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Columns in each gene group, after constant ones and those not chosen were left out."""
        return () if self.omics is None else self.omics.group_sizes

    @property
    def gene_groups(self) -> dict[str, tuple[str, ...]]:
        """Gene group -> its columns, as `group_sizes` counts them."""
        return {} if self.omics is None else self.omics.members

    @property
    def n_clinical(self) -> int:
        """V, the number of encoded covariates."""
        return 0 if self.covariates is None else len(self.covariates.names)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was filled and left out, in sentences."""
        parts = (self.omics, self.genes, self.covariates)
        return tuple(note for part in parts if part is not None for note in part.notes)

    def limited(self, uses: Set[str]) -> "Preparation":
        """Without what a model does not use, so that its card is short and new patients need not have it.

        Args:
            uses: Of "omics", "clinical" and "subtype".
        """
        return replace(
            self,
            omics=self.omics if "omics" in uses else None,
            covariates=self.covariates if "clinical" in uses else None,
            subtypes=self.subtypes if "subtype" in uses else (),
        )

    def prepare(self, cohort: Cohort, patients: Sequence[str] | None = None) -> Prepared:
        """These patients (by default all) of any cohort as arrays, in their order.

        Raises:
            CohortError: A patient is not in the cohort, or covariates of training are missing.
            OmicsError: Genes of training are missing.
        """
        chosen = cohort if patients is None else cohort.take(patients)
        index = list(chosen.patients)
        omics: tuple[np.ndarray, ...] = ()
        if self.omics is not None:
            if chosen.omics is None:  # nobody has genes, which a model that needs none at inference can live with
                omics = tuple(np.full((len(index), size), np.nan, np.float32) for size in self.group_sizes)
            else:
                omics = self.omics.transform(chosen.omics.values.reindex(index))
        clinical = None
        if self.covariates is not None:
            if chosen.covariates is None:
                raise CohortError(
                    f"The cohort {chosen.name} has no covariates, but training had {some(self.covariates.names)}. "
                    "Name them in cohort.clinical.covariates."
                )
            clinical = self.covariates.transform(chosen.covariates.reindex(index))
        subtype = None
        if self.subtypes:
            number = {label: i for i, label in enumerate(self.subtypes)}
            subtype = np.array([number.get(chosen.subtype.get(p, ""), -1) for p in index], dtype=np.int64)
        return Prepared(chosen.patients, self.bins.label(chosen.outcome.time), omics, clinical, subtype)

    def to_dict(self) -> dict[str, object]:
        """JSON-able, with floats in full; infinite edges as None. Without `genes`, which a fold keeps as a table."""
        return {
            "bins": [float(edge) if np.isfinite(edge) else None for edge in self.bins.edges],
            "omics": None if self.omics is None else self.omics.to_dict(),
            "covariates": None if self.covariates is None else self.covariates.to_dict(),
            "subtypes": list(self.subtypes),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Preparation":
        """What `to_dict` gave.

        Raises:
            CohortError: Something is missing in it.
        """
        try:
            edges = [float(edge) if edge is not None else np.inf for edge in stored["bins"]]
            omics, covariates, subtypes = stored["omics"], stored["covariates"], stored["subtypes"]
        except (KeyError, TypeError) as cause:
            raise CohortError(f"The stored preparation is incomplete ({cause}). Train again.") from cause
        if stored["bins"][0] is None:
            edges[0] = -np.inf
        return cls(
            TimeBins(np.array(edges)),
            None if omics is None else OmicsScaler.from_dict(omics),
            None if covariates is None else CovariateEncoder.from_dict(covariates),
            tuple(map(str, subtypes)),
        )


def binned(
    cohort: Cohort, train: Cohort, bins_from: BinsFrom = "train"
) -> tuple[Float[np.ndarray, " P"], Bool[np.ndarray, " P"]]:
    """Times and events of the patients whose follow-up decides the time bins.

    Raises:
        CohortError: There is no such rule.
    """
    if bins_from not in ("train", "cohort"):
        raise CohortError(f"bins_from must be train or cohort, not {bins_from!r}.")
    outcome = (cohort if bins_from == "cohort" else train).outcome
    return outcome.time.astype(np.float64), outcome.event


def _choose(
    training: pd.DataFrame, scaler: OmicsScaler, bins: TimeBins, outcome: Outcome, selection: GeneSelection
) -> ChosenGenes:
    """The genes of these patients that differ by risk, among the columns of the scaler that holds all."""
    table = training.sort_index()  # so that nothing depends on the order of patients
    place = {patient: i for i, patient in enumerate(outcome.patients)}
    rows = np.array([place[patient] for patient in table.index], dtype=np.int64)
    bin, event = bins.label(outcome.time[rows]), outcome.event[rows]
    low, high = risk_groups(bin, event, n_bins=len(bins))
    drawn = drawn_as_released(bin, event) if selection.rule == "welch_resampled" else None
    return choose_genes(table, scaler.members, low, high, selection, drawn=drawn, clip=scaler.clip)


def _numbers_first(label: str) -> tuple[int, float, str]:
    """Class 10 after class 2."""
    return (0, float(label), label) if label.removeprefix("-").isdecimal() else (1, 0.0, label)
