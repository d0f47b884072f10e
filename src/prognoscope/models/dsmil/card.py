"""The card of DSMIL: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import EarlyStop, Recipe

CARD = Card(
    paper="Li, Li and Eliceiri, Dual-stream multiple instance learning network, CVPR 2021",
    parameters=168_200,
    profile=Profile(
        needs=frozenset({"bag"}),
        recipe=Recipe(
            learning_rate=1e-4,
            betas=(0.5, 0.9),
            weight_decay=1e-3,
            schedule="cosine",
            epochs=50,
            patients_per_step=1,
            sampler="shuffled",
            published_epoch="best_on_test",
            published_stop=EarlyStop(patience=10),
        ),
    ),
    departures=(
        "One output a time bin and the likelihood on both streams stand for the classes and the cross-entropies of the "
        "original, with its weights of one half each.",
        "The query has two layers and values are the embeddings, as in the released code, where the paper's text has "
        "one layer for each; the prediction is the bag stream's as released, where the text averages both "
        "(average=True does).",
        "The learning rate falls towards zero along its cosine, where the released code ends at 5e-6.",
        "Patches are never dropped at random: the release's default rate is zero.",
    ),
    found_wrong=(
        "By default the released code chooses the epoch, and tunes its thresholds, on the fold that it reports.",
        "Its scheme with a test part calls the test with arguments in the wrong order and prints validation numbers.",
        "An AUC that is undefined counts as 1, and the random dropping of patches goes on when testing.",
        "The heat map divides by zero for a bag without a positive class.",
        "MCTI's copy fixes the width of its projection at 1024, and returns hazards per patch that are never reduced "
        "to a patient.",
    ),
)
