"""The card of CCL: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Ablation, Card, Sweep
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Zhou et al., Cohort-individual cooperative learning for multimodal cancer survival analysis (CCL), "
    "IEEE TMI 2024",
    parameters=2_101_012,
    profile=Profile(
        needs=frozenset({"bag", "omics"}),
        recipe=Recipe(
            optimizer="sgd",
            learning_rate=1e-3,
            weight_decay=1e-5,
            momentum=0.0,
            epochs=30,
            patients_per_step=1,
            sampler="shuffled",
            published_epoch="last_best_on_test",
        ),
    ),
    departures=(
        "Each specific encoder reads its own modality, as the paper says; the released code swaps the two "
        "(variant='released').",
        "The fusion is softmax attention over the five tokens; released code uses Nystrom attention on 128 landmarks, "
        "where padding holds 96 % of the attention.",
        "The cohort loss compares component by component, with patients seen earlier alone; released code pools the "
        "components, and a censored patient meets itself.",
        "The knowledge loss is a mean of its eight terms, since the published weight of 1 belongs to the mean that the "
        "released code takes, not to the sum that is printed.",
        "A centre that loses its patches moves to the farthest patch; in released code it becomes the zero vector.",
        "Anchor and earlier patients are part of a checkpoint, and change after each step of the optimiser, not in the "
        "forward pass.",
    ),
    found_wrong=(
        "In the released code the encoder named after genes is given the slide and the reverse: the token that the "
        "loss calls gene-specific does not depend on genes at all.",
        "The anchor is no part of a released checkpoint, which therefore cannot reproduce its own evaluation.",
        "The bank keeps the autograd graph of every earlier patient, so memory grows with each step.",
        "The reported number is the best epoch on the test fold, and the later one of equals; bins come from all "
        "patients.",
        "Gene groups are cut by offsets written into the code, so a table with one column more shifts them in silence.",
        "How the components' attention was drawn on the slide, and what the t-test compares, is said nowhere.",
    ),
    ablations=(
        Ablation("baseline", "baseline", {"fusion": "transformer"}, method="dualtrans"),
        Ablation("cca", "cca", {"ablation": "cca"}),
        Ablation("cca-mkd", "cca_mkd", {"ablation": "cca_mkd"}),
    ),
    sweeps=(
        Sweep("k", "k", (4, 6, 9), ("k = 4", "k = 6", "k = 9"), "Table IV"),
        Sweep("tau", "tau", (0.05, 0.1, 0.3), ("tau = 0.05", "tau = 0.1", "tau = 0.3"), "Table IV"),
        Sweep("b", "bank_length", (5, 10, 20), ("b = 5", "b = 10", "b = 20"), "Table IV"),
        Sweep("r", "groups", (2, None, 6), ("r = 2", "r = the time bins", "r = 6"), "Table IV"),
    ),
    whole_row="ours",
)
