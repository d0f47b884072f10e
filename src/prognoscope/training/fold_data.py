"""The patients of one training: who is learned from, who chooses, who judges; and how their data are prepared."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset, prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.cohort.splits import Split
from prognoscope.core.genes import GeneSelection
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.sizes import Sizes


@dataclass(frozen=True)
class FoldData:
    """All that a method may see of one fold; it takes from it what it uses."""

    fold: int
    cohort: Cohort
    embeddings: PackedEmbeddings | None
    preparation: Preparation  # fitted on `learned`
    learned: tuple[str, ...]  # trained on where nobody chooses an epoch
    train: tuple[str, ...]  # trained on where `validation` chooses
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()  # whose C-index is recorded after every epoch
    bins: Mapping[str, Any] = field(default_factory=dict)  # how it was prepared, as `prepare` was told
    _made: dict[tuple[object, ...], PatientDataset] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def prepare(
        cls,
        fold: int,
        cohort: Cohort,
        embeddings: PackedEmbeddings | None,
        *,
        learned: Sequence[str],
        train: Sequence[str],
        validation: Sequence[str] = (),
        test: Sequence[str] = (),
        bins: Mapping[str, Any],
        selection: GeneSelection | None = None,
    ) -> "FoldData":
        """Fit bins, scalers and classes on those learned from, and nobody else.

        Args:
            bins: n_bins, bins_from, clip, scale: see `Preparation.fit`.
            selection: Which genes the method wants.

        Raises:
            CohortError: The events do not give the bins.
            OmicsError: No gene is in the table, or the selection cannot choose.
        """
        preparation = Preparation.fit(cohort, learned, **bins, selection=selection)
        parts = (tuple(learned), tuple(train), tuple(validation), tuple(test))
        return cls(fold, cohort, embeddings, preparation, *parts, bins)

    @property
    def sizes(self) -> Sizes:
        """The lengths that the data decide."""
        return Sizes(
            n_bins=len(self.preparation.bins) * self.causes,
            embedding_dim=0 if self.embeddings is None else self.embeddings.embedding_dim,
            group_sizes=self.preparation.group_sizes,
            gene_names=tuple(self.preparation.gene_groups.values()),
            n_clinical=self.preparation.n_clinical,
            n_subtypes=len(self.preparation.subtypes),
        )

    @property
    def causes(self) -> int:
        """How many kinds of events there are: one, or that of interest and any other."""
        return 1 if self.cohort.outcome.competing is None else 2

    def dataset(self, patients: tuple[str, ...], uses: Set[str]) -> PatientDataset:
        """These patients, with what a method uses: "bag", "omics", "clinical", "subtype"; made once."""
        place = (patients, *sorted(uses))
        if place not in self._made:
            bags = self.embeddings if "bag" in uses else None
            self._made[place] = prepared_dataset(self.cohort, patients, self.preparation.limited(uses), bags)
        return self._made[place]

    def only_with_genes(self, patients: tuple[str, ...]) -> "FoldData":
        """Those of these patients who have genes that the preparation knows, all to be learned from."""
        kept = self._having(patients, frozenset({"omics"}))
        return replace(self, learned=kept, train=kept, validation=(), test=(), _made={})

    def only_able(self, needs: Set[str]) -> "FoldData":
        """The same fold without who lacks any of "bag", "omics" that is needed, and without its test part."""
        parts = (self._having(part, needs) for part in (self.learned, self.train, self.validation))
        return replace(self, **dict(zip(("learned", "train", "validation"), parts, strict=True)), test=(), _made={})

    def inner(self, split: Split, selection: GeneSelection | None) -> "FoldData":
        """A fold of the patients learned from, prepared by its own training part; nobody else is in its cohort.

        Raises:
            CohortError: The events do not give the bins.
            OmicsError: No gene is in the table, or the selection cannot choose.
        """
        learned = (*split.train, *split.validation)
        parts = {"learned": learned, "train": split.train, "validation": split.validation, "test": split.test}
        cohort = self.cohort.take(self.learned)
        return FoldData.prepare(split.fold, cohort, self.embeddings, **parts, bins=self.bins, selection=selection)

    def _having(self, patients: tuple[str, ...], needs: Set[str]) -> tuple[str, ...]:
        has = torch.ones(len(patients), dtype=torch.bool)
        if "omics" in needs:
            for group in self.dataset(patients, {"omics"}).omics:
                has &= ~group.isnan().any(dim=1)
        if "bag" in needs:
            has &= torch.tensor(self.dataset(patients, {"bag"}).lengths) > 0
        return tuple(patient for patient, able in zip(patients, has.tolist(), strict=True) if able)
