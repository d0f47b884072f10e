"""The card of DeepAttnMISL: its paper, its recipe, where our default departs, what was found wrong."""

from collections.abc import Mapping
from typing import Any

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import EarlyStop, Recipe

ORIGINAL = Recipe(
    learning_rate=1e-4,
    weight_decay=5e-4,
    epochs=100,
    patients_per_step=16,
    sampler="shuffled",
    l1=1e-5,
    published_epoch="best_on_validation",
    published_stop=EarlyStop(patience=15),
)


def profile(options: Mapping[str, Any]) -> Profile:
    """The original has a recipe of its own, and Cox's loss, which compares the patients of a step."""
    if options.get("variant") != "original":
        return Profile(needs=frozenset({"bag"}))
    return Profile(needs=frozenset({"bag"}), recipe=ORIGINAL, mixes_patients=True, compares_patients=True)


CARD = Card(
    paper="Yao et al., Whole slide images based cancer survival prediction using attention guided deep multiple "
    "instance learning networks (DeepAttnMISL), Medical Image Analysis 2020",
    parameters=8_532_485,
    profile=profile,
    departures=(
        "The default is the version with discrete hazards that survival tables compare with; variant='original' is the "
        "authors' network with Cox's loss.",
        "Phenotypes come from one K-means on patches of the fold's training patients, as separate encoders need "
        "phenotypes of the same meaning in every patient; the published clusters were never released.",
        "The original variant clusters each bag by itself, as published, with a seeded start.",
        "The original's penalty covers all parameters, and its learning rate is constant instead of halved on a "
        "plateau; hazards are derived from a baseline beside the network, and do not change its risk.",
    ),
    found_wrong=(
        "The released hazard version needs a file of clusters that was never published, and its training loop is not "
        "connected to the data mode that would read them.",
        "Nothing published says that the clusters of two patients have the same meaning, which its separate encoders "
        "rely on.",
        "The L1 penalty of the original covers only the first and the last parameter tensor.",
        "Empty clusters are hard-wired to the width 512, and the original to VGG features of width 4096.",
    ),
)
