"""The card of M3IF: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Li et al., Multi-modal multi-instance learning using weakly correlated histopathological images and tabular "
    "clinical information, MICCAI 2021",
    parameters=14_234_501,
    profile=Profile(
        needs=frozenset({"bag", "omics"}),
        recipe=Recipe(learning_rate=5e-5),
    ),
    departures=(
        "The paper classifies, from slides at up to three magnifications and clinical tables; like the survival form "
        "of the MCTI comparison, ours has one magnification, a self-normalising network on genes, and hazards.",
        "All parts learn at one rate. The original has 1/100 of it for the gate and the head and 1/1000 for patches "
        "and attention, which `learning_rate_factors` of a study can give back.",
    ),
    found_wrong=(
        "The survival code crashes with its default width of genes, and its rates per part name parts that it lacks.",
        "A gate for selecting patches and its sparsity weight exist and are read by nothing.",
        "The original multi-scale code feeds the attention the gate instead of the gated slide vector, reuses the "
        "second scale's features for the third, and shares one stack of patch layers between scales.",
    ),
    branches=("snn", "abmil"),
)
