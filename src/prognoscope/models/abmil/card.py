"""The card of ABMIL: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Ilse et al., Attention-based deep multiple instance learning, ICML 2018",
    parameters=920_069,
    profile=Profile(
        needs=frozenset({"bag"}),
        recipe=Recipe(learning_rate=2e-4, weight_decay=1e-5, epochs=20),
    ),
    departures=(
        "The paper classifies bags; one hazard a time bin, with the likelihood of survival, is what the comparisons in "
        "this field made of it.",
        "Layers and widths are those of MCAT's code, 512 and 256; some repositories begin with 256. Its gene branch is "
        "left out.",
        "The last epoch counts, as in MCAT's code, not the best on the reported fold, as in G-HANet's loop.",
    ),
    found_wrong=(
        "The released class squeezes the pooled vector, so it takes one patient at a time, and makes an attention map "
        "only to throw it away.",
        "It spreads the patches of one bag over several GPUs, whose wrapper then sits in the names of checkpoints.",
        "Its bilinear fusion runs on CUDA alone.",
        "Papers print different C-indices for it on the same cohorts: GBMLGG 0.786 in G-HANet, 0.797 in CMTA.",
    ),
)
