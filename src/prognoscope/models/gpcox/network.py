"""Slides, genes and covariates add up to a log hazard ratio, and slides and genes meet in one product.

Prognoscope's own method: a Cox model whose log hazard ratio is a Gaussian process.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import Kind
from prognoscope.models.gpcox.card import CARD
from prognoscope.models.gpcox.posterior import fit_posterior
from prognoscope.models.gpcox.slide_features import SlideFeatures
from prognoscope.models.layers.cox_fit import breslow_steps
from prognoscope.models.layers.cox_head import cause_logits, proportional_logits
from prognoscope.models.layers.flat_genes import FlatGenes

INFLUENCE = {
    "influence": Kind(
        "influence",
        "How much greater the patient's log hazard ratio would be if more of the slides looked like the patch.",
        "log hazard ratio per share of the slides",
    )
}
GENE_PART = {"part": Kind("gene_part", "What the genes of the group add to the log hazard ratio.", "log hazard ratio")}
FLAT = 1e-8  # deviation of what does not differ between patients
RIVAL = "rival_"  # before the names of the buffers of other events


@dataclass(frozen=True, slots=True)
class Regression:
    """The log hazard ratio of one kind of event, and its baseline: buffers of the model, filled by its fit."""

    weights: Tensor  # (F,)
    axes_of_product: Tensor  # (2, F), of slides and of genes
    level_of_product: Tensor
    weight_of_product: Tensor
    hazard_steps: Tensor  # (K,)


class GPCox(SurvivalModel):
    """A Gaussian-process Cox model with additive branches and an interaction.

    1. Patches of the training patients are cut into kinds of tissue, without outcomes; a patient's slides are the
       logarithm of the share of each kind, and its mean look. 2. Genes are their principal components: the leading
       ones are a block, those after them another.
    3. Covariates are themselves. 4. The log hazard ratio is a sum over these blocks, linear in each, with normal
    coefficients of one variance a block: a sum of linear kernels. 5. The variances make the evidence greatest, so a
    block that tells nothing is shrunk to nothing. 6. The product of what slides and genes add, each in units of its
    deviation, is one more block, and all are fitted again. 7. Survival is read off Breslow's baseline. 8. Where a
    patient lacks slides or genes, in training or later, their part is 0, the mean.

    Where other events compete, steps 4 to 7 are done once for the event and once for the others, on cause-specific
    hazards, and survival is one minus the cumulative incidence that both give.

    It takes what the cohort has, and a patient needs slides or genes. The risk is the log hazard ratio. Details:
    `parts` (P, 4), what slides, genes, covariates and the product add to it, zero where there are none. Explains with
    the influence of each patch, (T,), and of each gene group, (P, S).

    Args:
        embedding_dim: D, the length of a patch embedding; 0 without slides.
        group_sizes: Genes in each gene group; () without omics.
        n_clinical: Clinical covariates after encoding; 0 without any.
        n_bins: K, the number of time bins.
        gene_names: Columns of each gene group, by which a gene of two groups is known.
        kinds: Of tissue, at most.
        patch_axes: Principal axes of the patch embeddings.
        gene_axes: Leading principal components of the genes, at most.
        more_gene_axes: Components after these, at most.
        product: Whether slides and genes meet.
    """

    card = CARD
    patch_maps = INFLUENCE
    group_scores = GENE_PART
    gene_mean: Tensor
    gene_axes: Tensor
    centre: Tensor
    weights: Tensor
    hazard_steps: Tensor
    axes_of_product: Tensor
    level_of_product: Tensor
    weight_of_product: Tensor

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_clinical: int,
        n_bins: int,
        gene_names: tuple[tuple[str, ...], ...] = (),
        *,
        kinds: int = 8,
        patch_axes: int = 16,
        gene_axes: int = 20,
        more_gene_axes: int = 80,
        product: bool = True,
    ):
        super().__init__(embedding_dim=embedding_dim, group_sizes=group_sizes, n_clinical=n_clinical)
        if not self.profile.needs:
            raise ModelError("gpcox needs slides, genes or covariates, and the cohort has none of them.")
        self.slides = SlideFeatures(embedding_dim, kinds=kinds, axes=patch_axes) if embedding_dim else None
        self.genes = FlatGenes(group_sizes, gene_names) if sum(group_sizes) else None
        n_genes = 0 if self.genes is None else self.genes.n_genes
        self.register_buffer("gene_mean", torch.zeros(n_genes))
        self.register_buffer("gene_axes", torch.zeros(n_genes, min(gene_axes + more_gene_axes, n_genes)))
        n_slides = 0 if self.slides is None else self.slides.n_features
        n_shares, n_first = min(kinds, n_slides), min(gene_axes, n_genes)
        n_more = self.gene_axes.shape[1] - n_first
        self.blocks = (n_shares, n_slides - n_shares, n_first, n_more, n_clinical)  # columns of each
        self.parts = (n_slides, self.gene_axes.shape[1], n_clinical)
        self.has_product = product and self.slides is not None and self.genes is not None
        self.register_buffer("centre", torch.zeros(sum(self.blocks)))
        self._add_regression("", n_bins)
        self.seed = int(torch.randint(2**31, ()))  # for what is drawn in `fit`

    def take_causes(self, causes: int) -> None:
        super().take_causes(causes)
        if causes > 1:
            n_bins = len(self.hazard_steps) // causes
            for prefix in ("", RIVAL):
                self._add_regression(prefix, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        features, has_both = self._features(inputs), self._has(inputs).all(dim=1)
        parts = self._parts(features, has_both, self._regression())
        log_ratio = parts.sum(dim=1)
        if self.causes > 1:
            rival = self._regression(RIVAL)
            other = self._parts(features, has_both, rival).sum(dim=1)
            logits = cause_logits(log_ratio, self.hazard_steps, other, rival.hazard_steps)
            return Output(logits, details={"parts": parts})
        logits = proportional_logits(log_ratio, self.hazard_steps)
        return Output(logits, log_hazard_ratio=log_ratio, details={"parts": parts})

    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
        features, told = self._features(inputs), dict[str, Tensor]()
        n_slides, n_genes, _ = self.parts
        if self.slides is not None:
            genes = features @ self.axes_of_product[1:].T  # (P, 1)
            through = self.weight_of_product * genes * self.axes_of_product[0]
            slopes = self.weights + through * self._has(inputs).all(dim=1)[:, None]
            told["influence"] = self.slides.influence(inputs.bags, slopes[:, :n_slides])
        if self.genes is not None:
            slopes = self.gene_axes @ self.weights[n_slides : n_slides + n_genes]
            each = ((self.genes(inputs.omics) - self.gene_mean) * slopes).nan_to_num()
            told["gene_part"] = each.new_zeros(len(each), len(self.genes.group_sizes)).index_add(
                1, self.genes.group, each
            )
        return told

    def fit(self, target: Target, edges: Sequence[float], read: Callable[[Sequence[int]], Inputs]) -> None:
        """Find kinds of tissue and axes of genes, then the posterior mean and the baseline to it, of each cause."""
        omics: list[tuple[Tensor, ...]] = []

        def bags() -> Iterator[Tensor]:  # one at a time: no more memory than the longest takes
            for patient in range(len(target)):
                inputs = read([patient])
                omics.append(inputs.omics)
                yield inputs.bags.values

        if self.slides is not None:
            self.slides.fit(bags(), self.seed)
        elif self.genes is not None:
            omics.append(read(range(len(target))).omics)
        if self.genes is not None:
            self._fit_gene_axes(self.genes(tuple(torch.cat(groups) for groups in zip(*omics, strict=True))))
        features, has = [], []
        for patient in range(len(target)):
            inputs = read([patient])
            features.append(self._features(inputs))
            has.append(self._has(inputs))
        told, both = torch.cat(features).double().numpy(), torch.cat(has).numpy()
        time = target.time.double().numpy()
        self._fit_weights(told, both, time, target.event.numpy(), edges, self._regression())
        if target.competing is not None:
            self._fit_weights(told, both, time, target.competing.numpy(), edges, self._regression(RIVAL))

    def _fit_weights(
        self,
        features: Float[np.ndarray, "P F"],
        has: Bool[np.ndarray, "P 2"],
        time: Float[np.ndarray, " P"],
        event: Bool[np.ndarray, " P"],
        edges: Sequence[float],
        into: Regression,
    ) -> None:
        """Fill the regression of one kind of event, and the centre, which is the same for all kinds."""
        columns = np.split(np.arange(features.shape[1]), np.cumsum(self.blocks)[:-1])
        everybody = np.ones(len(has), dtype=bool)
        centre, scale, blocks = np.zeros(features.shape[1]), np.ones(features.shape[1]), dict[int, np.ndarray]()
        for number, rows in enumerate((has[:, 0], has[:, 0], has[:, 1], has[:, 1], everybody)):
            own = columns[number]
            if not len(own) or not rows.any():
                continue
            centre[own] = features[rows][:, own].mean(axis=0)
            apart = (features[:, own] - centre[own]) * rows[:, None]
            scale[own] = np.sqrt(np.square(apart[rows]).sum(axis=1).mean()) or 1.0
            if np.abs(apart).max() > FLAT:
                blocks[number] = apart / scale[own]
        self.centre.copy_(torch.from_numpy(centre))
        linear, weights = np.zeros(len(features)), np.zeros(features.shape[1])
        if blocks and event.any():
            placed = np.concatenate([columns[number] for number in blocks])
            shown = list(blocks.values())
            weights[placed] = fit_posterior(shown, time, event).mean
            product = self._start_product(features - centre, has[:, 0] & has[:, 1], weights / scale, into)
            if product is not None:
                shown.append(product[:, None])
                found = fit_posterior(shown, time, event).mean
                weights[placed] = found[:-1]
                into.weight_of_product.mul_(found[-1])
                linear += product * found[-1]
            linear += np.concatenate(list(blocks.values()), axis=1) @ weights[placed]
        into.weights.copy_(torch.from_numpy(weights / scale))
        ratio, months, events = map(torch.from_numpy, (linear, time, event))
        into.hazard_steps.copy_(breslow_steps(ratio, months, events, edges))

    def _start_product(
        self,
        apart: Float[np.ndarray, "P F"],
        has_both: Bool[np.ndarray, " P"],
        weights: Float[np.ndarray, " F"],
        into: Regression,
    ) -> Float[np.ndarray, " P"] | None:
        """The product of what slides and genes add, each in units of its deviation; None where one adds nothing.

        It is 0 for a patient without both, and its mean square is 1 over the others.
        """
        n_slides, n_genes, _ = self.parts
        if not self.has_product or not has_both.any():
            return None
        axes = np.zeros((2, len(weights)))
        axes[0, :n_slides], axes[1, n_slides : n_slides + n_genes] = np.split(weights[: n_slides + n_genes], [n_slides])
        deviations = (apart[has_both] @ axes.T).std(axis=0)
        if deviations.min() < FLAT:
            return None
        axes /= deviations[:, None]
        product = (apart @ axes.T).prod(axis=1) * has_both
        level = product[has_both].mean()
        scale = product[has_both].std()
        into.axes_of_product.copy_(torch.from_numpy(axes))
        into.level_of_product.fill_(level)
        into.weight_of_product.fill_(1 / scale)
        return (product - level) / scale * has_both

    def _fit_gene_axes(self, genes: Float[Tensor, "P G"]) -> None:
        genes = genes[~genes.isnan().any(dim=1)].double()
        self.gene_mean.copy_(genes.mean(dim=0))
        axes = torch.linalg.svd(genes - genes.mean(dim=0), full_matrices=False).Vh.T
        axes = axes[:, : self.gene_axes.shape[1]]
        self.gene_axes[:, : axes.shape[1]] = (axes * axes.sum(dim=0).sign()).float()  # its sign means nothing

    def _features(self, inputs: Inputs) -> Float[Tensor, "P F"]:
        """Of slides, genes and covariates, from their means; zero where a patient has none."""
        has, told = self._has(inputs), []
        if self.slides is not None:
            told.append((self.slides(inputs.bags) - self.centre[: self.parts[0]]) * has[:, :1])
        if self.genes is not None:
            told.append(((self.genes(inputs.omics) - self.gene_mean) @ self.gene_axes).nan_to_num())
        if inputs.clinical is not None and self.parts[2]:
            told.append(inputs.clinical - self.centre[-self.parts[2] :])
        return torch.cat(told, dim=1)

    def _has(self, inputs: Inputs) -> Bool[Tensor, "P 2"]:
        """Whether each patient has slides, and genes."""
        slides = inputs.bags.lengths > 0
        lacks_genes = [group.isnan().any(dim=1) for group in inputs.omics] or [torch.ones_like(slides)]
        genes = ~torch.stack(lacks_genes).any(dim=0)
        return torch.stack([slides.to(genes.device), genes], dim=1)

    def _parts(
        self, features: Float[Tensor, "P F"], has_both: Bool[Tensor, " P"], of: Regression
    ) -> Float[Tensor, "P 4"]:
        """What slides, genes, covariates and the product add to a log hazard ratio."""
        sums = [part.sum(dim=1) for part in (features * of.weights).split(self.parts, dim=1)]
        slides, genes = (features @ of.axes_of_product.T).unbind(dim=1)
        product = of.weight_of_product * (slides * genes - of.level_of_product) * has_both
        return torch.stack([*sums, product], dim=1)

    def _add_regression(self, prefix: str, n_bins: int) -> None:
        """Buffers of the log hazard ratio of one kind of event."""
        n_features = sum(self.blocks)
        self.register_buffer(f"{prefix}weights", torch.zeros(n_features))
        self.register_buffer(f"{prefix}hazard_steps", torch.full((n_bins,), 1 / n_bins))
        self.register_buffer(f"{prefix}axes_of_product", torch.zeros(2, n_features))
        self.register_buffer(f"{prefix}level_of_product", torch.zeros(()))
        self.register_buffer(f"{prefix}weight_of_product", torch.zeros(()))

    def _regression(self, prefix: str = "") -> Regression:
        return Regression(**{field.name: self.get_buffer(f"{prefix}{field.name}") for field in fields(Regression)})
