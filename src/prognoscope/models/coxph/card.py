"""The card of CoxPH: its paper, its recipe, where our default departs, what was found wrong."""

from collections.abc import Mapping
from typing import Any

from prognoscope.models.card import Card
from prognoscope.models.profile import Profile

BOTH = frozenset({"clinical", "omics"})


def profile(options: Mapping[str, Any]) -> Profile:
    """It needs what it is told to take; else it takes what there is, which sizes tell."""
    asked = options.get("covariates", "auto")
    if asked != "auto":
        return Profile(needs=BOTH if asked == "both" else frozenset({asked}), recipe=None)
    if "n_clinical" not in options:
        return Profile(takes=BOTH, recipe=None)
    there = {"clinical": options["n_clinical"] > 0, "omics": sum(options["group_sizes"]) > 0}
    return Profile(needs=frozenset(kind for kind in there if there[kind]), recipe=None)


CARD = Card(
    paper="Cox, Regression models and life tables, J R Stat Soc B 1972",
    profile=profile,
    departures=(
        "Principal components stand for the genes, and a ridge penalty, chosen by the partial likelihood of held-out "
        "training patients, keeps the fit finite with few patients; the 1972 model has neither.",
        "Survival is read off Breslow's baseline at the ends of the time bins, so that it can be scored beside the "
        "networks; the risk is the log hazard ratio itself.",
    ),
)
