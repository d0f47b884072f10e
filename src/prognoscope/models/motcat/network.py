"""An optimal transport plan moves the patches of a bag to its gene groups, in place of MCAT's learned co-attention.

Xu, Chen: Multimodal optimal transport-based co-attention transformer with global structure consistency for survival
prediction. ICCV 2023.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import ATTENTION, GENE_POOL, SHARE, Kind
from prognoscope.models.layers.gene_guided import LateFusion, gene_layers
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.layers.transport import Transport, squared_distances, unbalanced_transport, uniform
from prognoscope.models.motcat.card import CARD
from prognoscope.models.motcat.micro_batches import MicroBatches, draw_groups
from prognoscope.models.options import check_choices

CHOICES = {"ot_kernel": ("entropy", "kl"), "ot_impl": ("unbalanced", "balanced")}
BALANCED_TOLERANCE = 1e-12


class MOTCat(SurvivalModel):
    """The patches that an entropic transport plan moves to each gene group, then MCAT's two sides and late fusion.

    The plan has no parameters and no gradient: the loss reaches patches through the product with the plan alone, and
    the gene groups through their own side alone. Linear in T.

    Explains with `attention`: "patches" (T,), the mass that the plan moves from each patch, over the patient's mass;
    "gene_to_patch" (T, S), the same for the mass that arrives at each gene group; both sum to 1 within a patient.
    Details: `plan` (T, S), the transported mass itself, also as `coattention`; `patch_mass` (T,); with a row per
    patient, or per micro-batch, `group_mass` (_, S), `rounds` (_,) of the solver and its last `change` (_,); and those
    of MCAT but for scores. With micro-batches also `group_logits` (Q, K) and `groups_per_patient` (P,).

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each of the S gene groups; any number of groups.
        n_bins: K, the number of time bins.
        ot_reg: Weight of the entropy, in units of a patient's largest cost. The authors take 0.05 for BLCA and LUAD.
        ot_tau: The price of mass that is created or lost.
        ot_kernel: The plan is compared with 1, "entropy", or with the product of the marginals, "kl"; the plans are
            proportional, by a factor that depends on the number of patches.
        ot_impl: "unbalanced" with equal masses, or "balanced" with the sums of shifted features as masses.
        micro_batch: The most patches of a group; each group goes through the network on its own, and a patient's
            survival and loss are the means of the groups'. The paper's setting is 256; by default the bag is whole.
            In evaluation the groups depend on the number of patches alone; they save no memory.
        d: Width of a token.
        heads, layers, feed_forward: Of both transformers; `feed_forward` is the width inside a layer.
        omic_width: Hidden layers of a gene group's network: "small", one of width d, or "big", three of 1024.
        gene_hidden: Widths of these layers, instead of those of `omic_width`.
        fusion: Of the two summaries: "concat" or "bilinear".
        fusion_hidden: Width between the last two layers of the bilinear fusion.
        scale_dim1, scale_dim2: What the widths of both summaries are divided by in the bilinear fusion.
        dropout: Rate everywhere; AlphaDropout in the gene groups' networks.
    """

    card = CARD
    patch_maps = ATTENTION | {
        "transport": Kind("gene_to_patch", "How much of the gene group's mass goes to the patch.", SHARE, "gene_groups")
    }
    group_scores = GENE_POOL

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        ot_reg: float = 0.1,
        ot_tau: float = 0.5,
        ot_kernel: str = "entropy",
        ot_impl: str = "unbalanced",
        micro_batch: int | None = None,
        d: int = 256,
        heads: int = 8,
        layers: int = 2,
        feed_forward: int = 512,
        omic_width: str = "small",
        gene_hidden: Sequence[int] | None = None,
        fusion: str = "concat",
        fusion_hidden: int = 256,
        scale_dim1: int = 8,
        scale_dim2: int = 8,
        dropout: float = 0.25,
    ):
        super().__init__()
        check_choices("motcat", {"ot_kernel": ot_kernel, "ot_impl": ot_impl}, CHOICES)
        if not (ot_reg > 0 and ot_tau > 0):
            raise ModelError(f"motcat's ot_reg and ot_tau must be above zero, not {ot_reg} and {ot_tau}.")
        if micro_batch is not None and micro_batch < 1:
            raise ModelError(f"A micro-batch of motcat needs a patch at least, not micro_batch={micro_batch}.")
        self.ot_reg, self.ot_tau, self.ot_kernel, self.ot_impl = ot_reg, ot_tau, ot_kernel, ot_impl
        self.micro_batch = micro_batch
        self.project = ReLULayers(embedding_dim, d, dropout=dropout)
        self.genes = gene_layers("motcat", group_sizes, d, omic_width, gene_hidden, dropout)
        options = {"heads": heads, "layers": layers, "feed_forward": feed_forward, "dropout": dropout}
        bilinear = {"fusion_hidden": fusion_hidden, "shrink": (scale_dim1, scale_dim2)}
        self.summaries = LateFusion("motcat", d, fusion=fusion, **bilinear, **options)
        self.head = nn.Linear(d, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        if self.micro_batch is None:
            return self.predict_in_groups(inputs, None)
        return self.predict_in_groups(
            inputs, draw_groups(inputs.bags.lengths, self.micro_batch, fixed=not self.training)
        )

    def predict_in_groups(self, inputs: Inputs, group: Tensor | None) -> Output:
        """The prediction from these micro-batches: the number, from 0 within a patient, of each patch's, (T,)."""
        bags = inputs.bags
        bags.need_patches("motcat")
        patches, genes = bags.replace(self.project(bags.values)), self.genes(inputs.omics)
        if group is None:
            logits, plan, details = self._predict(patches, genes)
        else:
            cut = MicroBatches.of(bags.lengths, group.cpu())
            parts = cut.take(patches)
            group_logits, plan, details = self._predict(parts, genes[cut.patient.to(genes.device)])
            logits, plan = cut.logits(group_logits), cut.put_back(plan)
            details |= {"group_logits": group_logits, "groups_per_patient": cut.per_patient}
        mass = plan.sum(dim=1)
        of_patient = bags.sum(plan)  # (P, S)
        least = torch.finfo(plan.dtype).tiny
        shown = {
            "patches": mass / bags.sum(mass).clamp(min=least)[bags.owner],
            "gene_to_patch": plan / of_patient.clamp(min=least)[bags.owner],
        }
        details |= {"patches": patches.values, "plan": plan, "coattention": plan, "patch_mass": mass}
        return Output(logits, attention=shown, details=details)

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        if "group_logits" not in output.details:
            return discrete_nll(output.logits, target, alpha=alpha)
        logits, per_patient = output.details["group_logits"], output.details["groups_per_patient"]
        patient = torch.arange(len(per_patient)).repeat_interleave(per_patient).to(logits.device)
        losses = discrete_nll(logits, target.take(patient), alpha=alpha)
        return Bags(losses[:, None], per_patient).mean(losses)

    def _predict(
        self, patches: Bags, genes: Float[Tensor, "P S D"]
    ) -> tuple[Float[Tensor, "P K"], Float[Tensor, "T S"], dict[str, Tensor]]:
        plan, solved = self._transport(patches, genes)
        guided = patches.weighted_sum(plan.to(patches.values.dtype), patches.values)
        fused, details = self.summaries(guided, genes)
        details |= {"group_mass": patches.sum(plan), "rounds": solved.rounds, "change": solved.change}
        return self.head(fused), plan, details

    @torch.no_grad()
    def _transport(self, patches: Bags, genes: Float[Tensor, "P S D"]) -> tuple[Float[Tensor, "T S"], Transport]:
        with torch.autocast(genes.device.type, enabled=False):
            costs, masses = [], []
            for x, group in zip(patches.split(patches.values), genes, strict=True):
                x = shifted(x)
                costs.append(squared_distances(x[None], shifted(group)[None])[0].double())
                masses.append(x.sum(dim=1, dtype=torch.float64))
            costs = [cost / cost.max().clamp(min=torch.finfo(cost.dtype).tiny) for cost in costs]
            padded, present = patches.replace(torch.cat(costs)).pad()
            present = present.double()
            even = uniform(present), uniform(torch.ones_like(padded[:, 0]))
            options: dict[str, Any] = {"marginal_penalty": self.ot_tau, "regularizer": self.ot_kernel}
            if self.ot_impl == "balanced":
                options = {"marginal_penalty": math.inf, "tolerance": BALANCED_TOLERANCE}
                of_patches = patches.replace(torch.cat(masses)[:, None]).pad()[0][:, :, 0]
                even = _share(of_patches, even[0]), _share(shifted(genes).sum(dim=2, dtype=torch.float64), even[1])
            solved = unbalanced_transport(padded, *even, reg=self.ot_reg, **options)
        within = torch.cat([torch.arange(n) for n in patches.lengths.tolist()]).to(padded.device)
        plan = solved.plan[patches.owner, within]
        return plan.to(torch.promote_types(patches.values.dtype, torch.float32)), solved


def shifted(tokens: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows D"]:
    """Tokens less their own least entry, in at least float32."""
    tokens = at_least_float32(tokens)
    return tokens - tokens.amin(dim=-1, keepdim=True)


def _share(mass: Float[Tensor, "P n"], otherwise: Float[Tensor, "P n"]) -> Float[Tensor, "P n"]:
    total = mass.sum(dim=1, keepdim=True)
    return torch.where(total > 0, mass / total.clamp(min=torch.finfo(mass.dtype).tiny), otherwise)
