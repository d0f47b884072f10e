"""The card of SNN: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Klambauer et al., Self-normalizing neural networks, NeurIPS 2017",
    parameters=1_043_460,
    profile=Profile(
        needs=frozenset({"omics"}),
        recipe=Recipe(learning_rate=2e-4, weight_decay=1e-5, epochs=20),
    ),
    departures=(
        "ELU instead of the paper's SELU, as in every released survival code but CCL's; activation='selu' is the "
        "paper's.",
        "Four layers of 256 as in MCAT's code; CMTA's and CCL's tables do not say which widths they used.",
        "MCAT's optional penalty on absolute weights is off, as by its default.",
    ),
    found_wrong=(
        "In MCAT's and G-HANet's code the network cannot be made: its constructor names a class that does not exist. "
        "PORPOISE and MOTCat mended it.",
        "MCAT's and MCTI's versions take one patient alone: of several they cumulate survival along the wrong axis.",
        "MCTI leaves the initialisation of weights commented out, and its small preset is larger than its big one.",
        "Without IDH1 among the selected genes it is weak on GBMLGG, as MCAT's authors say: look whether it is there.",
    ),
)
