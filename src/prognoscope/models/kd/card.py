"""The card of KD: its paper, its recipe, where our default departs, what was found wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prognoscope.core.errors import ModelError
from prognoscope.models.card import Card
from prognoscope.models.profile import Profile
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import profile_of

SLIDES, BOTH = frozenset({"bag"}), frozenset({"bag", "omics"})


def profile(options: Mapping[str, Any]) -> Profile:
    """It is trained as its student is, on genes chosen as its teacher wants them.

    Raises:
        ModelError: The student or the teacher is no method of its role.
    """
    student, student_options = _asked("student", "clam_sb", options)
    teacher, teacher_options = _asked("teacher", "mcat", options)
    its, theirs = profile_of(student, student_options), profile_of(teacher, teacher_options)
    own = _need_role("student", student, its, SLIDES)
    _need_role("teacher", teacher, theirs, BOTH)
    factors, norms = _inside(own.learning_rate_factors), _inside(own.clip_norm)
    return Profile(
        needs=SLIDES,
        learns_from=frozenset({"omics"}),
        recipe=replace(own, learning_rate_factors=factors, clip_norm=norms),
        learning_rate_factors=_inside(its.learning_rate_factors),
        keeps_patches=options.get("loss") == "representation" or its.keeps_patches,
        gene_selection=theirs.gene_selection,
        teacher=(teacher, teacher_options),
    )


def _asked(role: str, otherwise: str, options: Mapping[str, Any]) -> tuple[str, dict[str, object]]:
    return str(options.get(role, otherwise)), dict(options.get(f"{role}_options") or {})


def _need_role(role: str, name: str, profile: Profile, needs: frozenset[str]) -> Recipe:
    """The recipe of a method that can have the role."""
    if profile.recipe is None or profile.needs != needs or profile.uses != needs:
        what = "slides alone, as clam_sb does" if role == "student" else "slides and genes, as mcat does"
        raise ModelError(f"kd cannot have {name} as {role}, which must predict and learn from {what}.")
    return profile.recipe


def _inside(of_student: Mapping[str, float]) -> dict[str, float]:
    """By prefixes of parameter names as they are inside the student; "" stays everything else."""
    return {f"student.{prefix}" if prefix else "": value for prefix, value in of_student.items()}


CARD = Card(
    paper="Comparators of G-HANet, after Hinton et al., Distilling the knowledge in a neural network, 2015, "
    "and Zagoruyko and Komodakis, Paying more attention to attention, ICLR 2017",
    parameters=793_869,
    profile=profile,
    departures=(
        "No code and no setting of these baselines was published, so temperature, weights and the choice of maps are "
        "ours, after what is customary in the papers that they cite.",
        "Bins are compared hazard by hazard, as the outputs are independent sigmoids; the softmax of the original is "
        "the option `target: softmax`.",
        "Patches take the place of positions in an image, so that widths of student and teacher need not agree and "
        "nothing is projected.",
        "The teacher is trained inside each fold, never on patients whom the student is tested on or chosen by.",
    ),
    found_wrong=(
        "The comparison that prints these baselines does not say which outputs or maps were compared, nor how the "
        "losses were weighed; the gains over the plain students, at most .011 in the mean C-index, are not uniform.",
        "The reference for representation distillation is attention transfer, which is no contrastive loss.",
    ),
)
