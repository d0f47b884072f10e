"""The card of PORPOISE: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Chen et al., Pan-cancer integrative histology-genomic analysis via multimodal deep learning, "
    "Cancer Cell 2022",
    parameters=2_358_213,
    profile=Profile(
        needs=frozenset({"bag", "omics"}),
        recipe=Recipe(published_epoch="last"),
    ),
    departures=(
        "The defaults are those of the released class: bilinear fusion with gates and skip, and a tenth of the input "
        "dropped. The released command line has no fusion, no gates, no skip and no such dropout by default.",
        "Of the papers that compare with it, those that tell their fusion take concatenation: `fusion: concat`.",
        "Where genes come in groups, their columns go in once each, in the order of the groups.",
        "The penalty on absolute weights stays off, as released by default.",
    ),
    found_wrong=(
        "The default of the released command line, no fusion, cannot predict anything; the low-rank fusion uses names "
        "that are imported nowhere, and commands of the documentation name models that the program refuses.",
        "A published comparison passes a choice of fusion that its copy of the code ignores: it always concatenates.",
        "Comparisons print C-indices of the method without saying which fusion they ran, and they differ by 0.03 on "
        "the same cohort.",
        "The bilinear fusion can be built on a GPU only, and the wide setting contradicts a fixed width of the "
        "concatenation.",
        "Attention is not returned, the entry for attributions calls a layer that does not exist, and a batch of more "
        "than one patient joins the bags of all of them.",
    ),
    branches=("snn", "abmil"),
)
