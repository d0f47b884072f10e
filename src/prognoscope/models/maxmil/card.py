"""The card of MaxMIL: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.cmta.card import RECIPE
from prognoscope.models.profile import Profile

CARD = Card(
    paper="comparator of Zhou and Chen, ICCV 2023 (no paper of its own)",
    parameters=329_220,
    profile=Profile(
        needs=frozenset({"bag"}),
        recipe=RECIPE,
    ),
    departures=(
        "CMTA and CCL say only that instances are aggregated: the layers before the maximum are CMTA's patch "
        "projection, through which every patch of that study goes.",
        "The block of MCTI's released class was not published; it is taken to be the Linear, ReLU and Dropout of the "
        "block of that name in PORPOISE.",
    ),
    found_wrong=(
        "MCTI's class is told the number of time bins but builds its head for the number of tumour classes, two by "
        "default; ours has one output a bin.",
        "MCTI's code has the method, its tables do not; the rows that CMTA and CCL print are equal to the last digit, "
        "although CCL says that it trained all rivals anew.",
    ),
)
