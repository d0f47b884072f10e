"""The card of MOTCat: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Xu and Chen, Multimodal optimal transport-based co-attention transformer, ICCV 2023",
    parameters=4_205_318,
    profile=Profile(
        needs=frozenset({"bag", "omics"}),
        recipe=Recipe(published_epoch="best_on_test"),
    ),
    departures=(
        "A step sees whole bags, as the authors' code does since 2024; micro-batches of 256 patches, as in the paper, "
        "are an option.",
        "In evaluation the micro-batches of a patient are always the same, so that the same patient has the same risk; "
        "the released code shuffles anew each time.",
        "A bag is cut into as few micro-batches as hold it; the released code makes one more where the size divides "
        "the number of patches.",
        "The transport is solved here, in double precision, with the kernel of the solver library that the release "
        "pins; `ot_kernel` takes that of later versions.",
        "The weight of the entropy is 0.1 everywhere; the authors take 0.05 for BLCA and LUAD.",
    ),
    found_wrong=(
        "The published C-indices are those of the epoch that was best on the reported fold.",
        "From version 0.9.5 of the solver library on, the same call means another kernel, which scales every plan by a "
        "factor that falls with the number of patches: 0.40 at 4096.",
        "The released evaluation draws its micro-batches anew, so that the risk of a patient differs from run to run.",
        "Micro-batches save no memory, as the graphs of all are kept until one backward pass; a group or a bag of one "
        "patch stops the program.",
        "The plan travels from the GPU to the CPU and back at each step, and equal features divide zero by zero when "
        "costs are scaled.",
    ),
    branches=("snn", "abmil"),
)
