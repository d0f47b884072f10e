"""A bag cut at random into pseudo-bags that a first tier scores; a second tier pools what the first distils.

DTFD-MIL. Zhang et al.: Double-tier feature distillation multiple instance learning for histopathology whole slide image
classification. CVPR 2022.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.models.base import SurvivalModel
from prognoscope.models.dtfd_mil.card import CARD
from prognoscope.models.explained import ATTENTION, Kind
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.options import check_choices

CHOICES = {"distill": ("afs", "maxs", "maxmins"), "cam_score": ("risk", "last")}
SEED = 0  # of the partitions that predictions are made with


class DTFDMIL(SurvivalModel):
    """Gated attention over each pseudo-bag, and again over the features that the pseudo-bags are distilled to.

    A patient's patches are cut into nearly equal pseudo-bags: at random in training, by a fixed seed in evaluation,
    where the cut depends on the number of patches and on their order. Fewer patches than pseudo-bags make one each.
    The paper classifies; hazards in both tiers are what the survival papers made of it. Linear in T.

    Explains with `attention`: "patches" (T,), the product of both tiers' weights, or, where patches are distilled,
    the second tier's weights of the chosen ones; "tier1" (T,), which sums to 1 within each pseudo-bag. Both are means
    over partitions. Details, of the first partition: `group_id` (T,); `cam` (T, K), the patches' class scores;
    `tier1_logits` (P, G, K), `group_sizes` (P, G), 0 where there is no pseudo-bag; `tier2_input` (M, H), what was
    distilled, patient by patient, and `tier2_attention` (M,).

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: K, the number of time bins.
        num_groups: G, pseudo-bags of a patient.
        total_instance: Patches that "maxs" chooses of a patient, the same number in each pseudo-bag; "maxmins" chooses
            as many again from the other end.
        distill: What stands for a pseudo-bag: its pooled feature ("afs"), the patches of highest score ("maxs"), or
            those and the ones of lowest score ("maxmins"), none of them twice.
        cam_score: What patches are chosen by: their "risk", or the softmax of the "last" class, as released.
        num_mean_inference: Partitions whose hazards are averaged in evaluation.
        detach_tier2: Whether the first tier learns from its own loss alone. Embeddings that ask for a gradient, for
            attributions, get it through both tiers.
        hidden_dim: H, the width of a reduced patch (L in the paper).
        attention_dim: Width of the two branches of either attention.
        residual_blocks: Of two layers each, after the reduction.
        dropout: Rate before the hazards of both tiers.
    """

    card = CARD
    patch_maps = ATTENTION | {
        "interval": Kind("cam", "How much the patch alone speaks for a death in this time interval.", "logit", "bins")
    }

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        num_groups: int = 4,
        total_instance: int = 4,
        distill: str = "afs",
        cam_score: str = "risk",
        num_mean_inference: int = 1,
        detach_tier2: bool = True,
        hidden_dim: int = 512,
        attention_dim: int = 128,
        residual_blocks: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__()
        check_choices("dtfd_mil", {"distill": distill, "cam_score": cam_score}, CHOICES)
        if min(num_groups, num_mean_inference) < 1:
            raise ModelError(f"dtfd_mil needs a pseudo-bag and a partition, not {num_groups=}, {num_mean_inference=}.")
        if distill != "afs" and total_instance < num_groups:
            raise ModelError(
                f"dtfd_mil chooses patches in each of num_groups={num_groups} pseudo-bags, so total_instance is at "
                f"least as large, not {total_instance}."
            )
        self.num_groups, self.chosen_per_group = num_groups, total_instance // num_groups
        self.distill, self.cam_score, self.detach_tier2 = distill, cam_score, detach_tier2
        self.num_mean_inference = num_mean_inference
        self.reduce = nn.Sequential(
            nn.Linear(embedding_dim, hidden_dim, bias=False),
            nn.ReLU(),
            *(_ResidualBlock(hidden_dim) for _ in range(residual_blocks)),
        )
        self.attend = GatedAttention(hidden_dim, attention_dim)
        self.tier1_head = nn.Linear(hidden_dim, n_bins)
        self.tier2 = nn.ModuleDict(
            {"attend": GatedAttention(hidden_dim, attention_dim), "head": nn.Linear(hidden_dim, n_bins)}
        )
        self.dropout = Dropout(dropout)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        bags.need_patches("dtfd_mil")
        seeds = [None] if self.training else range(SEED, SEED + self.num_mean_inference)
        return self.predict(inputs, *(partition(bags.lengths, self.num_groups, seed) for seed in seeds))

    def predict(self, inputs: Inputs, *partitions: Int[Tensor, " T"]) -> Output:
        """The mean over partitions that say each patch's pseudo-bag, 0 to G - 1; they stay on the CPU."""
        patches = inputs.bags.replace(self.reduce(inputs.bags.values))
        scores = self.attend(patches.values)
        detach = self.detach_tier2 and not inputs.bags.values.requires_grad  # attributions go through both tiers
        outputs = [self._predict(patches, scores, group, detach=detach) for group in partitions]
        first = outputs[0]
        if len(outputs) == 1:
            return first
        logits = torch.stack([each.logits for each in outputs])
        reached, outlived = (F.logsigmoid(sign * logits).logsumexp(dim=0) for sign in (1, -1))
        attention = {name: torch.stack([each.attention[name] for each in outputs]).mean(0) for name in first.attention}
        return Output(reached - outlived, attention=attention, details=first.details)  # the logit of the mean hazard

    def why_one_cause(self) -> str:
        return "it averages hazards of one kind of event over its partitions; take abmil, whose attention it has"

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """The likelihood in the first tier, the mean over a patient's pseudo-bags."""
        logits, there = output.details["tier1_logits"], output.details["group_sizes"] > 0
        each = torch.stack([discrete_nll(one, target, alpha=alpha) for one in logits.unbind(1)], dim=1)
        return {"tier1": each.where(there, 0).sum(dim=1) / there.sum(dim=1)}

    def _predict(self, patches: Bags, scores: Float[Tensor, " T"], group: Int[Tensor, " T"], *, detach: bool) -> Output:
        device, n_groups = patches.values.device, self.num_groups
        owner = torch.arange(len(patches)).repeat_interleave(patches.lengths)
        place = owner * n_groups + group  # on the CPU like all that says where things are: nothing waits for a device
        sizes = torch.bincount(place, minlength=len(patches) * n_groups).view(-1, n_groups)
        group, place, there = (each.to(device, non_blocking=True) for each in (group, place, sizes > 0))

        member = group[:, None] == torch.arange(n_groups, device=device)  # (T, G)
        elsewhere = ~member & there[patches.owner]  # a pseudo-bag that is not there must not be a softmax of nothing
        weights = patches.softmax(scores[:, None].masked_fill(elsewhere, -torch.inf)) * member
        pooled = patches.weighted_sum(weights.to(patches.values.dtype), patches.values)  # (P, G, H)
        first = weights.sum(dim=1)  # (T,)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):  # rounded scores would rank patches anew
            values = at_least_float32(patches.values)
            cam = F.linear(values, self.tier1_head.weight.to(values.dtype)) * first[:, None]

        if self.distill == "afs":
            rows = sizes.flatten().nonzero()[:, 0].to(device, non_blocking=True)
            features, lengths = pooled.flatten(0, 1)[rows], (sizes > 0).sum(dim=1)
        else:
            rows, lengths = self._choose(cam, place, sizes)
            features = patches.values[rows]
        features = Bags(features.detach() if detach else features, lengths)
        second = features.softmax(self.tier2["attend"](features.values))
        embedding = features.weighted_sum(second[:, None].to(features.values.dtype), features.values)[:, 0]
        shown = second.new_zeros(sizes.numel() if self.distill == "afs" else len(first)).index_copy(0, rows, second)
        return Output(
            self.tier2["head"](self.dropout(embedding)),
            attention={"patches": shown[place] * first if self.distill == "afs" else shown, "tier1": first},
            details={
                "group_id": group,
                "cam": cam,
                "tier1_logits": self.tier1_head(self.dropout(pooled)),
                "group_sizes": sizes.to(device, non_blocking=True),
                "tier2_input": features.values,
                "tier2_attention": second,
            },
        )

    def _choose(
        self, cam: Float[Tensor, "T K"], place: Int[Tensor, " T"], sizes: Int[Tensor, "P G"]
    ) -> tuple[Int[Tensor, " M"], Int[Tensor, " P"]]:
        """The rows of the patches that stand for pseudo-bags, in each by descending score; how many a patient has."""
        score = Output(cam).risk if self.cam_score == "risk" else cam.float().softmax(dim=1)[:, -1]
        descending = score.sort(descending=True, stable=True).indices
        within = descending[place[descending].sort(stable=True).indices]  # pseudo-bag by pseudo-bag, best first
        flat = sizes.flatten()
        rank = torch.arange(len(within)) - (flat.cumsum(0) - flat).repeat_interleave(flat)
        chosen = rank < self.chosen_per_group
        if self.distill == "maxmins":
            chosen |= rank >= flat.repeat_interleave(flat) - self.chosen_per_group
        patient = torch.arange(len(sizes)).repeat_interleave(sizes.sum(dim=1))
        rows = within[chosen.nonzero()[:, 0].to(within.device, non_blocking=True)]
        return rows, torch.bincount(patient[chosen], minlength=len(sizes))


def partition(lengths: Int[Tensor, " P"], n_groups: int, seed: int | None = None) -> Int[Tensor, " T"]:
    """A pseudo-bag, 0 to G - 1, for each patch of each patient, on the CPU: nearly equal parts of a random order.

    Args:
        seed: Of every patient's order, so that it depends on the number of patches alone; None: torch's own state.
    """
    groups = [torch.empty(0, dtype=torch.int64)]
    for n in lengths.tolist():
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        parts = [torch.full_like(part, g) for g, part in enumerate(torch.arange(n).tensor_split(n_groups))]
        order = torch.randperm(n, generator=generator)
        groups.append(torch.empty_like(order).index_copy_(0, order, torch.cat(parts)))
    return torch.cat(groups)


class _ResidualBlock(nn.Module):
    """Two layers without biases, each with a ReLU, added to what came in."""

    def __init__(self, dim: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, dim, bias=False), nn.ReLU(), nn.Linear(dim, dim, bias=False), nn.ReLU()
        )

    def forward(self, patches: Float[Tensor, "T H"]) -> Float[Tensor, "T H"]:
        return patches + self.layers(patches)
