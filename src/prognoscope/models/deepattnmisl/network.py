"""Patches grouped into phenotypes by K-means, a vector for each phenotype, and attention over these.

DeepAttnMISL. Yao et al.: Whole slide images based cancer survival prediction using attention guided deep multiple
instance learning networks. Medical Image Analysis 2020.
"""

import warnings
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.losses import cox_loss
from prognoscope.models.base import Reading, SurvivalModel
from prognoscope.models.deepattnmisl.card import CARD
from prognoscope.models.deepattnmisl.variants import check_counts, settled
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.cox_head import BaselineHazard, ratio_of
from prognoscope.models.layers.kmeans import RememberedClusters, kmeans, spread_start, squared_distances
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.layers.starting_points import given_or_random

CENTRES = "The centres of deepattnmisl have"
SEED, MOST_ROUNDS = 2021, 20  # of K-means, as in the notebook of the released code


class DeepAttnMISL(SurvivalModel):
    """K phenotypes, each the mean of its encoded patches, pooled by attention.

    `variant="released"`, the version with hazards that the survival tables compare with: an encoder for each phenotype,
    so phenotypes must mean the same in every patient. K-means is therefore fitted once, to a sample of the training
    patients' patches, in `before_training`; its centres are buffers, at first random as the weights are. Patches go
    through one product for each phenotype, whatever the number of patients. `variant="original"`, the authors' own: a
    small shared encoder, K-means of each bag by itself, and Cox's loss, so the risk is the log hazard ratio; hazards
    follow from a baseline that is learned beside it. Linear in T.

    Explains with `attention`: "clusters" (P, K), over phenotypes; "patches" (T,), that of a patch's own phenotype,
    scaled to sum to 1. Details: `cluster_id` (T,); `cluster_sizes` (P, K); `cluster_logits` (P, K) of the attention;
    `clusters` (P, K, H), the phenotypes' vectors; `embedding` (P, H). K counts phenotypes here.

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: The number of time bins.
        variant: "released" or "original": sets every option below that is None.
        num_clusters: K.
        shared_encoder: One encoder for all phenotypes; always so in the original.
        mask_empty: Whether a patient's empty phenotypes are left out of the attention, or, as released, take part with
            the zero vector; always left out in the original.
        sample_per_patient: Patches of a training patient that K-means is fitted to, at most; of the released variant.
        centres: What the centres are, (K, D), instead of fitting them; of the released variant, from Python alone.
        hidden_dim: H, the width of an encoded patch.
        attention_dim: The width of the attention's branches and of the layer before the prediction.
        dropout: Rate; everywhere, or, in the original, before the prediction alone.
    """

    card = CARD
    centres: Tensor

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        variant: str = "released",
        num_clusters: int = 10,
        shared_encoder: bool | None = None,
        mask_empty: bool | None = None,
        sample_per_patient: int = 200,
        centres: Tensor | None = None,
        hidden_dim: int | None = None,
        attention_dim: int | None = None,
        dropout: float | None = None,
    ):
        super().__init__(variant=variant)
        chosen = settled(
            variant,
            centres is not None,
            hidden_dim=hidden_dim,
            attention_dim=attention_dim,
            dropout=dropout,
            shared_encoder=shared_encoder,
            mask_empty=mask_empty,
        )
        check_counts(num_clusters=num_clusters, sample_per_patient=sample_per_patient)
        self.num_clusters, self.sample_per_patient = num_clusters, sample_per_patient
        self.mask_empty, self.is_original = chosen["mask_empty"], variant == "original"
        hidden, width, rate = chosen["hidden_dim"], chosen["attention_dim"], chosen["dropout"]
        n_encoders = 1 if chosen["shared_encoder"] else num_clusters
        if self.is_original:
            self.encoders = nn.ModuleList([nn.Sequential(nn.Linear(embedding_dim, hidden), nn.ReLU())])
            self.project = nn.Identity()
            self.attend = nn.Sequential(nn.Linear(hidden, width), nn.Tanh(), nn.Linear(width, 1), nn.Flatten(0))
            self.narrow = ReLULayers(hidden, width, dropout=rate)
            self.head = nn.Linear(width, 1)
            self.baseline = BaselineHazard(n_bins)
            self.own_clusters = RememberedClusters(num_clusters, "farthest")
            return
        self.encoders = nn.ModuleList(
            ReLULayers(embedding_dim, hidden, hidden, dropout=rate) for _ in range(n_encoders)
        )
        self.project = ReLULayers(hidden, hidden, dropout=rate)
        self.attend = GatedAttention(hidden, width, rate)
        self.narrow = ReLULayers(hidden, width, dropout=rate)
        self.head = nn.Linear(width, n_bins)
        self.register_buffer("centres", given_or_random(centres, num_clusters, embedding_dim, CENTRES))
        self.is_told_centres = centres is not None and not centres.isnan().any()

    def forward(self, inputs: Inputs) -> Output:
        return self.concluded(self.read(inputs))

    def predict(self, inputs: Inputs, cluster: Int[Tensor, " T"]) -> Output:
        """The prediction for patches of these phenotypes."""
        return self.concluded(self.pool(inputs, cluster))

    def read(self, inputs: Inputs) -> Reading:
        """The phenotypes' vectors, pooled."""
        inputs.bags.need_patches("deepattnmisl")
        return self.pool(inputs, self.cluster(inputs.bags))

    def judge(self, vector: Float[Tensor, "P H"]) -> Output:
        predicted = self.head(self.narrow(vector))
        if not self.is_original:
            return Output(predicted)
        return Output(self.baseline(predicted[:, 0]), predicted[:, 0])

    @torch.no_grad()
    def cluster(self, bags: Bags) -> Int[Tensor, " T"]:
        """Each patch's phenotype, 0 to K - 1.

        Raises:
            ModelError: The model came from published weights, which have no centres, and was given none.
        """
        if self.is_original:
            return self.own_clusters(bags)[1]
        if not self.training and self.centres.isnan().any():  # training would wait for the device
            raise ModelError(
                "deepattnmisl does not know its clusters: published weights come without them. Give their means as "
                "centres=..., (K, D), or call before_training with all training patients."
            )
        return squared_distances(_as_one(bags.values), self.centres[None]).min(dim=0).indices

    def pool(self, inputs: Inputs, cluster: Int[Tensor, " T"]) -> Reading:
        """The same for patches of these phenotypes."""
        bags, n, k = inputs.bags, len(inputs.bags), self.num_clusters
        place = cluster * n + bags.owner  # phenotype by phenotype, patient by patient in each
        sizes = torch.bincount(place, minlength=k * n).cpu()  # the one wait for a device
        means = self._means(bags.values, place.argsort(stable=True), sizes.view(k, n))
        sizes = sizes.view(k, n).T.to(means.device, non_blocking=True)
        clusters = self.project(means)
        logits = self.attend(clusters.flatten(0, 1)).view(n, k)
        masked = logits.masked_fill(sizes == 0, -torch.inf) if self.mask_empty else logits
        weights = masked.softmax(dim=1, dtype=torch.promote_types(logits.dtype, torch.float32))
        embedding = (weights[:, None].to(clusters.dtype) @ clusters)[:, 0]
        of_patch = weights[bags.owner, cluster]
        attention = {"clusters": weights, "patches": of_patch / bags.sum(of_patch)[bags.owner]}
        details = {
            "cluster_id": cluster,
            "cluster_sizes": sizes,
            "cluster_logits": logits,
            "clusters": clusters,
            "embedding": embedding,
        }
        return Reading(embedding, attention, details)

    def _means(
        self, values: Float[Tensor, "T D"], order: Int[Tensor, " T"], sizes: Int[Tensor, "K P"]
    ) -> Float[Tensor, "P K H"]:
        """The mean of each patient's encoded patches in each phenotype, zero without any.

        A phenotype at a time, so that what is done to its patches stays in a processor's cache.
        """
        encoders = [*self.encoders] * (self.num_clusters // len(self.encoders))
        means = []
        for encode, rows, lengths in zip(encoders, order.split(sizes.sum(dim=1).tolist()), sizes, strict=True):
            if len(rows):
                encoded = encode(values.index_select(0, rows))
                means.append(Bags(encoded, lengths).mean(encoded))
            else:
                means.append(None)
        nothing = torch.zeros_like(next(mean for mean in means if mean is not None))
        return torch.stack([nothing if mean is None else mean for mean in means], dim=1)

    def why_one_cause(self) -> str:
        why = super().why_one_cause()
        return why and f"{why}; set variant: released"

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        """The likelihood in discrete time; of the original variant Cox's, among the patients at hand."""
        if self.is_original:
            return cox_loss(ratio_of(output), target)
        return super().survival_loss(output, target, alpha=alpha)

    def before_training(self, target: Target, read: Callable[[Sequence[int]], Inputs]) -> None:
        """Fit the centres to a sample of the patients' patches; in the original variant, start the baseline."""
        if self.is_original:
            self.baseline.start(target)
        elif not self.is_told_centres:
            generator = torch.Generator().manual_seed(SEED)
            bags = (read([i]).bags.values for i in range(len(target)))
            sample = torch.cat([_sampled(each, self.sample_per_patient, generator) for each in bags])
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "K-means of a bag did not settle")
                start = spread_start(sample, self.num_clusters, SEED)[None]
                found = kmeans(_as_one(sample), start, most_rounds=MOST_ROUNDS)
            self.centres.copy_(found.centres[0])

    def to_remember(self, output: Output, target: Target) -> dict[str, Tensor]:
        return self.baseline.told(ratio_of(output), target) if self.is_original else {}

    def remember(self, kept: dict[str, Tensor]) -> None:
        """Let the baseline follow the original variant's log hazard ratios."""
        self.baseline.follow(kept)


def _as_one(values: Float[Tensor, "T D"]) -> Bags:
    """The patches of all patients as one bag."""
    return Bags(values, torch.tensor([len(values)]))


def _sampled(bag: Float[Tensor, "N D"], most: int, generator: torch.Generator) -> Float[Tensor, "_ D"]:
    return bag[torch.randperm(len(bag), generator=generator)[:most].sort().values].float()
