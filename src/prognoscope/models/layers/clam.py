"""What both forms of CLAM share: the network, and the loss that separates its most from its least attended patches."""

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import ATTENTION, SHARE, Kind
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.nystrom_encoder import start_xavier
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.options import check_choices

INSTANCE_LOSSES = ("cross_entropy", "smooth_top1_svm")


class CLAM(SurvivalModel):
    """Gated attention in one or several branches, linear hazards of what it pools, and a classifier per time bin.

    The classifiers say of a patch whether it speaks for its bin. They are taught, in training alone, by the patches
    that attention ranks first and last.
    """

    branches: ClassVar[str]  # "single", or "multi": one a time bin

    patch_maps = ATTENTION | {
        "interval": Kind("bins", "How much of the attention for this time interval the patch gets.", SHARE, "bins")
    }

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        hidden_dim: int = 512,
        attention_dim: int = 256,
        gate: bool = True,
        dropout: float = 0.25,
        k_sample: int = 8,
        subtyping: bool = True,
        instance_loss: str = "cross_entropy",
        instance_weight: float = 0.3,
        inst_on_censored: bool = False,
    ):
        super().__init__()
        name = "clam_mb" if self.branches == "multi" else "clam_sb"
        check_choices(name, {"instance_loss": instance_loss}, {"instance_loss": INSTANCE_LOSSES})
        for option, value, fits, range_ in (
            ("k_sample", k_sample, isinstance(k_sample, int) and k_sample >= 1, "whole number from 1 on"),
            ("instance_weight", instance_weight, 0 <= instance_weight <= 1, "number from 0 to 1"),
            ("dropout", dropout, 0 <= dropout < 1, "number from 0 to below 1"),
        ):
            if not fits:
                raise ModelError(f"{name} cannot work with {option}={value!r}. Give a {range_}.")
        self.k_sample, self.subtyping, self.inst_on_censored = k_sample, subtyping, inst_on_censored
        self.instance_loss, self.instance_weight = instance_loss, instance_weight
        self.project = ReLULayers(embedding_dim, hidden_dim, dropout=dropout)
        kind = GatedAttention if gate else TanhAttention
        self.attend = kind(hidden_dim, attention_dim, dropout, outputs=n_bins if self.branches == "multi" else 1)
        self.heads = nn.ModuleList(
            nn.Linear(hidden_dim, outputs) for outputs in ([1] * n_bins if self.branches == "multi" else [n_bins])
        )
        self.instances = nn.ModuleList(nn.Linear(hidden_dim, 2) for _ in range(n_bins))
        self.apply(start_xavier)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        patches = self.project(bags.values)  # (T, H)
        logits = self.attend(patches)  # (T, B) with B branches
        weights = bags.softmax(logits)
        pooled = bags.weighted_sum(weights.to(patches.dtype), patches)  # (P, B, H)
        hazards = torch.cat([head(pooled[:, min(b, pooled.shape[1] - 1)]) for b, head in enumerate(self.heads)], dim=1)
        attention = {"patches": weights.mean(dim=1)}
        if self.branches == "multi":
            attention["bins"] = weights
        details = {"patches": patches, "attention_logits": logits, "embedding": pooled, "lengths": bags.lengths}
        return Output(hazards, attention=attention, details=details)

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        return (1 - self.instance_weight) * discrete_nll(output.logits, target, alpha=alpha)

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """The loss of the instance classifiers, weighted: "instance".

        Zero for a patient of one patch and, unless `inst_on_censored`, for a censored one, whose bin is no event's.
        """
        if not self.instance_weight:
            return {}
        loss = self.instance_clustering(output, target)[0]
        taught = (output.details["lengths"] >= 2).to(loss.device)
        if not self.inst_on_censored:
            taught = taught & target.event
        return {"instance": self.instance_weight * loss.where(taught, 0)}

    def instance_clustering(
        self, output: Output, target: Target
    ) -> tuple[Float[Tensor, " P"], "Chosen", Float[Tensor, "P K places 2"]]:
        """The unweighted loss of every patient, the patches it is of, and what the classifiers say of them."""
        patches, scores = output.details["patches"], output.details["attention_logits"]
        bags = Bags(patches, output.details["lengths"])
        chosen = choose_patches(bags, scores, target.bin, len(self.instances), self.k_sample, self.subtyping)
        features = at_least_float32(patches)[chosen.rows.clamp(min=0)]  # (P, K, places, H)
        weight = torch.stack([each.get_parameter("weight") for each in self.instances]).to(features.dtype)  # (K, 2, H)
        bias = torch.stack([each.get_parameter("bias") for each in self.instances]).to(features.dtype)
        said = torch.einsum("pkih,kch->pkic", features, weight) + bias[:, None]
        each = cross_entropy if self.instance_loss == "cross_entropy" else smooth_top1_svm
        present = chosen.rows >= 0
        total = each(said, chosen.says_own).where(present, 0).sum(dim=2)
        loss = (total / present.sum(dim=2).clamp(min=1)).sum(dim=1)  # a mean over the patches of each bin
        return (loss / len(self.instances) if self.subtyping else loss), chosen, said


class Chosen(NamedTuple):
    """The patches that teach each bin's classifier."""

    rows: Int[Tensor, "P K places"]  # among all T; -1 where there is none
    says_own: Bool[Tensor, "P K places"]  # what the classifier should say of it


def choose_patches(
    bags: Bags, scores: Float[Tensor, "T B"], label: Int[Tensor, " P"], n_bins: int, k: int, subtyping: bool
) -> Chosen:
    """For the patient's own bin the k first and the k last patches by score, best first and worst first.

    With `subtyping`, for every other bin the k first, which should not speak for it. At most N patches of each kind.

    Args:
        scores: One column for all bins, or one a bin.
    """
    scores = at_least_float32(scores.detach())
    own = scores if scores.shape[1] == 1 else scores.gather(1, label[bags.owner][:, None])
    first_of = scores if subtyping else own
    first = torch.stack([bags.topk(column, k) for column in first_of.unbind(dim=1)], dim=1).expand(-1, n_bins, -1)
    last = bags.topk(-own[:, 0], k)[:, None].expand(-1, n_bins, -1)
    is_own = (torch.arange(n_bins, device=label.device) == label[:, None])[:, :, None].expand(-1, -1, k)
    wanted = torch.cat([torch.ones_like(is_own) if subtyping else is_own, is_own], dim=2)
    rows = torch.cat([first, last], dim=2).where(wanted, -1)
    return Chosen(rows, torch.cat([is_own, torch.zeros_like(is_own)], dim=2))


def cross_entropy(logits: Float[Tensor, "*places 2"], says_own: Bool[Tensor, "*places"]) -> Float[Tensor, "*places"]:
    """Minus the logarithm of the probability of the right answer."""
    return F.softplus(torch.where(says_own, logits[..., 0] - logits[..., 1], logits[..., 1] - logits[..., 0]))


def smooth_top1_svm(logits: Float[Tensor, "*places 2"], says_own: Bool[Tensor, "*places"]) -> Float[Tensor, "*places"]:
    """The smooth top-1 hinge with margin and temperature 1.

    Source: Berrada, Zisserman, Kumar: Smooth loss functions for deep top-k classification. ICLR 2018.
    """
    return F.softplus(1 + torch.where(says_own, logits[..., 0] - logits[..., 1], logits[..., 1] - logits[..., 0]))


class TanhAttention(nn.Module):
    """A logit per patch and branch from a tanh branch alone, (T, H) -> (T, outputs)."""

    def __init__(self, input_dim: int, hidden_dim: int, dropout: float = 0.0, *, outputs: int):
        super().__init__()
        self.tanh_branch = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.Tanh(), Dropout(dropout))
        self.score = nn.Linear(hidden_dim, outputs)

    def forward(self, patches: Float[Tensor, "T H"]) -> Float[Tensor, "T outputs"]:
        return self.score(self.tanh_branch(patches))
