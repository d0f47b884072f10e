"""Ordered cluster centres of a slide and gene groups, split into common, synergistic and specific knowledge.

CCL: Cohort-individual cooperative learning for multimodal cancer survival analysis. IEEE TMI 2024.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.ccl.card import CARD
from prognoscope.models.ccl.cohort_bank import NOBODY, CohortBank, cohort_loss
from prognoscope.models.ccl.knowledge import Decomposition, TokenPool, knowledge_loss
from prognoscope.models.ccl.slot_scores import influence, mean_by, shared_evenly
from prognoscope.models.ccl.token_fusion import FusionLayer, NystromFusionLayer, feed_forward_part
from prognoscope.models.ccl.variants import check_sizes, check_weights, rule_of_groups, settled
from prognoscope.models.explained import ATTENTION, SHARE, Kind
from prognoscope.models.layers.kmeans import (
    RememberedClusters,
    in_slots,
    kmeans,
    nearest_patches,
    slots_of,
    squared_distances,
)
from prognoscope.models.layers.projection import need_groups
from prognoscope.models.layers.snn import snn_block
from prognoscope.models.layers.starting_points import given_or_random

COMPONENTS = ("common", "synergy", "gene", "slide")


class CCL(SurvivalModel):
    """K-means centres in a fixed order and gene groups, as four tokens that a small transformer fuses.

    Each bag becomes k centres, started from and matched with the rows of an anchor that follows the training patients.
    Encoders split the summaries of genes and slide into what is common, synergistic and specific; a patient is also
    compared with earlier ones of each survival group. Anchor and earlier patients are buffers: they are part of a
    checkpoint and change only in `remember`, so all patients of a step see the same. With one patient a step, that is
    the published order. K-means has no gradient, so memory is linear in T and hardly more than the bags.

    Explains with `attention`, which is ours: "patches" (T,), how much each slot weighs in the slide's summary (the
    pooling weight times the token's standard deviation), shared evenly by its patches; "gene_groups" (P, S) likewise.
    Details: `components` (P, 4, d): common, synergy, gene-specific, slide-specific (with ablation="cca" the two
    summaries instead); `gene` and `slide` (P, d), the summaries; `centres` (P, k, D), in the order of the anchor.

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each gene group.
        n_bins: K, the number of time bins.
        variant: "paper", "released" or "printed": sets every option below that is None. "paper" is the paper where it
            can be trained as it stands; "printed" takes every formula as it is printed.
        swap_specific: The released code reads the gene-specific token from the slide, and the reverse.
        fusion_attention: "softmax", or "nystrom" as released, where zeros hold most of the attention.
        interaction: Eq. 2 as "released" or as "printed": sets the next one.
        interaction_value: What the gates of common and synergy weigh: the "projected" or the "raw" summaries. Those are
            not negative, so that synergy cannot leave them (see the departures).
        interaction_gate: The gates are a "sigmoid" of the reduced matrix, or the reduced matrix itself, "linear".
        matching: Centres take the order of the anchor at the least sum of "l1" distances, as released, or the largest
            sum of "cosine" similarities.
        feed_forward: Each layer of the fusion ends with a feed-forward part, 4 d wide, as in an ordinary transformer.
        lk_reduction: The "mean" of the eight terms of eq. 4 plus 1, or their "sum", as printed.
        lp_pool, similarity: As in `cohort_loss`.
        lp_reduction: The "mean" or the "sum" of the components' losses of eq. 5.
        bank_order: A patient is compared with earlier ones ("loss_first"), or, as released, "push_first".
        empty_cluster: A centre without patches becomes the "farthest" patch, or, as released, "zero".
        center_cache: Cluster each bag from the anchor in every "step", or "once", from a seeded start that depends on
            the order of its patches; then only the matching follows the anchor.
        align: False leaves the centres in the order of K-means.
        ablation: "full"; "cca_mkd", without the losses of eq. 4 and 5; "cca", which fuses the two summaries directly.
        k, tau: Centres of a bag, and how far the anchor follows each patient.
        bank_length: Earlier patients remembered in each group.
        groups: r, survival groups; None: as many as time bins.
        groups_by: What cuts them. "bins": the K time bins. "all_times": groups of equal size of all training patients,
            by time, as the paper says; "event_times": of those with an event. Both are learned in `before_training`.
            None: the bins, or the event times where the number of groups is another.
        alpha, temperature: Weight of the losses of eq. 4 and 5, and what similarities are divided by.
        d, gene_hidden, heads: Widths of a token and of the group networks, and heads of the fusion.
        dropout, attention_dropout: Of the self-normalising networks, and at the output of the fusion's attention.
        anchor: What the anchor is at the start, (k, D); None: normal random numbers.
    """

    card = CARD
    patch_maps = ATTENTION | {
        "component": Kind(
            "patch_scores",
            "How much the patch decides this component of what slides and genes tell.",
            SHARE,
            COMPONENTS,
        )
    }
    group_scores: ClassVar = {
        "pool": Kind("gene_groups", "How much the gene group counts among the genes.", SHARE),
        "component": Kind(
            "gene_group_scores",
            "How much the gene group decides this component of what slides and genes tell.",
            SHARE,
            COMPONENTS,
        ),
    }
    anchor: Tensor
    group_edges: Tensor

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        variant: str = "paper",
        swap_specific: bool | None = None,
        fusion_attention: str | None = None,
        interaction: str | None = None,
        interaction_value: str | None = None,
        interaction_gate: str | None = None,
        matching: str | None = None,
        feed_forward: bool | None = None,
        lk_reduction: str | None = None,
        lp_pool: str | None = None,
        lp_reduction: str | None = None,
        similarity: str | None = None,
        bank_order: str | None = None,
        empty_cluster: str | None = None,
        center_cache: str | None = None,
        align: bool = True,
        ablation: str = "full",
        k: int = 6,
        tau: float = 0.1,
        bank_length: int = 10,
        groups: int | None = None,
        groups_by: str | None = None,
        alpha: float = 1.0,
        temperature: float = 2.0,
        d: int = 256,
        gene_hidden: int = 256,
        heads: int = 8,
        dropout: float = 0.15,
        attention_dropout: float = 0.1,
        anchor: Tensor | None = None,
    ):
        super().__init__()
        chosen = settled(
            variant,
            ablation,
            interaction,
            swap_specific=swap_specific,
            fusion_attention=fusion_attention,
            interaction_value=interaction_value,
            interaction_gate=interaction_gate,
            matching=matching,
            feed_forward=feed_forward,
            lk_reduction=lk_reduction,
            lp_pool=lp_pool,
            lp_reduction=lp_reduction,
            similarity=similarity,
            bank_order=bank_order,
            empty_cluster=empty_cluster,
            center_cache=center_cache,
            groups_by=groups_by,
        )
        chosen["groups_by"] = rule_of_groups(groups_by, chosen["groups_by"], groups, n_bins)
        check_sizes(group_sizes, k=k, bank_length=bank_length, groups=groups, d=d, heads=heads)
        check_weights(tau=tau, temperature=temperature, alpha=alpha)
        self.options, self.align, self.ablation, self.group_sizes = chosen, align, ablation, tuple(group_sizes)
        self.component_names = () if ablation == "cca" else COMPONENTS
        self.tau, self.alpha, self.temperature = tau, alpha, temperature

        self.group_snns = nn.ModuleList(snn_block(size, gene_hidden, dropout, "selu") for size in group_sizes)
        self.shared_snn = snn_block(gene_hidden, d, dropout, "selu")
        self.gene_pool = TokenPool(len(group_sizes))
        self.centre_snn = snn_block(embedding_dim, d, dropout, "selu")
        self.slide_pool = TokenPool(k)
        if ablation != "cca":
            self.decompose = Decomposition(
                d,
                swap_specific=chosen["swap_specific"],
                value=chosen["interaction_value"],
                gate=chosen["interaction_gate"],
            )
        self.class_token = nn.Parameter(1e-6 * torch.randn(d))
        layer = NystromFusionLayer if chosen["fusion_attention"] == "nystrom" else FusionLayer
        self.fusion = nn.ModuleList(layer(d, heads=heads, dropout=attention_dropout) for _ in range(2))
        self.feed_forward = nn.ModuleList(
            feed_forward_part(d, attention_dropout) for _ in self.fusion if chosen["feed_forward"]
        )
        self.fusion_norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, n_bins)

        self.register_buffer("anchor", given_or_random(anchor, k, embedding_dim, "The anchor of ccl has"))
        if not self.anchor.isfinite().all():
            raise ModelError("The anchor of ccl has values that are missing or infinite. Give finite ones.")
        self.once = RememberedClusters(k, chosen["empty_cluster"]) if chosen["center_cache"] == "once" else None
        if ablation == "full":
            self.bank = CohortBank(groups or n_bins, bank_length, (4, d))
            if chosen["groups_by"] != "bins":
                self.register_buffer("group_edges", torch.full(((groups or n_bins) - 1,), torch.nan))  # months

    def forward(self, inputs: Inputs) -> Output:
        clusters = self._cluster(inputs.bags)
        gene_tokens, slide_tokens = self._tokens(inputs, clusters)
        gene, slide, components = self._components(gene_tokens, slide_tokens)
        logits = self.head(self.fusion_norm(self._fused(components)[-1][:, 0]))
        attention = {
            "patches": shared_evenly(self.slide_pool.importance(slide_tokens), clusters.slot, inputs.bags),
            "gene_groups": self.gene_pool.importance(gene_tokens),
        }
        details = {"components": components, "gene": gene, "slide": slide, "centres": clusters.centres}
        return Output(logits, attention=attention, details=details)

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """Eq. 4, "knowledge", and eq. 5, "cohort", each times alpha."""
        if self.ablation != "full":
            return {}
        options, details = self.options, output.details
        components = details["components"]
        knowledge = knowledge_loss(components, details["gene"], details["slide"], options["lk_reduction"])
        order = options["bank_order"]
        cohort = cohort_loss(
            components,
            self.bank.entries.flatten(0, 1),
            self.bank.neighbours(self._group(target), target.event, _numbers(target), order),
            with_itself=~target.event if order == "push_first" else None,
            pool=options["lp_pool"],
            reduction=options["lp_reduction"],
            similarity=options["similarity"],
            temperature=self.temperature,
        )
        return {"knowledge": self.alpha * knowledge, "cohort": self.alpha * cohort}

    def before_training(self, target: Target, read: Callable[[Sequence[int]], Inputs]) -> None:
        """Learn the edges of the survival groups, where they are not the time bins."""
        if hasattr(self, "group_edges"):
            times = target.time if self.options["groups_by"] == "all_times" else target.time[target.event]
            if not len(times):
                raise ModelError("ccl cannot form survival groups of training patients without an event.")
            at = torch.linspace(0, 1, len(self.group_edges) + 2, dtype=torch.float64)[1:-1]
            self.group_edges.copy_(times.double().cpu().quantile(at))

    def to_remember(self, output: Output, target: Target) -> dict[str, Tensor]:
        centres = {"centres": output.details["centres"]}
        if self.ablation != "full":
            return centres
        components = output.details["components"].detach()
        return {**centres, "components": components, "group": self._group(target), "patient": _numbers(target)}

    @torch.no_grad()
    def remember(self, kept: dict[str, Tensor]) -> None:
        """Move the anchor towards each patient's centres, and append the patients to the bank, in their order."""
        for centres in kept["centres"]:
            self.anchor.lerp_(centres, self.tau)
        if "components" in kept:
            self.bank.push(kept["components"], kept["group"], kept["patient"])

    @torch.no_grad()
    def forget_patients(self) -> None:
        """Empty the bank, which only training compares with."""
        if isinstance(bank := getattr(self, "bank", None), CohortBank):  # ablations have none
            bank.entries.zero_()
            bank.patients.fill_(NOBODY)
            bank.pushed.zero_()

    def rebuild_anchor(self, bags: Iterable[Bags], *, seed: int = 0) -> None:
        """Start the anchor anew from normal random numbers and let it follow these patients, one after another.

        For published weights, which come without the anchor they were trained with. The anchor depends on the bags of
        the training patients and their order alone, so this gives one like it, not the same; several passes help.
        """
        start = torch.randn(self.anchor.shape, generator=torch.Generator().manual_seed(seed))
        self.anchor.copy_(start)
        for each in bags:
            for one in each.each():
                self.remember({"centres": self._cluster(one).centres})

    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
        """What led to the prediction; heavier than an `Output`.

        "slots" (P, k): the slot of each centre in the order of K-means. "patch_slot" (T,). "nearest_patch" (P, k): the
        row, in the patient's own bag, that is nearest to each slot's centre. "gene_tokens" (P, S, d) and "slide_tokens"
        (P, k, d). "gates" (P, 2, 2, d): of common and synergy, for genes and slide. "tokens" (3, P, 5, d): class, then
        components, before and after each layer of the fusion; "fusion_attention" (2, P, heads, 5, 5).

        Scores, ours, sum to 1 within a patient and component: the change of half the component's squared length with
        each token, times the token. "slot_scores" (P, 4, k), "gene_group_scores" (P, 4, S); "patch_scores" (T, 4) are
        those of the patch's slot, falling with the distance to its centre as a normal density of the cluster's width.
        """
        bags, clusters = inputs.bags, self._cluster(inputs.bags)
        with torch.no_grad():
            tokens = self._tokens(inputs, clusters)
        with torch.inference_mode(False), torch.enable_grad():
            gene_tokens, slide_tokens = (each.clone().requires_grad_() for each in tokens)
            components = self._components(gene_tokens, slide_tokens)[2]
            gene_scores, slot_scores = (influence(components, each) for each in (gene_tokens, slide_tokens))
        with torch.no_grad():
            gene, slide, components = self._components(gene_tokens, slide_tokens)
            tokens = self._fused(components)
            layers = [each for each in self.fusion if isinstance(each, FusionLayer | NystromFusionLayer)]
            maps = [layer.maps(each) for layer, each in zip(layers, tokens, strict=False)]
            parts = zip(bags.each(), clusters.centres, strict=True)
            distance = [squared_distances(bag, centres[None]) for bag, centres in parts]  # (k, N) each
            of_patch = torch.cat(distance, dim=1).gather(0, clusters.slot[None])[0]
            in_cluster = bags.owner * slot_scores.shape[2] + clusters.slot
            width = mean_by(of_patch, in_cluster, clusters.slots.numel())
            near = torch.exp(-of_patch / (2 * width).clamp(min=1e-12))
            explained = {
                "slots": clusters.slots,
                "patch_slot": clusters.slot,
                "nearest_patch": torch.stack([each.min(dim=1).indices for each in distance]),
                "gene_tokens": gene_tokens.detach(),
                "slide_tokens": slide_tokens.detach(),
                "tokens": torch.stack(tokens),
                "fusion_attention": torch.stack(maps),
                "gene_group_scores": gene_scores,
                "slot_scores": slot_scores,
                "patch_scores": slot_scores.transpose(1, 2).flatten(0, 1)[in_cluster] * near[:, None],
            }
            if self.ablation != "cca":
                encoders = (self.decompose.common, self.decompose.synergy)
                explained["gates"] = torch.stack([encoder.gates(gene, slide) for encoder in encoders], dim=1)
        return explained

    def _cluster(self, bags: Bags) -> "SlotClusters":
        bags.need_patches("ccl")
        if self.once is not None:
            centres, cluster = self.once(bags)
        else:
            start = bags.values[nearest_patches(bags, self.anchor)]
            centres, cluster, _ = kmeans(bags, start, empty=self.options["empty_cluster"])
        if not self.align:
            slots = torch.arange(len(self.anchor), device=cluster.device).expand(len(bags), -1)
            return SlotClusters(centres, slots, cluster)
        slots = slots_of(centres, self.anchor, self.options["matching"])
        return SlotClusters(in_slots(centres, slots), slots, slots[bags.owner, cluster])

    def _tokens(
        self, inputs: Inputs, clusters: "SlotClusters"
    ) -> tuple[Float[Tensor, "P S d"], Float[Tensor, "P k d"]]:
        need_groups(inputs.omics, self.group_sizes)
        groups = [snn(group) for snn, group in zip(self.group_snns, inputs.omics, strict=True)]
        return self.shared_snn(torch.stack(groups, dim=1)), self.centre_snn(clusters.centres)

    def _components(
        self, gene_tokens: Float[Tensor, "P S d"], slide_tokens: Float[Tensor, "P k d"]
    ) -> tuple[Float[Tensor, "P d"], Float[Tensor, "P d"], Float[Tensor, "P Q d"]]:
        """The summaries of genes and slide, and what they are split into."""
        gene, slide = self.gene_pool(gene_tokens), self.slide_pool(slide_tokens)
        if self.ablation == "cca":
            return gene, slide, torch.stack([gene, slide], dim=1)
        return gene, slide, self.decompose(gene, slide)

    def _fused(self, components: Float[Tensor, "P Q d"]) -> list[Float[Tensor, "P Q+1 d"]]:
        """The class token and the components, before and after each layer."""
        tokens = [torch.cat([self.class_token.expand(len(components), 1, -1), components], dim=1)]
        for i, layer in enumerate(self.fusion):
            tokens.append(layer(tokens[-1]))
            if self.feed_forward:
                tokens[-1] = tokens[-1] + self.feed_forward[i](tokens[-1])
        return tokens

    def _group(self, target: Target) -> Int[Tensor, " P"]:
        """The survival group of each patient."""
        if not hasattr(self, "group_edges"):
            return target.bin
        if self.group_edges.device.type == "cpu" and self.group_edges.isnan().any():  # elsewhere, asking would wait
            raise ModelError(
                "ccl has not learned its survival groups. Call before_training with all training patients."
            )
        return torch.bucketize(target.time, self.group_edges, right=True)


class SlotClusters(NamedTuple):
    """The centres of P bags in the order of the anchor."""

    centres: Float[Tensor, "P k D"]  # by slot
    slots: Int[Tensor, "P k"]  # of the centres in the order of K-means
    slot: Int[Tensor, " T"]  # of each patch


def _numbers(target: Target) -> Int[Tensor, " P"]:
    return torch.full_like(target.bin, NOBODY) if target.patient is None else target.patient
