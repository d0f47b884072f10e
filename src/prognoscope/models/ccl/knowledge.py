"""What two summaries of a patient have in common, what only both tell, and what each tells alone.

Zhou et al. (CCL), IEEE TMI 2024, eq. 1 to 4.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.models.layers.precision import at_least_float32

Value = Literal["projected", "raw"]
Gate = Literal["sigmoid", "linear"]


class TokenPool(nn.Module):
    """One vector of m tokens: a learned weighted sum, scaled to mean 0 and variance 1 over its features, and a ReLU.

    The scaling takes the bias away again, and the weights' common factor. So the bias can have no gradient: it is a
    buffer, kept for published checkpoints.
    """

    bias: Tensor

    def __init__(self, m: int):
        super().__init__()
        bound = m**-0.5  # torch's own start of a convolution over the tokens
        self.weight = nn.Parameter(torch.empty(m).uniform_(-bound, bound))
        self.register_buffer("bias", torch.empty(1).uniform_(-bound, bound))

    def forward(self, tokens: Float[Tensor, "P m d"]) -> Float[Tensor, "P d"]:
        mixed = (self.weight[:, None] * at_least_float32(tokens)).sum(dim=1) + self.bias
        return F.layer_norm(mixed, mixed.shape[1:], eps=1e-5).relu()

    @torch.no_grad()
    def importance(self, tokens: Float[Tensor, "P m d"]) -> Float[Tensor, "P m"]:
        """How much each token moves the sum, as it is scaled: sums to 1 within a patient."""
        moved = self.weight.abs() * at_least_float32(tokens).std(dim=2, correction=0) + 1e-12
        return moved / moved.sum(dim=1, keepdim=True)


class Interaction(nn.Module):
    """A blend of genes and slide in which each is gated, feature by feature, by how it meets the other (eq. 2).

    The gate reduces the matrix of all products of features over the other modality; since that matrix has rank one, it
    is never formed.

    Args:
        value: What the gates weigh: the "projected" or the "raw" summaries.
        gate: The reduced matrix goes through a "sigmoid", or stays as it is, "linear".
    """

    def __init__(self, d: int, value: Value = "projected", gate: Gate = "sigmoid"):
        super().__init__()
        self.gene, self.slide = _projection(d), _projection(d)
        self.gene_gate, self.slide_gate = nn.Linear(d, 1), nn.Linear(d, 1)  # the first weighs the slide's features
        self.value, self.gate = value, gate

    def forward(self, gene: Float[Tensor, "P d"], slide: Float[Tensor, "P d"]) -> Float[Tensor, "P d"]:
        g, p = self.gene(gene), self.slide(slide)
        gene_gate, slide_gate = self._gates(g, p)
        if self.value == "raw":
            g, p = gene, slide
        return p * slide_gate + g * gene_gate

    def gates(self, gene: Float[Tensor, "P d"], slide: Float[Tensor, "P d"]) -> Float[Tensor, "P 2 d"]:
        """Of genes and slide; between 0 and 1 after a sigmoid."""
        return torch.stack(self._gates(self.gene(gene), self.slide(slide)), dim=1)

    def _gates(self, g: Float[Tensor, "P d"], p: Float[Tensor, "P d"]) -> tuple[Tensor, Tensor]:
        of_slide, of_gene = p @ self.gene_gate.weight.T, g @ self.slide_gate.weight.T  # (P, 1)
        gates = g * of_slide + self.gene_gate.bias, p * of_gene + self.slide_gate.bias
        return gates if self.gate == "linear" else (gates[0].sigmoid(), gates[1].sigmoid())


class Decomposition(nn.Module):
    """The components common, synergy, gene-specific and slide-specific, (P, 4, d).

    Args:
        swap_specific: The gene-specific encoder reads the slide and the reverse, as in the released code.
        value, gate: As in `Interaction`.
    """

    def __init__(self, d: int, *, swap_specific: bool = False, value: Value = "projected", gate: Gate = "sigmoid"):
        super().__init__()
        self.common, self.synergy = Interaction(d, value, gate), Interaction(d, value, gate)
        self.gene_specific, self.slide_specific = _projection(d), _projection(d)
        self.swap_specific = swap_specific

    def forward(self, gene: Float[Tensor, "P d"], slide: Float[Tensor, "P d"]) -> Float[Tensor, "P 4 d"]:
        one, other = (slide, gene) if self.swap_specific else (gene, slide)
        specific = self.gene_specific(one), self.slide_specific(other)
        return torch.stack([self.common(gene, slide), self.synergy(gene, slide), *specific], dim=1)


def knowledge_loss(
    components: Float[Tensor, "P 4 d"],
    gene: Float[Tensor, "P d"],
    slide: Float[Tensor, "P d"],
    reduction: Literal["mean", "sum"] = "mean",
) -> Float[Tensor, " P"]:
    """How far the components are from resembling the summaries that they should, and no other (eq. 4), per patient.

    Common should resemble both summaries, synergy neither, and a specific component its own alone; cosines, to which
    the summaries are constants.

    Args:
        reduction: "mean" of the eight terms plus 1, in [0.5, 2]; or their "sum".
    """
    summaries = at_least_float32(torch.stack([gene, slide], dim=1).detach())
    cosine = F.cosine_similarity(at_least_float32(components)[:, :, None], summaries[:, None], dim=3)  # (P, 4, 2)
    alike = cosine[:, 0].sum(dim=1) + cosine[:, 2, 0] + cosine[:, 3, 1]
    unlike = cosine[:, 1].abs().sum(dim=1) + cosine[:, 2, 1].abs() + cosine[:, 3, 0].abs()
    terms = unlike - alike
    return terms / 8 + 1 if reduction == "mean" else terms


def _projection(d: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d, d), nn.LayerNorm(d), nn.ReLU())
