"""What models minimise: the likelihood in discrete time, Cox's partial likelihood, ranking.

In `core`, because a method with several survival heads needs the same likelihood as the training loop.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.batch import Target, cause_log_hazards
from prognoscope.core.errors import ModelError

SMALLEST = 1e-7  # of a probability before its logarithm, in the released codes


def discrete_nll(
    logits: Float[Tensor, "P L"], target: Target, *, alpha: float = 0.0, clamp: bool = False
) -> Float[Tensor, " P"]:
    """Negative log-likelihood of right-censored survival in discrete time, per patient, in nats.

    With h = sigmoid(logits), a patient in bin k contributes the sum of log(1 - h_j) over j <= k when
    censored there; over j < k, plus log h_k, when the event was observed there.

    Where the target tells of competing events, L = 2K, and each bin has a hazard of the event, one of a competing one,
    and the chance of neither, which sum to 1 (`cause_log_hazards`); a competing event contributes as the event does,
    with its own hazard. Nothing is clamped then.

    Args:
        alpha: How much less censored patients weigh, in [0, 1]; 0 is the plain likelihood.
        clamp: Work on probabilities no smaller than 1e-7, as the released codes do; the gradient is zero where
            the clamp bites. By default the logits are used, so that nothing needs a clamp.

    Raises:
        ValueError: If a bin lies outside [0, K).

    Source: Gensheimer, Narasimhan: A scalable discrete-time survival model for neural networks. PeerJ 2019.
    """
    n_bins = logits.shape[1] if target.competing is None else logits.shape[1] // 2
    if len(target) and logits.device.type == "cpu" and (target.bin.min() < 0 or target.bin.max() >= n_bins):
        raise ValueError(f"Time bins must lie in 0 to {n_bins - 1}, not {target.bin.min()} to {target.bin.max()}.")
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    k = target.bin[:, None]
    if target.competing is not None:
        own, other, none = cause_log_hazards(logits)
        log_after = none.cumsum(dim=1).gather(1, k)[:, 0]
        log_before = log_after - none.gather(1, k)[:, 0]
        event, rival = (-(log_before + each.gather(1, k)[:, 0]) for each in (own, other))
        return torch.where(target.event, event, torch.where(target.competing, rival, -(1 - alpha) * log_after))
    if clamp:
        hazard = logits.sigmoid()
        survival = F.pad((1 - hazard).cumprod(dim=1), (1, 0), value=1.0)
        log_before = survival.gather(1, k)[:, 0].clamp(min=SMALLEST).log()
        log_after = survival.gather(1, k + 1)[:, 0].clamp(min=SMALLEST).log()
        log_hazard = hazard.gather(1, k)[:, 0].clamp(min=SMALLEST).log()
    else:
        log_survival = F.pad(F.logsigmoid(-logits).cumsum(dim=1), (1, 0))
        log_before = log_survival.gather(1, k)[:, 0]
        log_after = log_survival.gather(1, k + 1)[:, 0]
        log_hazard = F.logsigmoid(logits.gather(1, k)[:, 0])
    return torch.where(target.event, -(log_before + log_hazard), -(1 - alpha) * log_after)


def survival_cross_entropy(logits: Float[Tensor, "P K"], target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
    """Cross-entropy of outliving the own bin, plus the likelihood of an event in it, per patient, in nats.

    Args:
        alpha: Weight of the likelihood; the cross-entropy has the rest.

    Source: the option `ce_surv` of the code of Chen et al.: Multimodal co-attention transformer (MCAT). ICCV 2021.
    There it is infinite where the survival is 1; here every argument of a logarithm is at least 1e-7.
    """
    if target.competing is not None:
        raise ModelError("The loss survival_cross_entropy knows no competing events. Take the likelihood instead.")
    hazard = logits.float().sigmoid()
    survival = F.pad((1 - hazard).cumprod(dim=1), (1, 0), value=1.0)
    k = target.bin[:, None]
    before, after = survival.gather(1, k)[:, 0], survival.gather(1, k + 1)[:, 0]
    event = -((before + SMALLEST).log() + hazard.gather(1, k)[:, 0].clamp(min=SMALLEST).log())
    outlived = after.clamp(min=SMALLEST).log()
    ended = (1 - after.clamp(min=SMALLEST)).clamp(min=SMALLEST).log()
    return (1 - alpha) * -torch.where(target.event, ended, outlived) + alpha * torch.where(target.event, event, 0.0)


def cox_partial_nll(log_hazard_ratio: Float[Tensor, " P"], target: Target) -> Float[Tensor, " P"]:
    """Negative log partial likelihood, per patient, in nats; zero for censored patients. Ties as Breslow.

    The risk set of a patient is everybody in the batch who was followed at least as long.

    Source: Cox: Regression models and life tables. J R Stat Soc B 1972.
    """
    order = target.time.argsort(descending=True, stable=True)
    ranked, time = log_hazard_ratio[order], target.time[order]
    ranked = ranked.to(torch.promote_types(ranked.dtype, torch.float32))
    at_risk = torch.logcumsumexp(ranked, dim=0)
    last_of_tie = torch.searchsorted(-time, -time, side="right") - 1  # ties share the largest risk set
    loss = torch.where(target.event[order], at_risk[last_of_tie] - ranked, 0.0)
    return torch.zeros_like(loss).index_copy(0, order, loss)


def cox_loss(log_hazard_ratio: Float[Tensor, " P"], target: Target) -> Float[Tensor, " P"]:
    """`cox_partial_nll` scaled so that its mean over all P patients is the mean over those with an event, in nats.

    Unlike other losses, what it is for one patient depends on the batch: a step cut into passes compares patients
    within each pass alone, and a batch without an event teaches nothing.
    """
    loss = cox_partial_nll(log_hazard_ratio, target)
    return loss * (len(target) / target.event.sum().clamp(min=1))
