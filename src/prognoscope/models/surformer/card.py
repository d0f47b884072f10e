"""The card of Surformer: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Wang et al., Surformer: an interpretable pattern-perceptive survival transformer, "
    "Comput Methods Programs Biomed 2023",
    parameters=14_526_336,
    profile=Profile(
        needs=frozenset({"bag"}),
        recipe=Recipe(
            learning_rate=3e-4, weight_decay=1e-5, epochs=20, schedule="step", step_epochs=20, patch_draw=(0.8, 1.0)
        ),
    ),
    departures=(
        "Every patient is scored, whatever the number of patches; the released code passes over bags of fewer than "
        "1000 patches, in training and in evaluation.",
        "The second cross-attention of the released code, which nothing calls, is not made.",
        "The rate falls to a tenth after 20 epochs, so with the default of 20 epochs it never does; the published log "
        "of one cohort shows 40.",
        "The last epoch is kept; the released code also reports the epoch of lowest training loss among the last four.",
    ),
    found_wrong=(
        "Patients whose bags have fewer than 1000 patches are skipped, but stay in the published C-index as events at "
        "time 0 with risk 0.",
        "The threshold that a patch must pass to be counted for a prototype can reject nothing but exact ties.",
        "Comparisons by others give no code for this method, so which of its settings their tables used is unknown.",
    ),
)
