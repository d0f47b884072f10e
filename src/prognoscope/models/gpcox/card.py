"""The card of GPCox: where it comes from, its profile, its ablations."""

from collections.abc import Mapping
from typing import Any

from prognoscope.models.card import Ablation, Card
from prognoscope.models.profile import Profile

EVERYTHING = frozenset({"bag", "omics", "clinical"})


def profile(options: Mapping[str, Any]) -> Profile:
    """It takes what there is, which sizes tell; slides or genes are enough to be trained on and predicted."""
    if "n_clinical" not in options:
        return Profile(takes=EVERYTHING, recipe=None, alternatives=(frozenset({"bag"}), frozenset({"omics"})))
    there = {
        "bag": options["embedding_dim"] > 0,
        "omics": sum(options["group_sizes"]) > 0,
        "clinical": options["n_clinical"] > 0,
    }
    needs = frozenset(kind for kind in there if there[kind])
    alternatives = tuple(frozenset({kind}) | (needs & {"clinical"}) for kind in ("bag", "omics") if there[kind])
    return Profile(needs=needs, recipe=None, alternatives=alternatives if len(alternatives) > 1 else ())


CARD = Card(
    paper="Prognoscope; after Ripatti and Palmgren, Estimation of multivariate frailty models using penalized partial "
    "likelihood, Biometrics 2000, and MacKay, Bayesian interpolation, Neural Computation 1992",
    profile=profile,
    departures=(
        "It is this project's own, made to be at least as good as late fusion of a Cox model and a network. Its "
        "settings were chosen on simulated cohorts, none of them on a cohort that results are reported of. That it had "
        "too few components of genes was seen on GPDBN's table.",
    ),
    ablations=(
        Ablation("no-product", "Without the product", {"product": False}),
        Ablation("one-kind", "Without kinds of tissue", {"kinds": 1}),
    ),
    branches=("coxph", "abmil"),
    whole_is_first=True,
)
