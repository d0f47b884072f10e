"""The card of HFBSurv: its paper, its recipe, where our default departs, what was found wrong."""

from collections.abc import Mapping
from typing import Any

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile


def profile(options: Mapping[str, Any]) -> Profile:
    """Patients of a step meet in its batch normalisation and in Cox's loss."""
    compares = options.get("head") == "cox"
    mixes = compares or options.get("norm", "batch") == "batch"
    return Profile(needs=frozenset({"bag", "omics"}), mixes_patients=mixes, compares_patients=compares)


CARD = Card(
    paper="Li et al., HFBSurv: hierarchical multimodal fusion with factorized bilinear models for cancer survival "
    "prediction, Bioinformatics 2022",
    parameters=1_497_584,
    profile=profile,
    departures=(
        "The method reads one vector of selected features a modality. Papers that compare with it do not say how a bag "
        "became one; ours pools patches by gated attention, encodes the genes of each kind by a self-normalising "
        "network, and normalises the vectors (`inputs: vectors` takes given ones).",
        "A table without copy numbers and mutations has two modalities, and every term of the third is left out.",
        "The default repairs two slips of the released code (`variant: released` has them).",
        "The release learns a Cox risk from all patients at once, with an L1 penalty of 3e-3; the default here is "
        "discrete hazards with the recipe that the comparisons share (`head: cox` is the release's).",
    ),
    found_wrong=(
        "In the released code the weighed copy numbers are computed from the expression features, so that copy numbers "
        "never reach the fusion; and three projections for pairs are built of which one is used for all.",
        "The released Cox loss is right only if patients are sorted by decreasing time, and divides by one event more "
        "than there are; its L1 penalty counts the output's two constants and the projections that nothing reads.",
        "A batch of one patient crashes even in evaluation, and the fold reported on is scored in every epoch.",
        "The published checkpoints hold the training data.",
    ),
    branches=("snn", "abmil"),
)
