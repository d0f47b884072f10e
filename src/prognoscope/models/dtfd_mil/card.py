"""The card of DTFDMIL: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Zhang et al., DTFD-MIL: Double-tier feature distillation multiple instance learning, CVPR 2022",
    parameters=791_306,
    profile=Profile(
        needs=frozenset({"bag"}),
        recipe=Recipe(clip_norm={"reduce": 5.0, "attend": 5.0, "tier1_head": 5.0, "tier2": 5.0}),
    ),
    departures=(
        "Hazards with their likelihood in both tiers take the place of two classes.",
        "One optimiser minimises the sum of both tiers' losses, with the second tier's input detached: the same "
        "gradients as the two optimisers of the released code.",
        "Predictions use partitions of a fixed seed; in the released code they depend on the global random state.",
        "Several partitions are averaged by their hazards; the released code averages class probabilities.",
        "Where patches stand for a pseudo-bag they are ranked by their risk, as the last of several hazards is no "
        "positive class; cam_score='last' is the released rule.",
        "Optimiser, rate and epochs are those common to the survival tables; of the released recipe the clipping of "
        "gradient norms part by part is kept.",
    ),
    found_wrong=(
        "With the default distillation the released training fails on current PyTorch: the second backward pass needs "
        "weights that the first optimiser has changed in place.",
        "In released code MaxMinS takes the same patch twice from a pseudo-bag of few patches, and bags of fewer "
        "patches than pseudo-bags give empty ones.",
        "Released predictions change from run to run with the random partition.",
    ),
)
