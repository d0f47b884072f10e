"""The card of CMTA: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Ablation, Card, Sweep
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

RECIPE = Recipe(
    optimizer="sgd",
    learning_rate=1e-3,
    momentum=0.9,
    weight_decay=1e-5,
    epochs=30,
    patients_per_step=1,
    published_epoch="best_on_test",
)
CARD = Card(
    paper="Zhou and Chen, Cross-modal translation and alignment for survival analysis, ICCV 2023",
    parameters=7_900_740,
    profile=Profile(
        needs=frozenset({"bag", "omics"}),
        recipe=RECIPE,
    ),
    departures=(
        "Cross-attention has the paper's equations, one matrix of similarities for both directions without biases; the "
        "released code has two attentions (variant='released').",
        "Where the paper has one layer a projection and no normalisation, the default has the released code's two "
        "layers and normalisation, without which (final_norm=False) a summary and its guess share no scale.",
        "Copies that squaring makes of patches stay in cross-attention, as released, where the paper has N tokens; "
        "maps fold them back to their patches.",
        "The likelihood is computed from logits; the released code clamps probabilities at 1e-7, where its gradient "
        "vanishes (variant='released' does so too).",
        "Optimiser, epochs and the weight of the alignment are the released code's, since the paper gives none.",
        "How two of the ablations were built is said nowhere: ours hand tokens straight to the other decoder, and drop "
        "squaring along with PPEG.",
    ),
    found_wrong=(
        "The released code stops at its first training sample, for an attribute that is never set; batches of several "
        "patients, the Cox loss, one schedule and evaluation alone crash too.",
        "The last gene column is taken for metadata, and the UCEC table lacks a suffix, so that 150 values are left of "
        "several thousand; the filter for IDC tumours in BRCA never fires.",
        "Epochs are chosen on the reported fold, apparently the alignment's weight too (0.0001 to 100 by cohort), and "
        "bin edges come from all patients.",
        "With a limit on patches they are drawn at random when validating as well, and their order, which "
        "PPEG reads, is shuffled.",
        "The C-index as the paper prints it has no risk in it.",
        "The zeros that fill the landmarks get 94.5 % of the gene encoder's attention.",
    ),
    ablations=(
        Ablation("no-cross-attention", "without cross-attention", {"cross_attention": False}),
        Ablation("no-alignment", "without alignment", {"alpha": 0.0}),
        Ablation("no-detach", "without detaching", {"detach": False}),
        Ablation("no-ppeg", "without PPEG", {"ppeg": False}),
    ),
    sweeps=(Sweep("alignment", "alignment", ("l1", "mse", "kl", "cosine"), ("L1", "MSE", "KL", "cosine"), "Fig. 3"),),
    whole_row="all on",
    whole_is_first=True,
    branches=("snntrans", "transmil"),
)
