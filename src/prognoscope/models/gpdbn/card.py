"""The card of GPDBN: its paper, its recipe, where our default departs, what was found wrong."""

from collections.abc import Mapping
from typing import Any

from prognoscope.models.card import Ablation, Card
from prognoscope.models.profile import Profile


def profile(options: Mapping[str, Any]) -> Profile:
    """Cox's loss compares the patients of a step."""
    is_cox = options.get("head") == "cox"
    return Profile(needs=frozenset({"bag", "omics"}), mixes_patients=is_cox, compares_patients=is_cox)


CARD = Card(
    paper="Wang et al., GPDBN: deep bilinear network integrating both genomic data and pathological images for breast "
    "cancer prognosis prediction, Bioinformatics 2021",
    parameters=1_611_077,
    profile=profile,
    departures=(
        "The method reads one vector of 32 selected features a modality. Papers that compare with it do not say how a "
        "bag became one; ours pools patches by gated attention, encodes all genes by a self-normalising network, and "
        "normalises both (`inputs: vectors` takes given vectors).",
        "The paper's code sorts patients into two classes and a later one learns a Cox risk; the default here is the "
        "discrete hazards that the comparisons report (`head: cox` is the later code's).",
        "Dropout is 0.1 in every layer, as in the Cox code; the first code has 0.3, 0.3, 0.1 and 0.1.",
        "The Cox code trains on all patients at once, for 150 epochs with a falling rate and an L1 penalty of 3e-4 on "
        "all weights; the default here is the recipe that the comparisons share, without a penalty.",
    ),
    found_wrong=(
        "The released Cox loss is right only if patients are sorted by decreasing time beforehand, and divides by one "
        "event more than there are; its variable named censor is 1 for a death.",
        "The L1 penalty counts the two constants that scale the output; the options for dropout, width and batch size "
        "are ignored; the weights of the best epoch are saved and never loaded.",
        "The fold reported on is scored in every epoch.",
    ),
    ablations=(
        Ablation("no-inter", "without inter-modality features", {"use_inter": False}),
        Ablation("no-intra", "without intra-modality features", {"use_intra": False}),
    ),
    branches=("snn", "abmil"),
)
