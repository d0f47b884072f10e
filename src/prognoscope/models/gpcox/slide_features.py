"""What the slides of a patient are made of: how much of each kind of tissue there is, and how it looks (torch).

Kinds of tissue are clusters of patches of all training patients, found without outcomes. As in: Song et al.:
Morphological prototyping for unsupervised slide representation learning in computational pathology. CVPR 2024.
"""

import warnings
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.kmeans import kmeans, spread_start

PATCHES_A_PATIENT = 200  # drawn of each bag to find kinds of tissue by
STARTS = 5  # of the clusters, of which the tightest are taken
FEWEST_OF_A_KIND = 16  # patches that a bag in the middle must have for each kind
SMALLEST_SHARE = 0.005  # added to shares before their logarithm is taken
BELIEVED_PATCHES = 10.0  # by how many a mean look is drawn to that of its kind


class SlideFeatures(nn.Module):
    """For each of C kinds of tissue the logarithm of its share, then the mean of its patches along A axes.

    Args:
        embedding_dim: D, the length of a patch embedding.
        kinds: C, at most; fewer where bags are short, down to one: then all is in the mean, along as many more axes.
        axes: A, principal axes of the patch embeddings.
    """

    centre: Tensor
    axes: Tensor
    prototypes: Tensor
    used: Tensor

    def __init__(self, embedding_dim: int, *, kinds: int, axes: int):
        super().__init__()
        self.kinds, self.n_axes = kinds, min(axes, embedding_dim)
        self.register_buffer("centre", torch.zeros(embedding_dim))
        self.register_buffer("axes", torch.zeros(embedding_dim, min(kinds * axes, embedding_dim)))
        self.register_buffer("prototypes", torch.zeros(kinds, self.axes.shape[1]))
        self.register_buffer("used", torch.tensor([kinds, self.n_axes]))

    @property
    def n_features(self) -> int:
        """How many columns there are; of one kind alone, those beyond its mean are zero."""
        return self.kinds + max(self.kinds * self.n_axes, self.axes.shape[1])

    def fit(self, bags: Iterable[Float[Tensor, "_ D"]], seed: int) -> None:
        """Find axes and kinds from some patches of each of the training patients; outcomes are not asked for.

        Args:
            bags: Read one after the other, of which some patches are kept.
        """
        drawn, lengths = [], []
        for patient, values in enumerate(bags):
            if len(values):
                lengths.append(len(values))
                rows = np.random.default_rng([seed, patient]).permutation(len(values))[:PATCHES_A_PATIENT]
                drawn.append(values[torch.from_numpy(np.sort(rows))].double())
        patches = torch.cat(drawn)
        centre = patches.mean(dim=0)
        axes = torch.linalg.eigh((patches - centre).T @ (patches - centre)).eigenvectors.flip(1)
        kinds = int(min(self.kinds, max(1, np.median(lengths) // FEWEST_OF_A_KIND)))
        n_axes = self.n_axes if kinds > 1 else self.axes.shape[1]
        axes = axes[:, :n_axes] * axes[:, :n_axes].sum(dim=0).sign()  # an eigenvector's sign means nothing
        placed = ((patches - centre) @ axes).float()
        everywhere = Bags(placed, torch.tensor([len(placed)]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that clusters still move a little, which is no matter here
            found = [kmeans(everywhere, spread_start(placed, kinds, seed + i)[None]) for i in range(STARTS)]
        apart = [float((placed - each.centres[0, each.cluster]).square().sum()) for each in found]
        prototypes = found[int(np.argmin(apart))].centres[0]
        self.centre.copy_(centre)
        self.axes.zero_()[:, :n_axes] = axes.float()
        self.prototypes.zero_()[:kinds, :n_axes] = prototypes
        self.used.copy_(torch.tensor([kinds, n_axes]))

    def forward(self, bags: Bags) -> Float[Tensor, "P F"]:
        """The features of each patient, not yet centred; those of an empty bag mean nothing."""
        told = [self._of_one(values) for values in bags.split(bags.values)]
        return torch.stack(told) if told else bags.values.new_zeros(0, self.n_features)

    def influence(self, bags: Bags, weights: Float[Tensor, "P F"]) -> Float[Tensor, " T"]:
        """For each patch how a sum of its patient's features would grow if there were more like it.

        The derivative of features times weights by the patch's share of the bag, at no cost to the other patches'
        proportions: its mean over a bag is 0 for the shares.

        Args:
            weights: Of each patient.
        """
        parts = zip(bags.split(bags.values), weights, strict=True)
        told = [self._influence_of_one(values, its) for values, its in parts]
        return torch.cat(told) if told else bags.values.new_zeros(0)

    def _of_one(self, values: Float[Tensor, "N D"]) -> Float[Tensor, " F"]:
        kinds, n_axes = self.used.tolist()
        features = values.new_zeros(self.n_features)
        if not len(values):
            return features
        apart, kind, counts = self._kinds_of(values)
        features[:kinds] = (counts / len(values) + SMALLEST_SHARE).log()
        sums = apart.new_zeros(kinds, n_axes).index_add(0, kind, apart)
        features[self.kinds : self.kinds + kinds * n_axes] = (sums / (counts + BELIEVED_PATCHES)[:, None]).flatten()
        return features

    def _influence_of_one(self, values: Float[Tensor, "N D"], weights: Float[Tensor, " F"]) -> Float[Tensor, " N"]:
        if not len(values):
            return values.new_zeros(0)
        kinds, n_axes = self.used.tolist()
        apart, kind, counts = self._kinds_of(values)
        shares = counts / len(values)
        of_shares = weights[:kinds] / (shares + SMALLEST_SHARE)
        of_looks = weights[self.kinds : self.kinds + kinds * n_axes].view(kinds, n_axes)
        believed = counts + BELIEVED_PATCHES
        means = apart.new_zeros(kinds, n_axes).index_add(0, kind, apart) / believed[:, None]
        looks = ((apart - means[kind]) * of_looks[kind]).sum(dim=1) * (len(values) / believed[kind])
        return of_shares[kind] - (of_shares * shares).sum() + looks

    def _kinds_of(
        self, values: Float[Tensor, "N D"]
    ) -> tuple[Float[Tensor, "N A"], Int[Tensor, " N"], Float[Tensor, " C"]]:
        """How each patch departs from its kind, the kind, and how many there are of each."""
        kinds, n_axes = self.used.tolist()
        placed = (values.float() - self.centre) @ self.axes[:, :n_axes]
        prototypes = self.prototypes[:kinds, :n_axes]
        kind = (placed @ prototypes.T - prototypes.square().sum(dim=1) / 2).argmax(dim=1)
        return placed - prototypes[kind], kind, torch.bincount(kind, minlength=kinds).to(placed)
