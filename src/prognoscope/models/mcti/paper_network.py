"""MCTI as its paper describes it: selected patches and genes as tokens of three streams, an encoder, a decoder."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output
from prognoscope.models.layers.dsmil import DSMIL, DualStreams
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.snn import snn_block
from prognoscope.models.mcti.guided_attention import GuidedAttention, GuidedAttentionSpec, Tokens, note


class PaperNetwork(nn.Module):
    """The k patches that tell the subtype best and the genes, through an encoder and a decoder, to the heads.

    Args:
        n_classes: C of the dual-stream attention that ranks patches.
        n_auxiliary: Outputs of the head on the subtype's stream; 0: no such head.
        d: Width of a token.
        gene_hidden, gene_groups, gene_heads: Width of the gene encoder; the tokens that genes become; heads of the
            attention among them, 0 for none.
        show_class: Patches are explained by the dual-stream attention of the likeliest subtype, not by survival.
        spec: How streams attend and are steered.
    """

    copies: Tensor

    def __init__(
        self,
        embedding_dim: int,
        n_genes: int,
        n_bins: int,
        n_classes: int,
        n_auxiliary: int,
        *,
        k: int,
        d: int,
        layers: int,
        query_dim: int,
        gene_hidden: int,
        gene_groups: int,
        gene_heads: int,
        gene_init: str,
        dropout: float,
        select: str,
        show_class: bool,
        spec: GuidedAttentionSpec,
    ):
        super().__init__()
        self.k, self.select, self.show_class = k, select, show_class
        self.guidance = spec.guidance
        self.dsmil = DSMIL(embedding_dim, n_classes, query_dim=query_dim)
        self.project = nn.Identity()
        if embedding_dim != d:
            self.project = nn.Sequential(nn.Linear(embedding_dim, d), nn.GELU())
        self.genes = GeneEncoder(n_genes, gene_hidden, d, gene_groups, heads=gene_heads, dropout=dropout)
        if gene_init != "none":
            self.gene_bias = nn.Parameter(torch.zeros(k, d) if gene_init == "zero" else torch.randn(k, d))
        # equal gene tokens are one that counts k times
        copies = [1] * k + ([k] if gene_init == "none" else [1] * k) + [1] * k
        self.register_buffer("copies", torch.tensor(copies), persistent=False)
        self.tokens = nn.Parameter(torch.randn(3, k, d))  # of the subtype, survival and shared streams

        self.encoder = nn.ModuleList(GuidedAttention(2, d, spec) for _ in range(layers))
        self.encoder_mix = nn.Parameter(torch.full((layers, 2), 0.5))
        self.decoder = nn.ModuleList(GuidedAttention(2, d, spec) for _ in range(layers - 1))
        self.decoder.append(GuidedAttention(2 if n_auxiliary else 1, d, spec))  # nothing reads another stream
        self.decoder_mix = nn.Parameter(torch.full((layers - 1, 2), 0.5))  # nor the last shared one
        self.head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, n_bins))
        self.auxiliary_head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, n_auxiliary)) if n_auxiliary else None

    def forward(self, inputs: Inputs, record: dict[str, Tensor] | None = None) -> Output:
        """The prediction; every block's streams and maps are added to the record, if there is one."""
        bags = inputs.bags
        bags.need_patches("mcti")
        streams = self.dsmil(bags)
        rows = self._select(bags, streams)
        selected = rows >= 0
        patches = self.project(bags.values[rows.clamp(min=0)]) * selected[..., None]  # (P, k, d)
        gene, gene_attention = self.genes(torch.cat(inputs.omics, dim=1))
        tokens, weight = self._tokens(patches, gene, selected)
        last, maps = self._interact(tokens, weight, record)
        pooled = (weight.mass[:, None].to(last.dtype) @ last)[..., 0, :]  # (S, P, d)
        auxiliary = {} if self.auxiliary_head is None else {"auxiliary_logits": self.auxiliary_head(pooled[0])}
        survival = self._survival_importance(maps, weight, rows, bags)
        attention = {"survival": survival}
        if self.show_class:
            predicted = auxiliary["auxiliary_logits"].detach().argmax(dim=1)[bags.owner]
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
            **auxiliary,
        }
        return Output(self.head(pooled[-1]), attention=attention, details=details)

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
            note(record, f"encoder.{i}", {"tasks": tasks, "share": share, **maps})
        for j, block in enumerate(self.decoder):
            source = share + skips[-1 - j]
            tasks, maps = block(source, tasks[-len(block.get_parameter("proj.weight")) :], tokens)
            note(record, f"decoder.{j}", {"tasks": tasks, **maps})
            if j < len(self.decoder_mix):
                share = _mix(self.decoder_mix[j], tasks)
                note(record, f"decoder.{j}", {"share": share})
        return tasks, maps

    @torch.no_grad()
    def _survival_importance(
        self, maps: dict[str, Tensor], tokens: Tokens, rows: Int[Tensor, "P k"], bags: Bags
    ) -> Float[Tensor, " T"]:
        """How much the mean survival token draws on each patch: column means of A F of the last block, scattered."""
        share = tokens.mass[:, None]  # (P, 1, n)
        with torch.autocast(share.device.type, enabled=False):
            if "attention" in maps:
                share = share @ maps["attention"][-1].to(share.dtype).mean(dim=1)
            if "plan" in maps and self.guidance == "values":
                share = share @ maps["plan"][-1].to(share.dtype)
        share = share[:, 0, : self.k] * (rows >= 0)
        return share.new_zeros(len(bags.values)).index_add(0, rows.clamp(min=0).flatten(), share.flatten())


class GeneEncoder(nn.Module):
    """One embedding of all genes: group tokens from a self-normalising network, attention among them, a projection."""

    def __init__(self, n_genes: int, hidden: int, d: int, groups: int, *, heads: int, dropout: float):
        super().__init__()
        self.groups, self.heads = groups, heads
        self.blocks = nn.Sequential(snn_block(n_genes, hidden, dropout), snn_block(hidden, groups * d, dropout))
        self.to_qkv = nn.Linear(d, 3 * d, bias=False) if heads else None
        self.mix = nn.Linear(d, d) if heads else nn.Identity()
        self.project = nn.Linear(groups * d, d)

    def forward(self, genes: Float[Tensor, "P G"]) -> tuple[Float[Tensor, "P d"], Float[Tensor, "P h S S"] | None]:
        tokens = self.blocks(genes).unflatten(1, (self.groups, -1))
        if self.to_qkv is None:
            return self.project(tokens.flatten(1)), None
        parts = self.to_qkv(tokens).unflatten(2, (3, self.heads, -1))  # (P, S, 3, h, d / h)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        attention = at_least_float32(q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)
        mixed = (attention.to(v.dtype) @ v).transpose(1, 2).flatten(2)
        return self.project(self.mix(mixed).flatten(1)), attention


def _mix(weights: Float[Tensor, " 2"], tasks: Float[Tensor, "2 P n d"]) -> Float[Tensor, "1 P n d"]:
    return (weights[0] * tasks[0] + weights[1] * tasks[1])[None]
