"""What every model owes its callers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.losses import discrete_nll
from prognoscope.models.card import Card
from prognoscope.models.explained import ATTENTION, Explained, Kind, Scores
from prognoscope.models.profile import Profile

RECONSTRUCTION = "reconstruction_"  # and a gene group's number: the detail of an output that tells its genes, (P, G)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a network makes of P patients each by themselves, before any meets another."""

    vector: Float[Tensor, "P _"]
    attention: dict[str, Tensor] = field(default_factory=dict)
    details: dict[str, Tensor] = field(default_factory=dict)


class SurvivalModel(nn.Module):
    """A network that predicts survival of P patients at once and lets none of them see another.

    A subclass has its card, and takes its sizes first, by the names of `Sizes`, then keyword options whose defaults are
    the paper's. It hands `__init__` here those options and sizes that its profile depends on.
    """

    card: ClassVar[Card]
    patch_maps: ClassVar[Mapping[str, Kind]] = ATTENTION  # what `explain` says of patches, where a model has it
    group_scores: ClassVar[Mapping[str, Kind]] = {}  # and of gene groups
    component_names: tuple[str, ...] = ()  # of details["components"], (P, Q, d), kept of held-out patients
    profile: Profile  # what its card says of these options
    causes: int = 1  # 2: it was made with twice the bins, for logits of the event of interest and of competing ones

    def __init__(self, **options: object):
        super().__init__()
        self.profile = self.card.profile_with(options)

    def why_one_cause(self) -> str:
        """Why it cannot learn where other events compete, which most do by `discrete_nll`; "" if it can."""
        return "its loss, Cox's, knows one kind of event" if self.profile.compares_patients else ""

    def take_causes(self, causes: int) -> None:
        """Settle how many kinds of events there are: one, or that of interest and any other, which then has logits."""
        self.causes = causes

    def __call__(self, *args, **kwargs) -> Output:
        output = super().__call__(*args, **kwargs)
        return output if self.causes == 1 else replace(output, causes=self.causes)

    def forward(self, inputs: Inputs) -> Output:
        """Predict P patients."""
        raise TypeError(f"{type(self).__name__} does not say how to predict.")

    @torch.no_grad()
    def explain(self, inputs: Inputs) -> Explained:
        """What the model itself says of its prediction, as far as its options let it: maps, scores, stages."""
        output = self(inputs)
        found = {**output.details, **self.stages(inputs), **output.attention}
        patches, groups = (
            {name: Scores(found[kind.key], kind) for name, kind in kinds.items() if kind.key in found}
            for kinds in (self.patch_maps, self.group_scores)
        )
        return Explained(patches, groups, found)

    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
        """What lies between input and prediction, by name; of methods that make more of it than an `Output` holds."""
        return {}

    @property
    def member_models(self) -> list["SurvivalModel"]:
        """The members that it is made of, in the order of its profile's."""
        return []

    def read(self, inputs: Inputs) -> Reading:
        """The part of `forward` in which no patient meets another; of a method whose profile mixes patients."""
        raise TypeError(f"{type(self).__name__} does not mix patients.")

    def judge(self, vector: Float[Tensor, "P _"]) -> Output:
        """The rest of `forward`. In training it gets all patients of a step, and losses see nothing but its output."""
        raise TypeError(f"{type(self).__name__} does not mix patients.")

    def concluded(self, reading: Reading) -> Output:
        """What `judge` says of what was read, and what was read beside it; `forward` of `read`."""
        output = self.judge(reading.vector)
        details = {**reading.details, **output.details}
        return replace(output, attention={**reading.attention, **output.attention}, details=details)

    def learn_from(self, teacher: "SurvivalModel") -> None:
        """Keep a trained teacher for `before_training`, outside of parameters and buffers; it is frozen."""
        raise TypeError(f"{type(self).__name__} learns from no teacher.")

    def join(
        self,
        members: Mapping[str, "SurvivalModel"],
        risks: Float[Tensor, "P M"],
        inputs: Inputs,
        target: Target,
        edges: Sequence[float],
    ) -> None:
        """Take trained members, and learn to put them together; only where the profile has members.

        Args:
            risks: What members trained without them said of all training patients, NaN where one cannot.
            inputs: Of these patients, without their bags.
            edges: Of the time bins, in months, K + 1.
        """
        raise TypeError(f"{type(self).__name__} has no members.")

    def fit(self, target: Target, edges: Sequence[float], read: Callable[[Sequence[int]], Inputs]) -> None:
        """Learn from all training patients at once; only where the profile has no recipe.

        Args:
            target: Of all training patients.
            edges: Of the time bins, in months, K + 1.
            read: Gives the inputs of the patients at these positions of `target`.
        """
        raise TypeError(f"{type(self).__name__} is trained by gradient steps.")

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        """The loss of the survival prediction, per patient; alpha: how much less censored patients weigh."""
        return discrete_nll(output.logits, target, alpha=alpha)

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """The method's own further losses, per patient and weighted, by name: the only other place of outcomes.

        Args:
            alpha: How much less censored patients weigh in what is a likelihood of survival among them.
        """
        return {}

    def before_training(self, target: Target, read: Callable[[Sequence[int]], Inputs]) -> None:
        """Take into buffers what all training patients tell; called once, before the first step, on the CPU.

        Args:
            target: Of all training patients.
            read: Gives the inputs of the patients at these positions of `target`, as the model will see them.
        """

    def forget_patients(self) -> None:
        """Empty what is of single training patients and predicts nobody, before weights leave the house."""

    def to_remember(self, output: Output, target: Target) -> dict[str, Tensor]:
        """What the method keeps of patients it trains on, a row a patient, detached; called before the step."""
        return {}

    def remember(self, kept: dict[str, Tensor]) -> None:
        """Take into buffers what `to_remember` gave of all patients of a step, in their order; called after it."""
