"""What a search for settings may choose from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval

from prognoscope.core.errors import InputError
from prognoscope.core.settings import settle

Trials = Annotated[int, Interval(ge=0, le=1000)]  # 0: no search
InnerFolds = Annotated[int, Interval(ge=1, le=20)]  # 1: the fold's own validation part judges


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from the lowest to the highest, both included."""

    low: float
    high: float
    log: bool = False  # drawn alike in every order of magnitude
    whole: bool = False

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # which it would not inherit inside a union

    def __post_init__(self):
        if not self.low < self.high:
            raise InputError(f"a range needs low and a higher high, not {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise InputError(f"low must be more than 0 with log, not {self.low:g}")


Values = Range | tuple[Any, ...]  # a range, or what to choose from; JSON-able


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """A search for the settings of a method, inside the training part of each fold."""

    trials: Trials
    recipe: Mapping[str, Values] = field(default_factory=dict)  # fields of the recipe
    options: Mapping[str, Values] = field(default_factory=dict)  # of the method's constructor
    folds: InnerFolds = 3
    group: Literal["site"] | None = None  # "site": no hospital in two inner folds

    def __post_init__(self):
        settle(self)

    @property
    def space(self) -> dict[str, Values]:
        """Every setting."""
        return {**self.recipe, **self.options}

    def most_epochs(self, otherwise: int) -> int:
        """Epochs of the longest training that it may choose; `otherwise` where it does not choose them."""
        values = self.recipe.get("epochs", (otherwise,))
        return int(values.high if isinstance(values, Range) else max(values))
