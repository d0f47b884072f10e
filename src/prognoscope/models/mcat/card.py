"""The card of MCAT: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

CARD = Card(
    paper="Chen et al., Multimodal co-attention transformer for survival prediction, ICCV 2021",
    parameters=4_468_486,
    profile=Profile(
        needs=frozenset({"bag", "omics"}),
        recipe=Recipe(published_epoch="last"),
    ),
    departures=(
        "Biases and an output projection in the co-attention follow the released code, as checkpoints need them; the "
        "paper's equations have neither.",
        "The co-attention shown is that after the softmax, as in the paper; the released code shows raw scores, which "
        "are kept beside it under a name of their own.",
        "One dropout rate holds everywhere. In the released code the option reaches only some layers, and the others "
        "stay at 0.25.",
        "Keys and values are never computed for patches: both projections are folded into the few gene queries, with "
        "the same numbers.",
    ),
    found_wrong=(
        "The authors' result files, of the last epoch, have a mean C-index of 0.653 over five cohorts; later papers "
        "print 0.692 to 0.695 for the same method. A public trainer that keeps the epoch with the best C-index on the "
        "reported fold is a likely cause of a part of it.",
        "The released evaluation at the end of a fold unpacks batches in the wrong order and stops; the bilinear "
        "fusion can be built on a GPU only, and the wide patch layer contradicts fixed widths elsewhere.",
        "A batch of more than one patient silently joins the bags of all of them.",
        "Time bins are cut on the patients of all folds together, the gradient of the last, incomplete accumulation "
        "leaks into the next epoch, and the sampler divides by zero where a class is empty.",
        "The first twelve columns of a table are taken for metadata, which swallows a gene of BLCA, and the filter by "
        "subtype tests row labels and so never applies.",
    ),
    branches=("snn", "abmil"),
)
