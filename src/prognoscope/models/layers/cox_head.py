"""From log hazard ratios, which Cox's loss leaves without a level, to a hazard in each time bin."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.batch import Output, Target
from prognoscope.models.layers.precision import at_least_float32

SMALLEST_STEP, LARGEST_STEP = 1e-9, 60.0  # of the cumulative hazard in a bin, so that every logit is finite
NEVER = -40.0  # the logit of what does not happen


def proportional_logits(
    log_hazard_ratio: Float[Tensor, " P"], hazard_steps: Float[Tensor, " K"]
) -> Float[Tensor, "P K"]:
    """The logits of the hazard in each bin, of which 1 - hazard = exp(-step * ratio).

    Args:
        hazard_steps: How much the cumulative hazard of a patient of ratio 1 grows in each bin.
    """
    step = at_least_float32(hazard_steps).clamp(min=SMALLEST_STEP) * at_least_float32(log_hazard_ratio).exp()[:, None]
    step = step.clamp(SMALLEST_STEP, LARGEST_STEP)
    return torch.log(-torch.expm1(-step)) + step


def cause_logits(
    log_ratio: Float[Tensor, " P"],
    steps: Float[Tensor, " K"],
    rival_log_ratio: Float[Tensor, " P"],
    rival_steps: Float[Tensor, " K"],
) -> Float[Tensor, "P L"]:
    """The logits, L = 2K, of two causes with proportional hazards, the share of each the same all through a bin.

    Args:
        steps: How much the cumulative hazard of the event of a patient of ratio 1 grows in each bin.
    """
    own, rival = (
        (step.clamp(min=SMALLEST_STEP) * ratio.exp()[:, None]).clamp(SMALLEST_STEP, LARGEST_STEP)
        for step, ratio in ((steps, log_ratio), (rival_steps, rival_log_ratio))
    )
    total = own + rival
    either = torch.log(-torch.expm1(-total)) + total  # the logit of any event
    return torch.cat([each.log() - total.log() + either for each in (own, rival)], dim=1)


def subdistribution_logits(log_ratio: Float[Tensor, " P"], steps: Float[Tensor, " K"]) -> Float[Tensor, "P L"]:
    """The logits, L = 2K, that give the cumulative incidence 1 - exp(-H), H the cumulative subdistribution hazard."""
    own = proportional_logits(log_ratio, steps)
    return torch.cat([own, torch.full_like(own, NEVER)], dim=1)


def ratio_of(output: Output) -> Float[Tensor, " P"]:
    """The log hazard ratio of an output that has one, as every one of a Cox head has."""
    assert output.log_hazard_ratio is not None
    return output.log_hazard_ratio


class BaselineHazard(nn.Module):
    """The hazard in each bin of a patient of ratio 1, learned beside a network that Cox's loss trains.

    In each bin: events over exposure, which is the sum of the ratios of those at risk, half for those whose follow-up
    ends in the bin. Both are running means over about an epoch, so they follow the network as it learns, and are
    buffers: a checkpoint predicts. The ratios are those of training, dropout included.

    The model calls `start` in `before_training`, returns what `told` gives in `to_remember`, and hands it to `follow`
    in `remember`.

    Source: Breslow: Covariance analysis of censored survival data. Biometrics 1974, with the bins as its intervals.
    """

    events: Tensor
    exposure: Tensor
    patients: Tensor

    def __init__(self, n_bins: int):
        super().__init__()
        self.register_buffer("events", torch.full((n_bins,), 0.5))
        self.register_buffer("exposure", torch.ones(n_bins))
        self.register_buffer("patients", torch.zeros(()))  # that an epoch has

    def forward(self, log_hazard_ratio: Float[Tensor, " P"]) -> Float[Tensor, "P K"]:
        """The logits of the hazard in each bin."""
        return proportional_logits(log_hazard_ratio, self.events / self.exposure.clamp(min=SMALLEST_STEP))

    @torch.no_grad()
    def start(self, target: Target) -> None:
        """Begin with all training patients at ratio 1."""
        self.patients.fill_(len(target))
        events, exposure = self._measured(torch.zeros(len(target)), target.bin, target.event)
        self.events.copy_(events)
        self.exposure.copy_(exposure)

    def told(self, log_hazard_ratio: Float[Tensor, " P"], target: Target) -> dict[str, Tensor]:
        """What `follow` wants to be told of a step's patients."""
        return {"log_hazard_ratio": log_hazard_ratio.detach(), "bin": target.bin, "event": target.event}

    @torch.no_grad()
    def follow(self, kept: dict[str, Tensor]) -> None:
        """Move by as much as these patients are of an epoch."""
        weight = (len(kept["bin"]) / self.patients.clamp(min=1)).clamp(max=1)
        events, exposure = self._measured(kept["log_hazard_ratio"], kept["bin"], kept["event"])
        self.events.lerp_(events, weight)
        self.exposure.lerp_(exposure, weight)

    def _measured(self, log_hazard_ratio: Tensor, bin: Tensor, event: Tensor) -> tuple[Tensor, Tensor]:
        """Events and exposure in each bin, per patient."""
        own = torch.nn.functional.one_hot(bin, len(self.events)).to(self.events)  # (P, K)
        lived = own.flip(1).cumsum(1).flip(1) - own / 2
        ratio = log_hazard_ratio.to(self.events).exp()
        return (own * event[:, None]).mean(0), (lived * ratio[:, None]).mean(0)
