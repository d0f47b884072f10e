"""Two tasks on one patient, subtype and survival, exchanging what they see through optimal transport.

MCTI: Multimodal cross-task interaction for survival analysis in whole slide pathological images. MICCAI 2024. As its
paper has it; what its authors' code does instead is `MCTIReleased`.
"""

from prognoscope.core.errors import ModelError
from prognoscope.models.mcti.card import PRESETS
from prognoscope.models.mcti.guided_attention import GuidedAttentionSpec
from prognoscope.models.mcti.paper_network import PaperNetwork
from prognoscope.models.mcti.two_tasks import TASKS, TwoTasks, sizes_of_heads
from prognoscope.models.options import check_choices

CHOICES = {
    "select": ("instance", "attention", "random"),
    "aux_task": TASKS,
    "intra": ("token", "channel"),
    "guidance": ("values", "gate"),
    "ot": ("sinkhorn", "emd"),
    "ot_grad": ("last", "none", "unroll"),
    "gene_init": ("none", "zero", "rand"),
}


class MCTIPaper(TwoTasks):
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
    `auxiliary_logits` of the second task, (P, C) or (P, K).

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
        aux_task: The second task: "subtype", "survival" (what the paper's table calls without TGA, and the authors'
            trainer minimises), or "none".
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

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        n_subtypes: int = 0,
        *,
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
        set_rate = {"preset": preset, "dsmil_lr_mult": dsmil_lr_mult}
        super().__init__(n_genes=sum(group_sizes), aux_task=aux_task, alpha_task=alpha_task, **set_rate)
        chosen = {"select": select, "aux_task": aux_task, "intra": intra, "guidance": guidance}
        check_choices("mcti", chosen | {"ot": ot, "ot_grad": ot_grad, "gene_init": gene_init}, CHOICES)
        sizes = sizes_of_heads(embedding_dim, group_sizes, n_bins, n_subtypes, aux_task)
        width, gene_width, _ = PRESETS[preset]
        _check_widths(d or width, k=k, layers=layers, heads=heads, gene_heads=gene_heads)
        self.network = PaperNetwork(
            **sizes,
            k=k,
            d=d or width,
            layers=layers,
            query_dim=query_dim,
            gene_hidden=gene_hidden or gene_width,
            gene_groups=gene_groups,
            gene_heads=gene_heads if gene_grouping else 0,
            gene_init=gene_init,
            dropout=dropout,
            select=select,
            show_class=aux_task == "subtype",
            spec=GuidedAttentionSpec(heads, ff_ratio, tga, guidance, intra, ot, ot_eps, ot_iters, ot_grad),
        )


def _check_widths(d: int, *, k: int, layers: int, **heads: int) -> None:
    if min(k, layers) < 1:
        raise ModelError(f"mcti needs at least one patch and one layer, not k={k} and layers={layers}.")
    for name, count in heads.items():
        if count < 1 or d % count:
            raise ModelError(f"mcti cannot cut tokens of width d={d} into {name}={count} equal parts.")
