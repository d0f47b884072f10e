"""A network that sees few numbers of the genes, and now and then one modality alone.

Neverova et al.: ModDrop: adaptive multi-modal gesture recognition. TPAMI 2016 (modalities are dropped in training).
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from prognoscope.core.bags import Bag, Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.models.balanced.profile import balanced_profile
from prognoscope.models.base import Reading, SurvivalModel
from prognoscope.models.explained import Explained

COMPONENTS = 4  # of each gene group, at most
DROPPED = 1 / 3  # of the training patients of a step are seen without genes, as many others without slides


class GroupComponents(nn.Module):
    """The leading principal components of each gene group, in units of the first one's deviation.

    A patient without genes has zeros, the mean.
    """

    def __init__(self, group_sizes: Sequence[int]):
        super().__init__()
        self.widths = tuple(min(COMPONENTS, size) for size in group_sizes)
        for number, (size, width) in enumerate(zip(group_sizes, self.widths, strict=True)):
            self.register_buffer(f"mean_{number}", torch.zeros(size))
            self.register_buffer(f"axes_{number}", torch.eye(size)[:, :width])

    def fit(self, omics: tuple[Float[Tensor, "P _"], ...]) -> None:
        """Of training patients; those without genes are passed over."""
        for number, group in enumerate(omics):
            values = group[~group.isnan().any(dim=1)].double()
            if len(values) < 2:
                continue
            mean, axes = self._of(number)
            mean.copy_(values.mean(dim=0))
            _, lengths, found = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
            found = found[: axes.shape[1]].T
            deviation = (lengths[0] / len(values) ** 0.5).clamp(min=1e-6)
            axes.zero_()[:, : found.shape[1]] = (found * found.sum(dim=0).sign() / deviation).float()

    def forward(self, omics: tuple[Float[Tensor, "P _"], ...]) -> tuple[Float[Tensor, "P _"], ...]:
        """The components of each group."""
        told = ((group - self._of(number)[0]) @ self._of(number)[1] for number, group in enumerate(omics))
        return tuple(each.nan_to_num() for each in told)

    def _of(self, number: int) -> tuple[Tensor, Tensor]:
        return self.get_buffer(f"mean_{number}"), self.get_buffer(f"axes_{number}")


class Balanced(SurvivalModel):
    """Any network of slides, genes or both, under `recipe: balanced`.

    Of each gene group it sees the leading components of the training patients. In training a third of the patients is
    seen without genes and a third without slides: components are then zero, and the mean patch of the training
    patients stands for the bag. So each side learns to predict alone, and a patient who lacks one is predicted from the
    other.

    What it says, explains and loses is what its network says; gradients reach single genes through the components.

    Args:
        model: The network, made for as many genes in each group as `GroupComponents` has.
        group_sizes: Genes in each gene group; () where the network reads none.
    """

    mean_patch: Tensor

    def __init__(self, name: str, model: SurvivalModel, components: GroupComponents, embedding_dim: int):
        nn.Module.__init__(self)
        self.component_names = model.component_names
        self.profile = balanced_profile(name, model.profile)
        self.model, self.components = model, components
        self.register_buffer("mean_patch", torch.zeros(embedding_dim))

    def why_one_cause(self) -> str:
        return self.model.why_one_cause()

    def take_causes(self, causes: int) -> None:
        super().take_causes(causes)
        self.model.take_causes(causes)

    def forward(self, inputs: Inputs) -> Output:
        return self.model(self._seen(inputs))

    def explain(self, inputs: Inputs) -> Explained:
        return self.model.explain(self._seen(inputs))

    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
        return self.model.stages(self._seen(inputs))

    def read(self, inputs: Inputs) -> Reading:
        return self.model.read(self._seen(inputs))

    def judge(self, vector: Float[Tensor, "P _"]) -> Output:
        return self.model.judge(vector)

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        return self.model.survival_loss(output, target, alpha=alpha)

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        return self.model.extra_losses(output, target, alpha=alpha)

    def before_training(self, target: Target, read: Callable[[Sequence[int]], Inputs]) -> None:
        genes, means = [], []
        for patient in range(len(target)):  # one bag at a time
            inputs = read([patient])
            genes.append(inputs.omics)
            if len(inputs.bags.values):
                means.append(inputs.bags.values.float().mean(dim=0))
        if "omics" in self.profile.needs:
            self.components.fit(tuple(torch.cat(groups) for groups in zip(*genes, strict=True)))
        if "bag" in self.profile.needs:
            self.mean_patch.copy_(torch.stack(means).mean(dim=0))
        self.model.before_training(target, lambda rows: self._seen(read(rows)))

    def to_remember(self, output: Output, target: Target) -> dict[str, Tensor]:
        return self.model.to_remember(output, target)

    def remember(self, kept: dict[str, Tensor]) -> None:
        self.model.remember(kept)

    def _seen(self, inputs: Inputs) -> Inputs:
        """What the network is shown of these patients."""
        bags, omics = inputs.bags, inputs.omics
        has_both = {"bag", "omics"} <= self.profile.needs
        without_genes, without_slides = self._dropped(len(inputs), omics[0] if omics else inputs.bags.values, has_both)
        if "omics" in self.profile.needs:
            omics = tuple(torch.where(without_genes[:, None], 0.0, group) for group in self.components(omics))
        if "bag" in self.profile.needs:
            without_slides = without_slides.cpu() | (bags.lengths == 0)
            if without_slides.any():
                bags = self._with_mean_patch(bags, without_slides)
        return Inputs(bags, omics, inputs.clinical)

    def _dropped(self, count: int, like: Tensor, has_both: bool) -> tuple[Bool[Tensor, " P"], Bool[Tensor, " P"]]:
        """Who is seen without genes, and who without slides; nobody without both."""
        if not self.training or not has_both:
            nobody = torch.zeros(count, dtype=torch.bool, device=like.device)
            return nobody, nobody
        drawn = torch.rand(count, device=like.device)
        return drawn < DROPPED, drawn > 1 - DROPPED

    def _with_mean_patch(self, bags: Bags, without: Bool[Tensor, " P"]) -> Bags:
        mean = self.mean_patch.to(bags.values)[None]
        coords = None if bags.coords is None else bags.coords.new_zeros(1, 2)
        each = zip(bags.each(), without.tolist(), strict=True)
        return Bags.pack([Bag(mean, coords) if lacks else Bag(own.values, own.coords) for own, lacks in each])
