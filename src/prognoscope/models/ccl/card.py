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
        "The fusion has no feed-forward part, as released; the paper says transformer (feed_forward=True).",
        "Common and synergy blend projected summaries, as released; eq. 2 as printed blends the summaries themselves "
        "(interaction='printed'), where fc stands for several layers at once. Those are not negative and sigmoids are "
        "positive, so synergy then cannot be told apart from what it is made of, as eq. 4 wants it: trained on eq. 4 "
        "alone, on random summaries, its cosines with them stay at 0.35 and 0.87, against below 0.02 as released. "
        "Gates without a sigmoid (interaction_gate='linear') let it go, with components of any size.",
        "The cohort loss compares component by component, with patients seen earlier alone; released code pools the "
        "components, and a censored patient meets itself.",
        "The cohort loss is the mean over the four components; eq. 5 as printed is their sum (lp_reduction='sum').",
        "The knowledge loss is a mean of its eight terms, since the published weight of 1 belongs to the mean that the "
        "released code takes, not to the sum that is printed (lk_reduction='sum').",
        "Survival groups are the time bins, quartiles of patients with an event, as released; the paper has r groups "
        "of equal size of all patients (groups_by='all_times').",
        "K-means starts from the anchor and runs in every step, as released; the paper calls it stochastic and gives "
        "no start (center_cache='once': one seeded k-means++ start a slide, and only the matching follows the anchor).",
        "Centres are matched with the anchor at the least sum of L1 distances, as released; the paper matches by "
        "similarity (matching='cosine').",
        "A centre that loses its patches moves to the farthest patch; in released code it becomes the zero vector.",
        "Anchor and earlier patients are part of a checkpoint, and change after each step of the optimiser, not in the "
        "forward pass.",
        "variant='printed' takes all of these as they are printed, where the paper says how.",
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
    branches=("snn", "deepattnmisl"),
)
