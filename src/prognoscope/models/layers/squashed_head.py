"""The last layer of networks on one vector a patient: a hazard per time bin, or one bounded log hazard ratio."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.losses import cox_loss, discrete_nll
from prognoscope.models.base import SurvivalModel
from prognoscope.models.layers.cox_head import BaselineHazard, ratio_of
from prognoscope.models.layers.precision import at_least_float32

HEADS = ("discrete", "cox")
WIDTH, LOWEST = 6.0, -3.0  # of the range of log hazard ratios


class SquashedHead(nn.Module):
    """Logits of hazards, or a log hazard ratio in (-3, 3) with a baseline hazard learned beside it, and their losses.

    Args:
        kind: "discrete" or "cox".
        one_more_event: Cox's loss counts an event too many, as in the released codes.
    """

    def __init__(self, width: int, n_bins: int, kind: str, *, one_more_event: bool = False):
        super().__init__()
        self.last = nn.Linear(width, n_bins if kind == "discrete" else 1)
        self.baseline = BaselineHazard(n_bins) if kind == "cox" else None
        self.one_more_event = one_more_event

    def forward(self, code: Float[Tensor, "P H"]) -> tuple[Float[Tensor, "P K"], Float[Tensor, " P"] | None]:
        """Logits and, of Cox, the log hazard ratio."""
        if self.baseline is None:
            return self.last(code), None
        ratio = WIDTH * at_least_float32(self.last(code)[:, 0]).sigmoid() + LOWEST
        return self.baseline(ratio.detach()), ratio

    def loss(self, output: Output, target: Target, alpha: float) -> Float[Tensor, " P"]:
        """Per patient, in nats; Cox's compares these patients."""
        if self.baseline is None:
            return discrete_nll(output.logits, target, alpha=alpha)
        loss = cox_loss(ratio_of(output), target)
        if not self.one_more_event:
            return loss
        events = target.event.sum()
        return loss * (events.clamp(min=1) / (1 + events))

    def start(self, target: Target) -> None:
        """Before training, with all patients."""
        if self.baseline is not None:
            self.baseline.start(target)

    def told(self, output: Output, target: Target) -> dict[str, Tensor]:
        """What `follow` wants to be told of a step's patients."""
        return {} if self.baseline is None else self.baseline.told(ratio_of(output), target)

    def follow(self, kept: dict[str, Tensor]) -> None:
        """Let the baseline hazard follow the network."""
        if self.baseline is not None:
            self.baseline.follow(kept)


class SquashedModel(SurvivalModel):
    """A network that ends in `judge` with a `SquashedHead`, which has its losses and follows its training."""

    head: SquashedHead

    def forward(self, inputs: Inputs) -> Output:
        return self.concluded(self.read(inputs))

    def why_one_cause(self) -> str:
        why = super().why_one_cause()
        return why and f"{why}; set head: discrete"

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        return self.head.loss(output, target, alpha)

    def before_training(self, target: Target, read: Callable[[Sequence[int]], Inputs]) -> None:
        self.head.start(target)

    def to_remember(self, output: Output, target: Target) -> dict[str, Tensor]:
        return self.head.told(output, target)

    def remember(self, kept: dict[str, Tensor]) -> None:
        self.head.follow(kept)
