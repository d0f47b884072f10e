"""Dual-stream attention over packed bags: the best patch of each class, and all patches seen from it.

Li, Li, Eliceiri: Dual-stream multiple instance learning network. CVPR 2021.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.precision import at_least_float32, for_products


class DualStreams(NamedTuple):
    """What the two streams say of P patients with T patches and C classes."""

    patch_logits: Float[Tensor, "T C"]
    critical: Int[Tensor, "P C"]  # the row, among all T, of each class's best patch
    max_logits: Float[Tensor, "P C"]  # of the critical patches
    attention: Float[Tensor, "T C"]  # sums to 1 within each patient and class
    pooled: Float[Tensor, "P C D"]
    bag_logits: Float[Tensor, "P C"]


class DSMIL(nn.Module):
    """The two streams. The critical patch's query is a row of the patches' queries, so it costs nothing. Linear in T.

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_classes: C.
        query_dim: The width of a query.
        nonlinear: Two layers make a query, not one.
        passing_v: Values are learned; otherwise they are the embeddings.
        dropout_v: Rate before the layer that makes values.
        variant: "paper" is the original code; "mcti" is the copy in MCTI's code, which scales queries and values to
            unit length, but not the critical ones' queries, and projects what it pools.
        start: "default" draws weights as torch does; "orthogonal" as the original code does, with biases of zero.
    """

    def __init__(
        self,
        embedding_dim: int,
        n_classes: int,
        *,
        query_dim: int = 128,
        nonlinear: bool = True,
        passing_v: bool = False,
        dropout_v: float = 0.0,
        variant: str = "paper",
        start: Literal["default", "orthogonal"] = "default",
    ):
        super().__init__()
        self.unit_length = variant == "mcti"
        self.patch_classifier = nn.Linear(embedding_dim, n_classes)
        self.query = nn.Linear(embedding_dim, query_dim)
        if nonlinear:
            self.query = nn.Sequential(self.query, nn.ReLU(), nn.Linear(query_dim, query_dim), nn.Tanh())
        self.value = nn.Identity()
        if passing_v:
            self.value = nn.Sequential(Dropout(dropout_v), nn.Linear(embedding_dim, embedding_dim), nn.ReLU())
        self.project = nn.Linear(embedding_dim, embedding_dim) if self.unit_length else nn.Identity()
        bound = (n_classes * embedding_dim) ** -0.5  # torch's own start of a convolution of width D
        self.bag_weight = nn.Parameter(torch.empty(n_classes, n_classes, embedding_dim).uniform_(-bound, bound))
        self.bag_bias = nn.Parameter(torch.empty(n_classes).uniform_(-bound, bound))
        if start == "orthogonal":
            for value in self.parameters():
                (nn.init.orthogonal_ if value.ndim > 1 else nn.init.zeros_)(value)

    def forward(self, bags: Bags) -> DualStreams:
        """Every bag must have a patch."""
        with torch.autocast(bags.values.device.type, enabled=False):  # rounded scores would choose other patches
            patch_logits = self.patch_classifier(at_least_float32(bags.values))
        critical = bags.argmax(patch_logits)
        bags = bags.replace(for_products(bags.values))
        queries, values = self.query(bags.values), self.value(bags.values)
        of_critical = queries[critical]  # (P, C, Q)
        if self.unit_length:
            queries, values = F.normalize(queries, dim=1), F.normalize(values, dim=1)
        similar = [q @ m.T for q, m in zip(bags.split(queries), of_critical, strict=True)]
        attention = bags.softmax(bags.join(similar) / queries.shape[1] ** 0.5)
        pooled = self.project(bags.weighted_sum(attention.to(values.dtype), values))
        bag_logits = torch.einsum("ocd,pcd->po", self.bag_weight, pooled) + self.bag_bias
        return DualStreams(patch_logits, critical, patch_logits.gather(0, critical), attention, pooled, bag_logits)
