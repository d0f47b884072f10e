"""A method as a study names it: with options of its own, and what is changed of its recipe."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import profile_of
from prognoscope.models.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the comparison."""

    name: str
    title: str
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)  # what replaces parts of the method's own
    starts_as: "Method | None" = None  # of an ablation or a point of a sweep: the method whose random start it shares

    @property
    def profile(self) -> Profile:
        """What the method needs, learns from, and is trained by unless something is changed of it."""
        return profile_of(self.name, self.options)

    def settled_profile(self, sizes: Sizes) -> Profile:
        """The same of a method that takes whatever the data have, once they are known."""
        return profile_of(self.name, self.options, sizes)

    @property
    def changed_recipe(self) -> Recipe | None:
        """The recipe that it is trained by; None for a method that is solved at once."""
        own = self.profile.recipe
        return None if own is None else replace(own, **self.recipe)

    @property
    def members(self) -> dict[str, "Method"]:
        """The methods that it is made of; what the study changes is changed for them, but for factors on parts.

        They go by their labels, so that a member starts as the same method would by itself.
        """
        changes = {key: value for key, value in self.recipe.items() if key != "learning_rate_factors"}
        told = self.profile.members.items()
        return {label: Method(name, label, options, changes) for label, (name, options) in told}

    @property
    def epochs(self) -> int:
        """Of one training at most, those of members and their inner folds included; 1 for what is solved at once."""
        recipe, profile = self.changed_recipe, self.profile
        own = int(not profile.members) if recipe is None else recipe.epochs
        return own + sum(each.epochs for each in self.members.values()) * (profile.inner_folds + 1)

    def seed(self, seed: int, fold: int) -> int:
        """A seed for this fold of the method, or of the one that it starts as, whatever else the study runs."""
        title = self.title if self.starts_as is None else self.starts_as.title
        words = [seed, fold, zlib.crc32(title.encode())]
        return int(np.random.SeedSequence(words).generate_state(1)[0])
