"""The one truth about a method with given options, told without making its network."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prognoscope.core.genes import GeneSelection
from prognoscope.models.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Profile:
    """What those who train, feed and compare a method must know of it."""

    needs: frozenset[str] = frozenset()  # what it predicts from: "bag", "omics", "clinical"
    takes: frozenset[str] = frozenset()  # what it also predicts from where there is any; sizes settle it into needs
    learns_from: frozenset[str] = frozenset()  # what it trains on besides: also "subtype"
    recipe: Recipe | None = field(default_factory=Recipe)  # None: `fit` solves it at once, there are no gradient steps
    learning_rate_factors: Mapping[str, float] = field(default_factory=dict)  # parameter name prefix -> factor
    mixes_patients: bool = False  # in training, patients of a step meet in it: see `SurvivalModel.read` and `judge`
    compares_patients: bool = False  # its survival loss, Cox's, compares the patients of a step; it then mixes them
    keeps_patches: bool = False  # it keeps something of every patch of a training bag, by its place
    gene_selection: GeneSelection | None = None  # genes chosen from a fold's training patients; None: all
    teacher: tuple[str, Mapping[str, object]] | None = None  # a method and its options, trained first and learned from
    members: Mapping[str, tuple[str, Mapping[str, object]]] = field(default_factory=dict)  # label -> the same of those
    # that it is made of, each trained first and then part of it: `model.members` has them in this order
    inner_folds: int = 0  # of the training part, by which members tell their risks of patients held out from them
    alternatives: tuple[frozenset[str], ...] = ()  # each enough of `needs` to predict a patient; (): all of it

    @property
    def is_solved(self) -> bool:
        """Whether there is nothing in it that takes gradient steps."""
        return self.recipe is None and not self.members

    @property
    def enough(self) -> tuple[frozenset[str], ...]:
        """What a patient must have to be predicted: all of one of these."""
        return self.alternatives or (self.needs,)

    @property
    def uses(self) -> frozenset[str]:
        """All that it may be trained on."""
        return self.needs | self.takes | self.learns_from
