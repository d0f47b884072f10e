"""The card of GHANet: its paper, its recipe, where our default departs, what was found wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prognoscope.core.genes import GeneSelection
from prognoscope.models.card import Ablation, Card, Departure, Sweep
from prognoscope.models.ghanet.presets import settled
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe

PLAIN = Profile(
    needs=frozenset({"bag"}),
    learns_from=frozenset({"omics"}),
    recipe=Recipe(
        learning_rate=2e-4, weight_decay=1e-5, epochs=20, patients_per_step=32, published_epoch="best_on_test"
    ),
)
# by which the lengths of gene groups are those of Table 1
AS_PUBLISHED = {"differential": "welch_resampled", "min_genes": 0}


def profile(options: Mapping[str, Any]) -> Profile:
    """Which genes its groups are of is chosen in each fold."""
    own = {name: options[name] for name in ("adjust", "min_genes", "round_counts") if name in options}
    return replace(PLAIN, gene_selection=GeneSelection(settled(options)["differential"], **own))


CARD = Card(
    paper="Wang et al., Histo-genomic knowledge distillation for cancer prognosis (G-HANet), arXiv 2403.10040",
    parameters=29_533_417,
    profile=profile,
    as_published=AS_PUBLISHED,
    departures=(
        "The bridge joins by concatenation, as the paper says; the released code takes the mean (variant='released').",
        "Reconstruction errors are averaged over gene groups, as in the paper's equation; released code sums them, "
        "which makes their weight six times as large.",
        Departure(
            "Genes are chosen by DESeq2 where the table holds counts, and otherwise by Welch's test on distinct "
            "training patients, two of a group at least; the released code tests patients that its sampler has drawn "
            "repeatedly.",
            unless=AS_PUBLISHED,
        ),
        "What the paper leaves open, such as feed-forward layers, norms and residuals, is as in the released code.",
        "The share of selected patches is 0.2 everywhere; the paper chose it per cohort on the folds that it reports.",
        "A token selects at least one patch.",
    ),
    found_wrong=(
        "The numbers of selected genes in the paper come from a t-test on z-scores of patients drawn with replacement, "
        "not from DESeq2, which cannot be run on these tables; it gives the printed lengths almost exactly, for UCEC "
        "too, where the paper says that the step was left out. On distinct patients far fewer genes pass.",
        "The released code reports the best epoch on the evaluation fold, and its bins are fitted to all patients.",
        "It crashes on bags with too few patches for the share to select one, and a gene group without genes makes the "
        "loss NaN.",
        "Patients without a slide stay in its C-index as events at time 0 with risk 0.",
        "The last gene column is taken for metadata and dropped; a second cross-attention is made and never used.",
        "The text names 30 % as the best share for UCEC, the table 35 %, and the headline number is that of 35 %.",
    ),
    ablations=(
        Ablation("model0", "m0: attention pooling", method="abmil"),
        Ablation("model1", "m1: gated association, cross-attention", {"preset": "model1"}),
        Ablation("model2", "m2: cross association, cross-attention", {"preset": "model2"}),
        Ablation("model3", "m3: gated association, hyper-attention", {"preset": "model3"}),
        Ablation("model4", "m4: no bridge", {"preset": "model4"}),
        Ablation("model5", "m5: genomic weights alone", {"preset": "model5"}),
        Ablation("model6", "m6: all genes", {"preset": "model6", "differential": "none"}),  # whatever the whole one has
    ),
    sweeps=(
        Sweep(
            "k",
            "ratio",
            (0.10, 0.15, 0.20, 0.25, 0.30, 0.35),
            ("k = 10 %", "k = 15 %", "k = 20 %", "k = 25 %", "k = 30 %", "k = 35 %"),
            "Table 3",
        ),
    ),
    whole_row="m7: the method",
)
