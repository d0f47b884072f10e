"""The card of DualTrans: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.cmta.card import RECIPE
from prognoscope.models.profile import Profile

CARD = Card(
    paper="Comparator of Zhou and Chen, Cross-modal translation and alignment for survival analysis, ICCV 2023",
    parameters=6_562_340,
    profile=Profile(
        needs=frozenset({"bag", "omics"}),
        recipe=RECIPE,
    ),
    departures=(
        "No code was published. CMTA's text fuses the summaries of SNNTrans and TransMIL as CMTA fuses its own, CCL's "
        "by a transformer; the default is CMTA's, whose numbers the tables hold.",
        "Both branches are 256 wide, so that the fusion is CMTA's, where TransMIL by itself has 512.",
        "CCL's sentence fixes neither tokens nor depth of its transformer: fusion='transformer' takes one summary a "
        "modality and two layers.",
    ),
    found_wrong=(
        "CMTA and CCL describe different fusions and print the same C-indices to the last digit, so one table is not "
        "of the model that its text describes.",
    ),
    branches=("snntrans", "transmil"),
)
