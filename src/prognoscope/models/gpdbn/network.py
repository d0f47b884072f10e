"""Outer products within genes, within the slide and between the two, each squeezed, through a deep encoder.

Wang et al.: GPDBN: deep bilinear network integrating both genomic data and pathological images for breast cancer
prognosis prediction. Bioinformatics 2021.
"""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.core.errors import ModelError
from prognoscope.models.base import Reading
from prognoscope.models.gpdbn.card import CARD
from prognoscope.models.layers.flat_genes import FlatGenes
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.layers.squashed_head import HEADS, SquashedHead, SquashedModel
from prognoscope.models.layers.vector_adapters import POOLINGS, BagVector, GeneVector, OneRow
from prognoscope.models.options import check_choices

CHOICES = {"head": HEADS, "pooling": POOLINGS, "inputs": ("bags", "vectors"), "variant": ("paper", "released")}


class GPDBN(SquashedModel):
    """Bilinear maps of a gene vector and a slide vector, joined with both vectors.

    The method was made for one vector a modality. How a bag and thousands of genes become vectors is our decision:
    pooled patches and a self-normalising network, each narrowed to `dim` and normalised.

    Explains with `attention`: "patches" (T,), of the pooling. Details: `gene` and `path` (P, D), the two vectors;
    `inter`, `intra_gene`, `intra_path` (P, k); `fusion_input` and `code`.

    Args:
        embedding_dim: Length of a patch embedding, or of the slide vector.
        group_sizes: Genes in each gene group; all of them are one vector, each column once.
        n_bins: K, the number of time bins.
        gene_names: Columns of each gene group, by which a gene of two groups is known.
        inputs: "bags", or "vectors": the only row of each bag, and the genes as the study scales them, for selected
            features.
        pooling: Of patches, "gated" attention or "mean".
        dim: D, the length of both vectors made of bags and genes.
        bilinear_hidden: k, what each outer product is squeezed to.
        encoder_widths: Of the encoder's layers.
        head: "discrete" hazards, or "cox": one log hazard ratio in (-3, 3), whose loss compares the patients of a step
            and needs many of them.
        variant: "released" divides Cox's loss by one event more than there are.
        use_inter: The outer product of genes and slide takes part.
        use_intra: Those within genes and within the slide take part.
        dropout: Rate after each layer of the encoder: one, or one a layer.
        adapter_dropout: Rate where bags and genes become vectors.
    """

    card = CARD

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        gene_names: tuple[tuple[str, ...], ...] = (),
        *,
        inputs: str = "bags",
        pooling: str = "gated",
        dim: int = 32,
        bilinear_hidden: int = 20,
        encoder_widths: Sequence[int] = (500, 256, 128, 32),
        head: str = "discrete",
        variant: str = "paper",
        use_inter: bool = True,
        use_intra: bool = True,
        dropout: float | Sequence[float] = 0.1,
        adapter_dropout: float = 0.25,
    ):
        super().__init__(head=head)
        check_choices("gpdbn", {"head": head, "pooling": pooling, "inputs": inputs, "variant": variant}, CHOICES)
        if any(width < 1 for width in encoder_widths):
            raise ModelError(f"gpdbn's encoder needs widths of at least 1, not {tuple(encoder_widths)}.")
        rates = [dropout] * len(encoder_widths) if isinstance(dropout, int | float) else list(dropout)
        if len(rates) != len(encoder_widths):
            raise ModelError(f"gpdbn's encoder has {len(encoder_widths)} layers, but dropout has {len(rates)} rates.")
        self.flat = FlatGenes(group_sizes, gene_names)
        if inputs == "vectors":
            self.path, self.gene, path_dim, gene_dim = OneRow(), nn.Identity(), embedding_dim, self.flat.n_genes
        else:
            self.path = BagVector(embedding_dim, dim, pooling=pooling, dropout=adapter_dropout)
            self.gene = GeneVector(self.flat.n_genes, dim, dropout=adapter_dropout)
            path_dim = gene_dim = dim
        k = bilinear_hidden
        self.inter = nn.Linear(gene_dim * path_dim, k) if use_inter else None
        self.intra_gene = nn.Linear(gene_dim**2, k) if use_intra else None
        self.intra_path = nn.Linear(path_dim**2, k) if use_intra else None
        dims = [gene_dim + path_dim + k * use_inter + 2 * k * use_intra, *encoder_widths]
        layers = zip(itertools.pairwise(dims), rates, strict=True)
        self.encoder = nn.Sequential(*(ReLULayers(a, b, dropout=rate) for (a, b), rate in layers))
        self.head = SquashedHead(dims[-1], n_bins, head, one_more_event=variant == "released")

    def read(self, inputs: Inputs) -> Reading:
        """Both vectors and what their products are squeezed to, side by side."""
        gene, path, weights = self._vectors(inputs)
        return self._joined(gene, path, _outer(gene, path), weights)

    def judge(self, vector: Float[Tensor, "P _"]) -> Output:
        code = self.encoder(vector)
        logits, log_hazard_ratio = self.head(code)
        return Output(logits, log_hazard_ratio, details={"code": code})

    @torch.enable_grad()
    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
        """ "pairs" (P, D of genes, D of the slide): what each pair of a gene and a slide feature adds to the risk.

        The product of the two times the gradient of the risk in it, through the outer product between modalities.
        Nothing, of a model without that product.
        """
        if self.inter is None:
            return {}
        with torch.enable_grad():
            gene, path, weights = (each.detach() for each in self._vectors(inputs))
            pairs = _outer(gene, path).requires_grad_()
            risk = self.judge(self._joined(gene, path, pairs, weights).vector).risk
            (gradient,) = torch.autograd.grad(risk.sum(), pairs)
        return {"pairs": (pairs * gradient).detach().unflatten(1, (gene.shape[1], path.shape[1]))}

    def _vectors(self, inputs: Inputs) -> tuple[Float[Tensor, "P g"], Float[Tensor, "P p"], Float[Tensor, " T"]]:
        inputs.bags.need_patches("gpdbn")
        path, weights = self.path(inputs.bags)
        return self.gene(self.flat(inputs.omics)), path, weights

    def _joined(self, gene: Tensor, path: Tensor, pairs: Tensor, weights: Tensor) -> Reading:
        squeezed = {}
        if self.inter is not None:
            squeezed["inter"] = self.inter(pairs).relu()
        if self.intra_gene is not None and self.intra_path is not None:
            squeezed["intra_gene"] = self.intra_gene(_outer(gene, gene)).relu()
            squeezed["intra_path"] = self.intra_path(_outer(path, path)).relu()
        fusion_input = torch.cat([gene, path, *squeezed.values()], dim=1)
        details = {"gene": gene, "path": path, **squeezed, "fusion_input": fusion_input}
        return Reading(fusion_input, {"patches": weights}, details)


def _outer(a: Float[Tensor, "P a"], b: Float[Tensor, "P b"]) -> Float[Tensor, "P ab"]:
    return (a[:, :, None] * b[:, None, :]).flatten(1)
