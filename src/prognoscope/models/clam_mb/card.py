"""The card of CLAMMB: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.clam_sb.card import FOUND_WRONG, OF_BOTH, PAPER, PROFILE

CARD = Card(
    paper=PAPER,
    parameters=794_640,
    profile=PROFILE,
    departures=(
        *OF_BOTH,
        "Every bin has its instance loss, as the bins exclude each other (`subtyping`); CLAM's own default and "
        "those of both survival ports have it for the own bin alone.",
    ),
    found_wrong=FOUND_WRONG,
)
