"""The card of SurvPath: its paper, its recipe, where our default departs, what was found wrong."""

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

DRAWN = 4096  # patches of a training bag, to which the released code fills shorter ones with zeros
CARD = Card(
    paper="Jaume et al., Modeling dense multimodal interactions between biological pathways and histology for survival "
    "prediction, CVPR 2024",
    parameters=1_652_548,
    profile=Profile(
        needs=frozenset({"bag", "omics"}),
        recipe=Recipe(
            optimizer="radam",
            learning_rate=5e-4,
            weight_decay=1e-3,
            patients_per_step=1,
            schedule="cosine",
            warm_up_epochs=1,
            patch_draw=DRAWN,
            nll_alpha=0.5,
        ),
    ),
    departures=(
        "Bags are never filled with zeros. The released code fills short ones in training and then ignores the mask, "
        "so that zeros take part in attention and in the mean over patches (`variant: released`).",
        "The learning rate and decay are one point of the sweep that the released scripts make, and should be chosen "
        "on validation patients.",
        "Genes are scaled as everywhere in a study, each by its training patients, where the release scales all values "
        "of the training table together to [-1, 1] and leaves raw zeros at zero.",
        "Gene groups are kept whatever the table covers of them, unless the study sets `cohort.omics.min_coverage`; "
        "the published rule is 0.9.",
    ),
    found_wrong=(
        "The release pairs patients with rows of the expression table by position: with its own Reactome tables and "
        "folds almost every patient of three cohorts is given another patient's genes.",
        "Width options of patches and attention dropout are accepted and never reach the model, which takes 1024-d "
        "patches although the paper's encoder gives 768.",
        "Time bins are cut, and the censoring distribution of its metric is estimated, with the patients reported on; "
        "hyper-parameters are chosen on the reported fold.",
    ),
    branches=("snn", "abmil"),
)
