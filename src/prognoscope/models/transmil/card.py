"""The card of TransMIL: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Shao et al., TransMIL: transformer based correlated multiple instance learning, NeurIPS 2021",
    parameters=2_673_172,
    profile=Profile(
        needs=frozenset({"bag"}),
        recipe=Recipe(learning_rate=2e-4, weight_decay=1e-5, epochs=20),
    ),
    departures=(
        "Rows of a padded sequence are returned where they belong, as newer versions of the attention package do, not "
        "as the version that the authors pin; alignment='legacy' reads checkpoints made with that one.",
        "Unequal bags of a batch have their own landmarks, scale and grid, so that a batch equals its patients alone.",
        "The recipe is that of G-HANet's comparison (Adam 2e-4, 20 epochs, 32 patients a step), the shared one of the "
        "bag methods, not the classifier's Lookahead over RAdam for 200 epochs; CMTA's comparison used SGD 1e-3.",
    ),
    found_wrong=(
        "The pinned attention package, 0.0.9, pads in front but keeps the first rows: whenever padding is needed, "
        "which is nearly always, the class token reads the output of a padding row.",
        "The published pseudo-inverse takes one scale over the whole tensor, so batched patients change each other.",
        "The class token is put on a GPU inside the forward pass, and the widths 1024 and 512 are fixed in the code.",
        "The share of attention that real tokens get jumps with the number of patches, as zeros that fill the "
        "landmarks take part in every softmax; a squared bag with its class token always needs some.",
    ),
)
