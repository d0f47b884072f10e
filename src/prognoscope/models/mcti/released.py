"""MCTI as its authors' code computes it, which is not what their paper says. https://github.com/jsh0792/MCTI."""

from prognoscope.core.errors import ModelError
from prognoscope.models.mcti.released_network import ReleasedNetwork
from prognoscope.models.mcti.two_tasks import TASKS, TwoTasks, sizes_of_heads
from prognoscope.models.options import check_choices

CHOICES = {"aux_task": TASKS, "uot_reg_type": ("entropy", "kl")}


class MCTIReleased(TwoTasks):
    """Slots that attend to all patches, and genes that gather slots by unbalanced transport, in the same three streams.

    A linear classifier that gets no gradient chooses the k patches that slots start from, so bags need at least k.
    Attention runs between channels, and what steers it is a matching.

    Explains with `attention`: "patches" (T,), the shares of its slots. Details: `patch_logits` (T, C),
    `patch_attention` (T, k), `topk_index` (P, k), rows within the patient's own bag; `pooled_subtype`,
    `pooled_survival` (P, D), and `auxiliary_logits` of the second task, (P, C) or (P, K).

    Args:
        embedding_dim: D, the length of a patch embedding, which is a token's too.
        group_sizes: Genes in each gene group; all are read as one flat vector.
        n_bins: K, the number of time bins.
        n_subtypes: C, at least 2 where the subtype is learned; 0 without labels.
        k: How many patches are selected.
        gene_heads: Tokens that the genes become.
        query_dim: Width of a query of the slots' attention.
        dropout: Rate of AlphaDropout in the gene encoder.
        aux_task: The second task: "subtype", or "survival", which is what the authors' trainer minimises.
        alpha_task: Weight of the survival likelihood.
        token_num, num_blocks: Learned tokens of a stream; blocks of each encoder layer, and of each decoder layer.
        uot_reg_type, uot_reg, uot_penalty: Of the unbalanced transport between slots and genes: entropy's reference,
            1 ("entropy") or the product of the masses ("kl"), its weight, and the price of changing a mass.
    """

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        n_subtypes: int = 0,
        *,
        k: int = 256,
        gene_heads: int = 8,
        query_dim: int = 128,
        dropout: float = 0.25,
        aux_task: str = "subtype",
        alpha_task: float = 1.0,
        token_num: int = 8,
        num_blocks: tuple[int, ...] = (2, 4),
        uot_reg_type: str = "entropy",
        uot_reg: float = 0.1,
        uot_penalty: float = 0.5,
    ):
        super().__init__(n_genes=sum(group_sizes), aux_task=aux_task, alpha_task=alpha_task, variant="released")
        check_choices("mcti", {"aux_task": aux_task, "uot_reg_type": uot_reg_type}, CHOICES)
        sizes = sizes_of_heads(embedding_dim, group_sizes, n_bins, n_subtypes, aux_task)
        if aux_task == "none":
            raise ModelError("mcti's released variant always has a second task; set aux_task: subtype or survival.")
        if k < 1:
            raise ModelError(f"mcti needs at least one patch, not k={k}.")
        if not num_blocks or min(num_blocks) < 1:
            raise ModelError(f"mcti needs at least one block in each layer, not num_blocks={num_blocks}.")
        self.network = ReleasedNetwork(
            **sizes,
            k=k,
            query_dim=query_dim,
            gene_heads=gene_heads,
            token_num=token_num,
            num_blocks=num_blocks,
            dropout=dropout,
            uot_reg_type=uot_reg_type,
            uot_reg=uot_reg,
            uot_penalty=uot_penalty,
        )
