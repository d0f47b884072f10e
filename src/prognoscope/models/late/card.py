"""The card of late fusion: where it comes from, its profile, its ablations."""

from collections.abc import Mapping
from typing import Any

from prognoscope.models.card import Ablation, Card
from prognoscope.models.members import Joined, joined_members
from prognoscope.models.options import check_numbers
from prognoscope.models.profile import Profile

MEMBERS = ("coxph", "abmil")
FUSION = "stacked"
INNER_FOLDS = 3


def joined_of(options: Mapping[str, Any]) -> Joined:
    """Its members."""
    return joined_members("late", options.get("members", MEMBERS), options)


def profile(options: Mapping[str, Any]) -> Profile:
    """It needs what its members need, all of it to be trained; what one of them needs is enough to predict a patient.

    Raises:
        ModelError: A member is none, or there are too few inner folds.
    """
    joined, folds = joined_of(options), options.get("inner_folds", INNER_FOLDS)
    check_numbers(
        "late", ("inner_folds", folds, isinstance(folds, int) and 2 <= folds <= 20, "whole number from 2 to 20")
    )
    needs, takes = joined.needs, joined.takes
    if stacks_covariates(options, joined):
        needs, takes = (needs | {"clinical"}, takes) if options.get("n_clinical") else (needs, takes | {"clinical"})
    if "n_clinical" in options:  # sizes are known, so there is nothing left that may be there or not
        takes = frozenset()
    return Profile(
        needs=needs,
        takes=takes,
        learns_from=joined.learns_from - takes,
        recipe=None,
        gene_selection=next((each.gene_selection for each in joined.profiles.values() if each.gene_selection), None),
        members=joined.members,
        inner_folds=folds,
        alternatives=joined.alternatives,
    )


def stacks_covariates(options: Mapping[str, Any], joined: Joined) -> bool:
    """Whether covariates stand beside what the members say: no member has them, so none counts twice."""
    asked = options.get("covariates", True) and options.get("fusion", FUSION) == "stacked"
    return asked and not any("clinical" in each.uses for each in joined.profiles.values())


CARD = Card(
    paper="Wolpert, Stacked generalization, Neural Networks 1992; Breiman, Stacked regressions, Machine Learning 1996",
    parameters=920_069,
    profile=profile,
    departures=(
        "Neither paper has censored times: here a Cox regression stacks, on what members say of patients held out from "
        "them, and survival is read off its baseline at the ends of the time bins.",
        "Members are told apart by ranks: a risk counts by its place among the risks of held-out training patients, so "
        "that members of different scales are alike, and one that has overfitted is not taken at its word.",
        "Covariates enter the Cox regression only where no member has them, and coxph has.",
    ),
    whole_row="Stacked",
    ablations=(
        Ablation("no-product", "Without products", {"product": False}),
        Ablation("ranks", "Mean of ranks", {"fusion": "ranks"}),
        Ablation("coxph", "coxph alone", method="coxph"),
        Ablation("abmil", "abmil alone", method="abmil"),
    ),
    whole_is_first=True,
)
