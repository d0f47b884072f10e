"""Two tasks on one patient, subtype and survival, exchanging what they see through optimal transport.

MCTI: Multimodal cross-task interaction for survival analysis in whole slide pathological images. MICCAI 2024.
"""

from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import InputError, ModelError, nearest
from prognoscope.core.losses import discrete_nll
from prognoscope.models.base import Recipe, SurvivalModel
from prognoscope.models.layers.dsmil import DSMIL, DualStreams
from prognoscope.models.layers.guided_attention import GuidedAttention, GuidedAttentionSpec, Tokens
from prognoscope.models.layers.snn import snn_block

PRESETS = {  # width of a token, width of the gene encoder, learning rate
    "default": (256, 256, 2e-4),
    "paper": (1024, 1024, 5e-5),
}
CHOICES = {
    "variant": ("paper",),
    "preset": tuple(PRESETS),
    "select": ("instance", "attention", "random"),
    "aux_task": ("subtype", "survival", "none"),
    "intra": ("token", "channel"),
    "guidance": ("values", "gate"),
    "ot": ("sinkhorn", "emd"),
    "ot_grad": ("last", "none", "unroll"),
    "gene_init": ("none", "zero", "rand"),
}


class MCTI(SurvivalModel):
    """The k patches that tell the subtype best and the genes, as tokens of a subtype, a survival and a shared stream.

    Dual-stream attention, taught by the subtype, ranks the patches. The k best, the gene embedding (one token that
    counts k times) and k learned tokens per stream run through an encoder and a decoder whose attention within a
    stream is steered by the transport from another. The paper's equations are ambiguous in places; the options'
    defaults are our reading. Linear in T, quadratic in k.

    Explains with `attention`: "patches" (T,), the dual-stream attention of the predicted subtype, or, where the subtype
    is not learned, "survival" rescaled; "survival" (T,), how much the survival stream's mean draws on each selected
    patch, by the maps of the last decoder block; "gene_groups" (P, heads, S, S), unless gene_grouping is off.
    Details: `patch_logits` (T, C), `patch_attention` (T, C), `bag_logits` and `max_logits` (P, C), `topk_index` (P, k),
    rows within the patient's own bag, -1 beyond N; `gene` (P, d), `pooled_subtype`, `pooled_survival` (P, d), and
    `auxiliary_logits` (P, K) where the second task is survival.

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each gene group; all are read as one flat vector.
        n_bins: K, the number of time bins.
        n_subtypes: C, at least 2 where the subtype is learned; 0 without labels.
        preset: "default" is 256 wide; "paper" is 1024 wide, as published, and slow.
        k: How many patches are selected.
        d, gene_hidden: Widths of a token and of the gene encoder, instead of the preset's.
        layers: L, blocks of the encoder and of the decoder.
        heads, ff_ratio: Of the attention within a stream and of its feed-forward layer.
        gene_groups, gene_heads: Tokens that the genes become, and heads of the attention among them.
        query_dim: Width of a query of the dual-stream attention.
        dropout: Rate of AlphaDropout in the gene encoder.
        select: What ranks patches: "instance" logits, the "attention" of the likeliest subtype, or "random".
        gene_grouping: False skips the attention among gene tokens.
        aux_task: The second task: "subtype", "survival" (what the paper's table calls without TGA), or "none".
        tga: False removes the transport.
        intra: Attention between the tokens of a stream, or between its channels as in the released code.
        guidance: The plan re-orders "values", or is a "gate" on them as in the released code.
        ot: Entropic transport on the device, or exact transport, "emd", on the CPU and without gradient.
        ot_eps, ot_iters: Of the entropic transport; the cost has a standard deviation of 1.
        ot_grad: "last": through the plan's last normalisation; "unroll": through all rounds; "none".
        gene_init: Whether the k gene tokens get a learned bias of their own, from "zero" or "rand"; "none": equal ones.
        alpha_task: Weight of the survival likelihood.
        dsmil_lr_mult: Factor on the learning rate of the dual-stream attention, which learns from few patches only.
    """

    needs = frozenset({"bag", "omics"})
    learns_from = frozenset({"subtype"})
    recipe = Recipe(
        learning_rate=2e-4, weight_decay=1e-5, epochs=30, patients_per_step=8, published_epoch="best_on_validation"
    )
    learning_rate_factors: ClassVar[dict[str, float]] = {"dsmil": 10.0}
    paper = "MCTI, Multimodal cross-task interaction for survival analysis in whole slide images, MICCAI 2024"

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        n_subtypes: int = 0,
        *,
        variant: str = "paper",
        preset: str = "default",
        k: int = 256,
        d: int | None = None,
        gene_hidden: int | None = None,
        layers: int = 4,
        heads: int = 1,
        ff_ratio: int = 1,
        gene_groups: int = 8,
        gene_heads: int = 8,
        query_dim: int = 128,
        dropout: float = 0.25,
        select: str = "instance",
        gene_grouping: bool = True,
        aux_task: str = "subtype",
        tga: bool = True,
        intra: str = "token",
        guidance: str = "values",
        ot: str = "sinkhorn",
        ot_eps: float = 0.2,
        ot_iters: int = 20,
        ot_grad: str = "last",
        gene_init: str = "none",
        alpha_task: float = 1.0,
        dsmil_lr_mult: float = 10.0,
    ):
        super().__init__()
        chosen = {"variant": variant, "preset": preset, "select": select, "aux_task": aux_task, "intra": intra}
        chosen |= {"guidance": guidance, "ot": ot, "ot_grad": ot_grad, "gene_init": gene_init}
        for name, value in chosen.items():
            if value not in CHOICES[name]:
                raise ModelError(f"mcti has no {name} {value!r}; {nearest(value, CHOICES[name])}")
        if aux_task == "subtype" and n_subtypes < 2:
            raise ModelError(
                f"mcti learns to tell subtypes apart, but the cohort has {n_subtypes or 'no'} subtype"
                f"{'s' * (n_subtypes != 1)}. Give the labels as cohort.subtype, or set aux_task: survival or none."
            )
        if min(k, layers) < 1:
            raise ModelError(f"mcti needs at least one patch and one layer, not k={k} and layers={layers}.")
        preset_d, preset_hidden, learning_rate = PRESETS[preset]
        d, gene_hidden = d or preset_d, gene_hidden or preset_hidden
        for name, width, parts in (("heads", d, heads), ("gene_heads", d, gene_heads)):
            if width % parts:
                raise ModelError(f"mcti cannot cut tokens of width d={width} into {name}={parts} equal parts.")
        self.recipe = replace(self.recipe, learning_rate=learning_rate)
        self.learning_rate_factors = {"dsmil": float(dsmil_lr_mult)}
        self.learns_from = frozenset({"subtype"} if aux_task == "subtype" else ())
        self.k, self.select, self.aux_task, self.alpha_task = k, select, aux_task, alpha_task

        self.dsmil = DSMIL(embedding_dim, max(n_subtypes, 1), query_dim=query_dim)
        self.project = nn.Identity()
        if embedding_dim != d:
            self.project = nn.Sequential(nn.Linear(embedding_dim, d), nn.GELU())
        self.genes = GeneEncoder(
            sum(group_sizes), gene_hidden, d, gene_groups, heads=gene_heads, dropout=dropout, attend=gene_grouping
        )
        if gene_init != "none":
            self.gene_bias = nn.Parameter(torch.zeros(k, d) if gene_init == "zero" else torch.randn(k, d))
        # equal gene tokens are one that counts k times
        copies = [1] * k + ([k] if gene_init == "none" else [1] * k) + [1] * k
        self.register_buffer("copies", torch.tensor(copies), persistent=False)
        self.tokens = nn.Parameter(torch.randn(3, k, d))  # of the subtype, survival and shared streams

        spec = GuidedAttentionSpec(heads, ff_ratio, tga, guidance, intra, ot, ot_eps, ot_iters, ot_grad)
        self.encoder = nn.ModuleList(GuidedAttention(2, d, spec) for _ in range(layers))
        self.encoder_mix = nn.Parameter(torch.full((layers, 2), 0.5))
        self.decoder = nn.ModuleList(GuidedAttention(2, d, spec) for _ in range(layers - 1))
        self.decoder.append(GuidedAttention(1 if aux_task == "none" else 2, d, spec))  # nothing reads another stream
        self.decoder_mix = nn.Parameter(torch.full((layers - 1, 2), 0.5))  # nor the last shared one
        self.head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, n_bins))
        if aux_task != "none":
            outputs = n_subtypes if aux_task == "subtype" else n_bins
            self.auxiliary_head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, outputs))

    def forward(self, inputs: Inputs) -> Output:
        return self._predict(inputs, None)

    def explain(self, inputs: Inputs) -> dict[str, Tensor]:
        """Every block's streams and maps, by names such as "decoder.3.plan"; heavy, so not part of an `Output`.

        Streams are (S, P, n, d) with the subtype's first and the survival's last; plans (S, P, n, n), rows the
        objective's tokens, columns the source's; attention (S, P, heads, n, n). "token_weight" (P, n) says how much
        each token counts: the k patches (0 beyond N), the gene token (k), the learned tokens.
        """
        record: dict[str, Tensor] = {}
        self._predict(inputs, record)
        return record

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        return self.alpha_task * super().survival_loss(output, target, alpha=alpha)

    def extra_losses(self, output: Output, target: Target) -> dict[str, Float[Tensor, " P"]]:
        """Cross-entropies of the subtype head, the bag and the critical patches, zero where the subtype is unknown;
        or the likelihood of the second survival head; or nothing, as `aux_task` says."""
        if self.aux_task == "none":
            return {}
        if self.aux_task == "survival":
            return {"auxiliary_survival": discrete_nll(output.details["auxiliary_logits"], target)}
        subtype = torch.full_like(target.bin, -1) if target.subtype is None else target.subtype
        logits = {
            "subtype": output.subtype_logits,
            "dsmil_bag": output.details["bag_logits"],
            "dsmil_instance": output.details["max_logits"],
        }
        return {
            name: F.cross_entropy(each.float(), subtype, reduction="none", ignore_index=-1)
            for name, each in logits.items()
        }

    def _predict(self, inputs: Inputs, record: dict[str, Tensor] | None) -> Output:
        bags = inputs.bags
        if (bags.lengths == 0).any():
            lacking = int((bags.lengths == 0).sum())
            raise InputError(f"{lacking} of {len(bags)} patients have no patches. Leave them out: mcti needs slides.")
        streams = self.dsmil(bags)
        rows = self._select(bags, streams)
        selected = rows >= 0
        patches = self.project(bags.values[rows.clamp(min=0)]) * selected[..., None]  # (P, k, d)
        gene, gene_attention = self.genes(torch.cat(inputs.omics, dim=1))
        tokens, weight = self._tokens(patches, gene, selected)
        last, maps = self._interact(tokens, weight, record)
        pooled = (weight.mass[:, None].to(last.dtype) @ last)[..., 0, :]  # (S, P, d)
        logits = self.head(pooled[-1])
        auxiliary = self.auxiliary_head(pooled[0]) if self.aux_task != "none" else None
        survival = self._survival_importance(maps, weight, rows, bags)
        attention = {"survival": survival}
        if self.aux_task == "subtype":
            predicted = auxiliary.detach().argmax(dim=1)[bags.owner]
            attention["patches"] = streams.attention.gather(1, predicted[:, None])[:, 0]
        else:
            attention["patches"] = survival / bags.sum(survival)[bags.owner]
        if gene_attention is not None:
            attention["gene_groups"] = gene_attention
        details = {
            "patch_logits": streams.patch_logits,
            "patch_attention": streams.attention,
            "bag_logits": streams.bag_logits,
            "max_logits": streams.max_logits,
            "topk_index": torch.where(selected, rows - bags.starts[:, None], -1),
            "gene": gene,
            "pooled_subtype": pooled[0],
            "pooled_survival": pooled[-1],
        }
        if self.aux_task == "survival":
            details["auxiliary_logits"] = auxiliary
        subtype_logits = auxiliary if self.aux_task == "subtype" else None
        return Output(logits, subtype_logits=subtype_logits, attention=attention, details=details)

    @torch.no_grad()
    def _select(self, bags: Bags, streams: DualStreams) -> Int[Tensor, "P k"]:
        """The rows, among all T, of the selected patches; -1 where a bag has fewer than k."""
        if self.select == "instance":
            scores = streams.patch_logits.amax(dim=1)
        elif self.select == "attention":
            likeliest = streams.bag_logits.argmax(dim=1)[bags.owner]
            scores = streams.attention.gather(1, likeliest[:, None])[:, 0]
        elif self.training:
            scores = torch.rand(len(bags.values), device=bags.values.device)
        else:  # the same patches every time, whoever else is in the batch
            scores = torch.cat(
                [torch.rand(n, generator=torch.Generator().manual_seed(0)) for n in bags.lengths.tolist()]
            )
            scores = scores.to(bags.values.device)
        return bags.topk(scores.float(), self.k)

    def _tokens(
        self, patches: Float[Tensor, "P k d"], gene: Float[Tensor, "P d"], selected: Bool[Tensor, "P k"]
    ) -> tuple[Float[Tensor, "3 P n d"], Tokens]:
        """The three streams before the first block, and how much each of their tokens counts."""
        genes = gene[:, None] + self.gene_bias if hasattr(self, "gene_bias") else gene[:, None]
        common = torch.cat([patches, genes.to(patches.dtype)], dim=1).expand(3, -1, -1, -1)
        own = self.tokens[:, None].expand(-1, len(patches), -1, -1).to(patches.dtype)
        weight = self.copies.float().repeat(len(patches), 1)
        weight[:, : self.k] *= selected
        return torch.cat([common, own], dim=2), Tokens(weight, self.copies)

    def _interact(
        self, streams: Float[Tensor, "3 P n d"], tokens: Tokens, record: dict[str, Tensor] | None
    ) -> tuple[Float[Tensor, "S P n d"], dict[str, Tensor]]:
        """Encoder and decoder: the last streams of the tasks, subtype first, and the maps of the last block."""
        if record is not None:
            record["token_weight"] = tokens.weight
        tasks, share = streams[:2], streams[2:]
        skips = []
        for i, block in enumerate(self.encoder):
            tasks, maps = block(tasks, share, tokens)
            share = _mix(self.encoder_mix[i], tasks)
            skips.append(share)
            _note(record, f"encoder.{i}", {"tasks": tasks, "share": share, **maps})
        for j, block in enumerate(self.decoder):
            source = share + skips[-1 - j]
            tasks, maps = block(source, tasks[-len(block.proj.weight) :], tokens)
            _note(record, f"decoder.{j}", {"tasks": tasks, **maps})
            if j < len(self.decoder_mix):
                share = _mix(self.decoder_mix[j], tasks)
                _note(record, f"decoder.{j}", {"share": share})
        return tasks, maps

    @torch.no_grad()
    def _survival_importance(
        self, maps: dict[str, Tensor], tokens: Tokens, rows: Int[Tensor, "P k"], bags: Bags
    ) -> Float[Tensor, " T"]:
        """How much the mean survival token draws on each patch: column means of A F of the last block, scattered."""
        share = tokens.mass[:, None]  # (P, 1, n)
        if "attention" in maps:
            share = share @ maps["attention"][-1].float().mean(dim=1)
        if "plan" in maps and self.decoder[-1].spec.guidance == "values":
            share = share @ maps["plan"][-1]
        share = share[:, 0, : self.k] * (rows >= 0)
        return share.new_zeros(len(bags.values)).index_add(0, rows.clamp(min=0).flatten(), share.flatten())


class GeneEncoder(nn.Module):
    """One embedding of all genes: group tokens from a self-normalising network, attention among them, a projection."""

    def __init__(self, n_genes: int, hidden: int, d: int, groups: int, *, heads: int, dropout: float, attend: bool):
        super().__init__()
        self.groups, self.heads = groups, heads
        self.blocks = nn.Sequential(snn_block(n_genes, hidden, dropout), snn_block(hidden, groups * d, dropout))
        self.to_qkv = nn.Linear(d, 3 * d, bias=False) if attend else None
        self.mix = nn.Linear(d, d) if attend else nn.Identity()
        self.project = nn.Linear(groups * d, d)

    def forward(self, genes: Float[Tensor, "P G"]) -> tuple[Float[Tensor, "P d"], Float[Tensor, "P h S S"] | None]:
        tokens = self.blocks(genes).unflatten(1, (self.groups, -1))
        if self.to_qkv is None:
            return self.project(tokens.flatten(1)), None
        parts = self.to_qkv(tokens).unflatten(2, (3, self.heads, -1))  # (P, S, 3, h, d / h)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        attention = (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)
        mixed = (attention.to(v.dtype) @ v).transpose(1, 2).flatten(2)
        return self.project(self.mix(mixed).flatten(1)), attention


def _mix(weights: Float[Tensor, " 2"], tasks: Float[Tensor, "2 P n d"]) -> Float[Tensor, "1 P n d"]:
    return (weights[0] * tasks[0] + weights[1] * tasks[1])[None]


def _note(record: dict[str, Tensor] | None, block: str, values: dict[str, Tensor]) -> None:
    if record is not None:
        record.update({f"{block}.{name}": value for name, value in values.items()})
