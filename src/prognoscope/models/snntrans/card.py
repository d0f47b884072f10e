"""The card of SNNTrans: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.cmta.card import RECIPE
from prognoscope.models.profile import Profile

CARD = Card(
    paper="Comparator of Zhou and Chen, Cross-modal translation and alignment for survival analysis, ICCV 2023",
    parameters=5_487_892,
    profile=Profile(
        needs=frozenset({"omics"}),
        recipe=RECIPE,
    ),
    departures=(
        "CMTA puts self-attention of its gene encoder on self-normalising networks, G-HANet a TransMIL on sorted "
        "genes; ours is CMTA's, which defines the baseline and with which CCL agrees.",
        "Nothing says which encoder options were used: depth, widths and final normalisation are those of CMTA's "
        "released gene encoder.",
    ),
    found_wrong=(
        "Three papers tabulate it, none has released it, and their texts describe two networks; CMTA and CCL print the "
        "same C-indices to the last digit.",
        "At the published width the six groups and the class token get 7/128, or 5.5 %, of the attention: the zeros "
        "that fill the landmarks get the rest, so self-attention is nearly switched off.",
    ),
)
