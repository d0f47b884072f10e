"""Low-rank products within each modality, weighed by a shared attention, and between each two of them.

Li et al.: HFBSurv: hierarchical multimodal fusion with factorized bilinear models for cancer survival prediction.
Bioinformatics 2022.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.core.errors import ModelError
from prognoscope.core.genes import kind_of
from prognoscope.models.base import Reading
from prognoscope.models.hfbsurv.card import CARD
from prognoscope.models.hfbsurv.factorised import PatientNorm, factorised_product
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.flat_genes import FlatGenes
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.squashed_head import HEADS, SquashedHead, SquashedModel
from prognoscope.models.layers.vector_adapters import POOLINGS, BagVector, GeneVector, OneRow
from prognoscope.models.options import check_choices

CHOICES = {
    "modalities": (None, 2, 3),
    "norm": ("batch", "layer"),
    "head": HEADS,
    "pooling": POOLINGS,
    "inputs": ("bags", "vectors"),
    "variant": ("paper", "released"),
}
EXPRESSION, ALTERATIONS = ("rnaseq", ""), ("cnv", "mut")


class HFBSurv(SquashedModel):
    """Gene expression, slide and alterations, each with its own low-rank square, then in pairs that differ most.

    The method was made for one vector a modality. How a bag and thousands of genes become vectors is our decision: as
    in GPDBN, pooled patches and self-normalising networks, each narrowed to `dim` and normalised. With norm="batch" the
    patients of a training step share means and variances; a step of one patient uses the running ones.

    Explains with `attention`: "patches" (T,), of the pooling. Details: `attn_gene`, `attn_path`, `attn_cna` (P,), how
    much each modality weighs; `pair_weights` (P, pairs) of gene and path, gene and cna, path and cna; `uni` and `bi`,
    what modalities and pairs add up to; `code`.

    Args:
        embedding_dim: Length of a patch embedding, or of the slide vector.
        group_sizes: Genes in each gene group; without `gene_names` and with three modalities, two groups: expression,
            alterations.
        n_bins: K, the number of time bins.
        gene_names: Columns of each gene group. Copy numbers and mutations (`_cnv`, `_mut`) are alterations, all others
            expression.
        inputs: "bags", or "vectors": the only row of each bag, and the genes as the study scales them, for selected
            features.
        pooling: Of patches, "gated" attention or "mean".
        dim: Length of the vectors made of bags and genes.
        modalities: 3, or 2 for all genes as one modality; None: 3 if columns are of both kinds.
        hidden: s, the width of a modality.
        rank: r, factors of each entry of a product.
        out_intra, out_inter: Entries of a product within a modality and of two.
        cox_hidden, code_dim: Widths of the last two layers.
        norm: Before them, "batch", or "layer" for steps of one patient.
        head: "discrete" hazards, or "cox": one log hazard ratio in (-3, 3), whose loss compares the patients of a step
            and needs many of them.
        variant: "released" repeats two slips: weighed alterations are expression, and all pairs use the projection of
            expression. Its Cox loss counts one event too many.
        product_dropout, dropout: Rates inside the products and in the last layers.
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
        dim: int = 80,
        modalities: int | None = None,
        hidden: int = 50,
        rank: int = 20,
        out_intra: int = 20,
        out_inter: int = 20,
        cox_hidden: int = 256,
        code_dim: int = 64,
        norm: str = "batch",
        head: str = "discrete",
        variant: str = "paper",
        product_dropout: float = 0.1,
        dropout: float = 0.3,
        adapter_dropout: float = 0.25,
    ):
        super().__init__(head=head, norm=norm)
        given = {"modalities": modalities, "norm": norm, "head": head, "pooling": pooling}
        given |= {"inputs": inputs, "variant": variant}
        check_choices("hfbsurv", given, CHOICES)
        self.released, self.rank, self.product_dropout = variant == "released", rank, product_dropout
        genes = _genes_of_modalities(group_sizes, gene_names, modalities)
        self.genes = nn.ModuleDict(genes)
        self.modalities = ("gene", "path", *(["cna"] if "cna" in genes else []))
        self.pairs = tuple(combinations(self.modalities, 2))
        if inputs == "vectors":
            self.read_bag, self.read_genes = OneRow(), nn.ModuleDict({name: nn.Identity() for name in genes})
            dims = {"path": embedding_dim, **{name: flat.n_genes for name, flat in genes.items()}}
        else:
            self.read_bag = BagVector(embedding_dim, dim, pooling=pooling, dropout=adapter_dropout)
            networks = {name: GeneVector(flat.n_genes, dim, dropout=adapter_dropout) for name, flat in genes.items()}
            self.read_genes = nn.ModuleDict(networks)
            dims = dict.fromkeys(self.modalities, dim)
        width = hidden + out_intra
        self.encode = nn.ModuleDict({name: _two_layers(dims[name], hidden) for name in self.modalities})
        self.to_square = nn.ModuleDict({name: nn.Linear(hidden, out_intra * rank) for name in self.modalities})
        self.weigh = nn.Linear(width, 1)
        self.to_pair = nn.ModuleDict({name: nn.Linear(width, out_inter * rank) for name in self.modalities})
        self.norm = PatientNorm(width + out_inter) if norm == "batch" else nn.LayerNorm(width + out_inter)
        widths = ((width + out_inter, cox_hidden), (cox_hidden, code_dim))
        self.encoder = nn.Sequential(*(nn.Sequential(nn.Linear(a, b), nn.Tanh(), Dropout(dropout)) for a, b in widths))
        self.head = SquashedHead(code_dim, n_bins, head, one_more_event=self.released)

    def read(self, inputs: Inputs) -> Reading:
        """Sums over modalities and pairs, side by side."""
        inputs.bags.need_patches("hfbsurv")
        vectors = {name: self.read_genes[name](flat(inputs.omics)) for name, flat in self.genes.items()}
        vectors["path"], weights = self.read_bag(inputs.bags)
        features, attention, weighed = {}, {}, {}
        for name in self.modalities:
            h = self.encode[name](vectors[name])
            u = self.to_square[name](h)
            features[name] = torch.cat([h, self._product(u, u)], dim=1)
            attention[name] = self.weigh(features[name]).sigmoid()  # (P, 1), by one map for all modalities
        for name in self.modalities:
            slips = self.released and name == "cna"
            weighed[name] = attention[name] * features["gene" if slips else name]
        uni = torch.stack(list(weighed.values())).sum(dim=0)
        share = self._pair_weights(attention, weighed)
        to_pair = {name: self.to_pair["gene" if self.released else name](weighed[name]) for name in self.modalities}
        products = [self._product(to_pair[one], to_pair[other]) for one, other in self.pairs]
        bi = (share[:, :, None] * torch.stack(products, dim=1)).sum(dim=1)
        details = {f"attn_{name}": value[:, 0] for name, value in attention.items()}
        details |= {"pair_weights": share, "uni": uni, "bi": bi}
        return Reading(torch.cat([uni, bi], dim=1), {"patches": weights}, details)

    def judge(self, vector: Float[Tensor, "P _"]) -> Output:
        code = self.encoder(self.norm(vector))
        logits, log_hazard_ratio = self.head(code)
        return Output(logits, log_hazard_ratio, details={"code": code})

    def _product(self, a: Float[Tensor, "P _"], b: Float[Tensor, "P _"]) -> Float[Tensor, "P o"]:
        return factorised_product(a, b, self.rank, self.product_dropout if self.training else 0.0)

    def _pair_weights(self, attention: dict[str, Tensor], weighed: dict[str, Tensor]) -> Float[Tensor, "P pairs"]:
        """Pairs of heavy modalities that differ weigh most."""
        shape = {name: at_least_float32(y).softmax(dim=1) for name, y in weighed.items()}
        likeness = [(shape[one] * shape[other]).sum(dim=1) for one, other in self.pairs]
        heavy = [(attention[one] + attention[other])[:, 0] for one, other in self.pairs]
        return torch.stack([t / (s + 0.5) for t, s in zip(heavy, likeness, strict=True)], dim=1).softmax(dim=1)


def _two_layers(inputs: int, hidden: int) -> nn.Sequential:
    layers = ((nn.Linear(a, hidden), nn.Tanh()) for a in (inputs, hidden))
    return nn.Sequential(*(nn.Sequential(*layer) for layer in layers))


def _genes_of_modalities(
    group_sizes: Sequence[int], gene_names: Sequence[Sequence[str]], modalities: int | None
) -> dict[str, FlatGenes]:
    """The columns of "gene" and, with three modalities, of "cna"."""
    kinds = {kind_of(name) for group in gene_names for name in group}
    if modalities is None:
        modalities = 3 if kinds & set(EXPRESSION) and kinds & set(ALTERATIONS) else 2
    if modalities == 2:
        return {"gene": FlatGenes(group_sizes, gene_names)}
    if not gene_names:
        if len(group_sizes) != 2:
            raise ModelError(
                f"hfbsurv with three modalities needs the names of the genes, or two groups of them, expression and "
                f"alterations, not {len(group_sizes)}."
            )
        gene_names = [[f"{i}_{kind}" for i in range(n)] for n, kind in zip(group_sizes, ("rnaseq", "cnv"), strict=True)]
    wanted = {"gene": EXPRESSION, "cna": ALTERATIONS}
    return {name: FlatGenes(group_sizes, gene_names, kinds=each) for name, each in wanted.items()}
