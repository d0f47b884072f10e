"""What `recipe: balanced` makes of a method's profile. Imports no torch.

Why: trained as published on a few hundred patients, a network of slides and genes learns the training patients by heart
from their genes within a few epochs, and little is left for the slides to explain.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prognoscope.core.errors import ModelError
from prognoscope.models.options import check_choices
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

OPTION = "recipe"
RECIPES = ("published", "balanced")
INNER = "model"  # the name of the network inside the one that balances it, and of its parameters
BALANCED = Recipe(
    optimizer="adamw",
    learning_rate=5e-4,
    weight_decay=0.05,
    epochs=20,
    patients_per_step=16,
    schedule="cosine",
    sampler="shuffled",  # a balanced one shifts every hazard
    published_epoch="last",
)


def is_balanced(name: str, options: Mapping[str, Any]) -> bool:
    """Whether the options ask for it.

    Raises:
        ModelError: There is no such recipe.
    """
    asked = options.get(OPTION, RECIPES[0])
    check_choices(name, {OPTION: asked}, {OPTION: RECIPES})
    return asked == "balanced"


def can_be_balanced(profile: Profile) -> bool:
    """Whether a method takes gradient steps, and does not learn to tell the genes that would be summed up."""
    return profile.recipe is not None and not profile.members and "omics" not in profile.learns_from


def balanced_profile(name: str, profile: Profile) -> Profile:
    """The profile of the method under this recipe.

    Raises:
        ModelError: The method cannot have it.
    """
    if not can_be_balanced(profile):
        why = "is solved at once" if profile.recipe is None else "learns to tell the genes, or from whom is told them"
        raise ModelError(f"{name} has no recipe: balanced, because it {why}; take recipe off its entry.")
    both = frozenset({"bag", "omics"})
    alternatives = tuple(profile.needs - both | {kind} for kind in sorted(both)) if both <= profile.needs else ()
    factors = {f"{INNER}.{part}": factor for part, factor in profile.learning_rate_factors.items()}
    return replace(profile, recipe=BALANCED, learning_rate_factors=factors, alternatives=alternatives)
