"""The card of CLAMSB: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

PAPER = "Lu et al., Data-efficient and weakly supervised computational pathology (CLAM), Nature BME 2021"
PROFILE = Profile(
    needs=frozenset({"bag"}),
    recipe=Recipe(learning_rate=2e-4, weight_decay=1e-5, epochs=20),
)
OF_BOTH = (
    "CLAM classifies slides; as in the survival papers, its classes are time bins and its logits hazards.",
    "The instance loss is left out for censored patients, whose bin is that of last follow-up and not of an event; "
    "the published survival ports use it for everybody, which is `inst_on_censored: true`.",
    "Patches are ranked by the logits of the attention, not by its weights, which tie in half precision.",
    "A bag of fewer than k patches gives all of them, and one of a single patch has no instance loss.",
    "The recipe is that of the survival papers; CLAM's own trains for up to 200 epochs with early stopping, one "
    "slide a step.",
)  # departures of clam_sb and clam_mb
FOUND_WRONG = (
    "The published code stops at a bag of fewer than k patches, takes one patient at a time, and waits for the "
    "device at every class.",
    "The survival ports disagree on the width of a projected patch (512 or 256), on whether other bins have an "
    "instance loss, and on which of two heads is used; one demands a label in evaluation too.",
    "None of the papers that print CLAM as a survival baseline says whether censored patients enter its instance loss.",
)

CARD = Card(
    paper=PAPER,
    parameters=793_869,
    profile=PROFILE,
    departures=(
        *OF_BOTH,
        "Every bin has its instance loss, as the bins exclude each other (`subtyping`); CLAM's own default and one of "
        "the two survival ports have it for the own bin alone.",
    ),
    found_wrong=FOUND_WRONG,
)
