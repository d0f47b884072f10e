"""The card of MCTI: its paper, its recipe, where our default departs, what was found wrong."""

from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

from prognoscope.models.card import Ablation, Card, Departure
from prognoscope.models.options import check_choices, check_numbers
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import EarlyStop, Recipe

PRESETS = {  # width of a token, width of the gene encoder, learning rate
    "default": (256, 256, 2e-4),
    "paper": (1024, 1024, 5e-5),
}
RECIPE = Recipe(
    learning_rate=2e-4,
    weight_decay=1e-5,
    epochs=30,
    patients_per_step=8,
    published_epoch="best_on_validation",
    published_stop=EarlyStop(patience=5, warm_up=2, earliest=18),
)
RELEASED = replace(RECIPE, learning_rate=5e-5, patients_per_step=32)


def profile(options: Mapping[str, Any]) -> Profile:
    """Variant and preset set the rate; subtypes are learned from where they are the second task."""
    preset, factor = options.get("preset", "default"), options.get("dsmil_lr_mult", 10.0)
    variant = options.get("variant", "paper")
    choices = {"variant": ("paper", "released"), "preset": PRESETS}
    check_choices("mcti", {"variant": variant, "preset": preset}, choices)
    check_numbers("mcti", ("dsmil_lr_mult", factor, isinstance(factor, Real), "number"))
    of_paper = variant == "paper"
    return Profile(
        needs=frozenset({"bag", "omics"}),
        learns_from=frozenset({"subtype"} if options.get("aux_task", "subtype") == "subtype" else ()),
        recipe=replace(RECIPE, learning_rate=PRESETS[preset][2]) if of_paper else RELEASED,
        learning_rate_factors={"network.dsmil": float(factor)} if of_paper else {},
    )


CARD = Card(
    paper="Jiang et al., Multimodal cross-task interaction for survival analysis in whole slide pathological images "
    "(MCTI), MICCAI 2024",
    parameters=9_093_912,
    profile=profile,
    as_published={"preset": "paper"},
    departures=(
        "The default follows the paper: selected patches as tokens, four blocks each way, addition on the skips, "
        "losses on subtype and bag. The released code, which does otherwise in each of these, is variant='released'.",
        Departure(
            "Tokens are 256 wide and the gene encoder 256, as 1024 and a gene encoder of 8192 are out of proportion to "
            "a few hundred patients; preset='paper' is 1024 wide.",
            unless={"preset": "paper"},
        ),
        "The plan is entropic transport, with a gradient through its last normalisation; exact transport, as released, "
        "is ot='emd'.",
        "The k equal gene tokens are one token that counts k times, which is the same to rounding.",
        "The patch-ranking branch learns ten times as fast: at the common rate it stays near chance, so the selection "
        "is random.",
        "Where the equations do not fit together as printed (the attention within a stream, which side of the plan is "
        "transposed, the last index of the skips), ours is the reading that the figure supports.",
    ),
    found_wrong=(
        "Two rows of the ablation table are copies of the rows of CLAM-SB and CLAM-MB in the main table, means and "
        "standard deviations alike; only the third row is a result, and the drops in the text follow from the copies.",
        "The two tables order their cohorts differently, a margin is computed against a method that is not second, and "
        "on NSCLC CMTA's number is above the method's own.",
        "The released code cannot run: modules and the loss are missing, and the trainer unpacks six outputs of a "
        "model that returns four. What its trainer minimises is the paper's ablation without the subtype.",
        "Its instance head gets no gradient, so the patches are ranked by a random projection, and at the start the "
        "slots that stand for them are nearly one vector.",
        "Of 1.9 billion parameters, 1.1 billion are in a convolution that is never used; the self-attention among "
        "genes sees one token and is a linear map.",
        "The summary of the test asks for columns that the test never writes, and bins come from all patients.",
    ),
    ablations=(
        Ablation("random-patches", "w/o WSI recon.", {"select": "random"}),
        Ablation("no-gene-grouping", "w/o genes group.", {"gene_grouping": False}),
        Ablation("no-subtype-task", "w/o TGA", {"aux_task": "survival"}),  # transport stays in it, as in the paper
        Ablation("no-transport", "without transport (ours)", {"tga": False}),
    ),
    whole_row="MCTI",
    whole_is_first=True,
    branches=("snn", "dsmil"),
)
