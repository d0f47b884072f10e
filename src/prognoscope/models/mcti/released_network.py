"""MCTI as its authors' code computes it, which is not what their paper says.

Slots attend to all patches instead of keeping the best, genes become tokens of their own and gather slots by
unbalanced transport, and attention runs between channels. https://github.com/jsh0792/MCTI.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output
from prognoscope.core.errors import InputError
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.snn import snn_block
from prognoscope.models.layers.transport import squared_distances, unbalanced_plan, uniform
from prognoscope.models.mcti.guided_attention import note
from prognoscope.models.mcti.matched_attention import Bottleneck, DecoderBlock, EncoderBlock, channel_attention


class ReleasedNetwork(nn.Module):
    """The released forward pass for P patients at once, but for parameters that never had an effect.

    The linear classifier that chooses the k patches gets no gradient, as released: the choice stays at random.

    Args:
        n_classes: C of the classifier that chooses patches.
        n_auxiliary: Outputs of the head on the subtype's stream.
        token_num: Learned tokens of a stream.
        num_blocks: Blocks of each encoder layer, and of each decoder layer in the same order.
        uot_reg_type, uot_reg, uot_penalty: Of the unbalanced transport from slots to genes.
    """

    def __init__(
        self,
        embedding_dim: int,
        n_genes: int,
        n_bins: int,
        n_classes: int,
        n_auxiliary: int,
        *,
        k: int,
        query_dim: int,
        gene_heads: int,
        token_num: int,
        num_blocks: tuple[int, ...],
        dropout: float,
        uot_reg_type: str,
        uot_reg: float,
        uot_penalty: float,
    ):
        super().__init__()
        dim, gene_hidden = embedding_dim, gene_heads * embedding_dim
        self.k = k
        self.transport = {"reg": uot_reg, "marginal_penalty": uot_penalty, "regularizer": uot_reg_type}
        self.slots = Slots(dim, n_classes, k, query_dim)
        self.genes = nn.Sequential(snn_block(n_genes, gene_hidden, dropout), snn_block(gene_hidden, gene_hidden, 0.0))
        self.gene_values = nn.Linear(gene_hidden, gene_hidden)
        self.tokens = nn.Parameter(torch.randn(3, token_num, dim))  # of the subtype, survival and shared streams
        self.encoder = nn.ModuleList(EncoderBlock(dim, depth) for depth in num_blocks)
        self.bottleneck = Bottleneck(dim)
        self.decoder = nn.ModuleList(DecoderBlock(dim, depth) for depth in num_blocks)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, n_bins))
        self.auxiliary_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, n_auxiliary))

    def forward(self, inputs: Inputs, record: dict[str, Tensor] | None = None) -> Output:
        """The prediction; every intermediate is added to the record, if there is one."""
        bags = inputs.bags
        if (bags.lengths < self.k).any():
            few = [n for n in bags.lengths.tolist() if n < self.k]
            raise InputError(
                f"{len(few)} of {len(bags)} patients have fewer patches than the k={self.k} that mcti's released "
                f"variant selects, one of them {min(few)}. Lower k, leave them out, or use variant: paper."
            )
        seen = self.slots(bags)
        encoded = self.genes(torch.cat(inputs.omics, dim=1))
        genes = self.gene_values(encoded).unflatten(1, (-1, seen.slots.shape[-1]))  # (P, heads, D)
        flow = flow_between(seen.slots, genes, **self.transport)
        gathered = flow.mT.to(genes.dtype) @ seen.slots
        common = torch.cat([seen.slots, gathered, genes], dim=1).expand(3, -1, -1, -1)
        own = self.tokens[:, None].expand(-1, len(bags), -1, -1).to(common.dtype)
        if record is not None:
            record.update(gene_encoded=encoded, gene_tokens=genes, flow=flow)
            record.update(slots_pooled=seen.pooled, slots_mixed=seen.mixed, slots=seen.slots)
        tasks = self._interact(torch.cat([common, own], dim=2), record)
        pooled = tasks.mean(dim=2)  # (2, P, D)
        details = {
            "patch_logits": seen.patch_logits,
            "patch_attention": seen.attention,
            "topk_index": seen.chosen - bags.starts[:, None],
            "pooled_subtype": pooled[0],
            "pooled_survival": pooled[1],
            "auxiliary_logits": self.auxiliary_head(pooled[0]),
        }
        return Output(self.head(pooled[1]), attention={"patches": seen.share(bags)}, details=details)

    def _interact(
        self, streams: Float[Tensor, "3 P n D"], record: dict[str, Tensor] | None
    ) -> Float[Tensor, "2 P n D"]:
        tasks, share = streams[:2], streams[2:]
        note(record, "start", {"tasks": tasks, "share": share})
        skips = []
        for i, block in enumerate(self.encoder):
            tasks, share, maps = block(tasks, share)
            skips.append(share)
            note(record, f"encoder.{i}", {"tasks": tasks, "share": share, **maps})
        share, maps = self.bottleneck(tasks, share)
        note(record, "bottleneck", {"share": share, **maps})
        for j, block in enumerate(self.decoder):
            tasks, share, maps = block(tasks, share, skips[-1 - j])
            note(record, f"decoder.{j}", {"tasks": tasks, "share": share, **maps})
        return tasks


class SeenSlots(NamedTuple):
    """The slots of P patients with T patches, and how they came to be."""

    slots: Float[Tensor, "P k D"]
    pooled: Float[Tensor, "P k D"]  # before the layers that follow the attention to patches
    mixed: Float[Tensor, "P k D"]  # before the attention between channels
    chosen: Int[Tensor, "P k"]  # the row, among all T, of the patch that a slot is seen from
    patch_logits: Float[Tensor, "T C"]
    attention: Float[Tensor, "T k"]  # every patch's own sums to 1

    @torch.no_grad()
    def share(self, bags: Bags) -> Float[Tensor, " T"]:
        """Each patch's share of a slot, on average over the slots; sums to 1 within a patient."""
        return torch.cat([(each / each.sum(dim=0)).mean(dim=1) for each in bags.split(self.attention)])


class Slots(nn.Module):
    """k slots, each seen from one of the k patches that a linear classifier likes best, to which all patches go.

    Args:
        dim: D, the length of a patch embedding and of a slot.
        n_classes: C of the classifier.
        k: How many slots.
        query_dim: Width of a query.
    """

    def __init__(self, dim: int, n_classes: int, k: int, query_dim: int):
        super().__init__()
        self.k = k
        self.patch_classifier = nn.Linear(dim, n_classes)
        self.query = nn.Sequential(nn.Linear(dim, query_dim), nn.ReLU(), nn.Linear(query_dim, query_dim), nn.Tanh())
        self.project = nn.Sequential(nn.Linear(dim, dim), nn.GELU())
        self.mix = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.attend = SlotAttention(dim, k)

    def forward(self, bags: Bags) -> SeenSlots:
        """Every bag must have at least k patches."""
        patch_logits = self.patch_classifier(bags.values)
        chosen = bags.topk(patch_logits.amax(dim=1).float(), self.k)
        queries = self.query(bags.values)
        parts = zip(bags.split(F.normalize(queries, dim=1)), queries[chosen], strict=True)
        similar = torch.cat([patches @ seen_from.T for patches, seen_from in parts])  # the latter are not normalised
        attention = F.normalize(at_least_float32(similar), dim=1).softmax(dim=1)
        directions = F.normalize(bags.values, dim=1)
        pooled = self.project(bags.weighted_sum(attention.to(directions.dtype), directions))
        mixed = self.mix(pooled)
        return SeenSlots(self.attend(mixed), pooled, mixed, chosen, patch_logits, attention)


class SlotAttention(nn.Module):
    """Attention between the channels of k slots, whose values a learned matrix mixes from slot to slot."""

    def __init__(self, dim: int, k: int):
        super().__init__()
        self.project = nn.Sequential(nn.Linear(dim, dim), nn.GELU())
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.mix = nn.Linear(k, k, bias=False)
        self.rescale = nn.Parameter(torch.ones(1, 1))
        self.proj = nn.Linear(dim, dim)
        self.widen, self.narrow = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, slots: Float[Tensor, "P k D"]) -> Float[Tensor, "P k D"]:
        q, k, v = self.to_qkv(self.project(slots)).chunk(3, dim=-1)
        v = F.normalize(self.mix(v.mT).mT, dim=-1)
        y = v @ channel_attention(q, k, self.rescale).to(v.dtype)
        return self.proj(y) + self.narrow(F.gelu(self.widen(v)))


@torch.no_grad()
def flow_between(slots: Float[Tensor, "P n D"], genes: Float[Tensor, "P m D"], **transport) -> Float[Tensor, "P n m"]:
    """The unbalanced plan between slots and gene tokens of equal masses, by squared distances over the largest."""
    cost = shifted_cost(slots, genes)
    a, b = (uniform(cost.new_ones(*x.shape[:2])) for x in (slots, genes))
    return unbalanced_plan(cost / cost.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12), a, b, **transport)


def shifted_cost(slots: Float[Tensor, "P n D"], genes: Float[Tensor, "P m D"]) -> Float[Tensor, "P n m"]:
    """Squared distances once the least entry of every token is taken from it."""
    with torch.autocast(slots.device.type, enabled=False):
        tokens = (at_least_float32(each) for each in (slots, genes))
        return squared_distances(*(each - each.amin(dim=-1, keepdim=True) for each in tokens))
