"""What a search for settings may choose from."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from the lowest to the highest, both included."""

    low: float
    high: float
    log: bool = False  # drawn alike in every order of magnitude
    whole: bool = False


Values = Range | tuple[object, ...]  # a range, or what to choose from; JSON-able


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """A search for the settings of a method, inside the training part of each fold."""

    trials: int
    recipe: Mapping[str, Values] = field(default_factory=dict)  # fields of the recipe
    options: Mapping[str, Values] = field(default_factory=dict)  # of the method's constructor
    folds: int = 3  # inner ones; 1: the fold's own validation part judges
    group: str | None = None  # "site": no hospital in two inner folds

    @property
    def space(self) -> dict[str, Values]:
        """Every setting."""
        return {**self.recipe, **self.options}

    def most_epochs(self, otherwise: int) -> int:
        """Epochs of the longest training that it may choose; `otherwise` where it does not choose them."""
        values = self.recipe.get("epochs", (otherwise,))
        return int(values.high if isinstance(values, Range) else max(values))
