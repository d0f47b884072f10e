"""Each patient's patches in random groups, through a network group by group, and one prediction of them all."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from prognoscope.core.bags import Bags
from prognoscope.models.layers.precision import at_least_float32


def draw_groups(lengths: Int[Tensor, " P"], size: int, *, fixed: bool) -> Int[Tensor, " T"]:
    """The number, from 0 within a patient, of each patch's group; as few near-equal groups of at most `size` as can be.

    Args:
        fixed: Whether the same number of patches always gives the same groups, whoever else is in the batch; else they
            come from torch's generator.
    """
    groups = []
    for n in lengths.tolist():
        generator = torch.Generator().manual_seed(0) if fixed else None
        groups.append((torch.randperm(n, generator=generator) * -(-n // size)) // max(n, 1))
    return torch.cat(groups)


@dataclass(frozen=True, slots=True)
class MicroBatches:
    """Q groups of the patches of P patients."""

    order: Int[Tensor, " T"]  # patches, group by group
    lengths: Int[Tensor, " Q"]  # patches of each group, on the CPU
    per_patient: Int[Tensor, " P"]  # groups of each patient, on the CPU

    @classmethod
    def of(cls, lengths: Int[Tensor, " P"], group: Int[Tensor, " T"]) -> "MicroBatches":
        """From the lengths of bags and each patch's group, both on the CPU; a group without a patch is none."""
        patient = torch.arange(len(lengths)).repeat_interleave(lengths)
        both = patient * (int(group.max()) + 1) + group
        kinds, counts = both.unique(return_counts=True)  # sorted
        per_patient = torch.bincount(kinds // (int(group.max()) + 1), minlength=len(lengths))
        return cls(both.argsort(stable=True), counts, per_patient)

    @property
    def patient(self) -> Int[Tensor, " Q"]:
        """Whose each group is."""
        return torch.arange(len(self.per_patient)).repeat_interleave(self.per_patient)

    def take(self, patches: Bags) -> Bags:
        """The groups as if each were a patient."""
        return Bags(patches.values[self.order.to(patches.values.device)], self.lengths)

    def put_back(self, values: Float[Tensor, "T *rest"]) -> Float[Tensor, "T *rest"]:
        """Values of the groups' patches in the order of the bags."""
        return torch.empty_like(values).index_copy(0, self.order.to(values.device), values)

    def logits(self, logits: Float[Tensor, "Q K"]) -> Float[Tensor, "P K"]:
        """The logits of hazards whose survival is the mean of the survival of a patient's groups."""
        logits = at_least_float32(logits)
        after = F.logsigmoid(-logits).cumsum(dim=1)
        before = F.pad(after[:, :-1], (1, 0))
        return self._log_sum(before + F.logsigmoid(logits)) - self._log_sum(after)

    def mean(self, values: Float[Tensor, " Q"]) -> Float[Tensor, " P"]:
        """The mean over the groups of each patient."""
        return Bags(values[:, None], self.per_patient).mean(values)

    def _log_sum(self, values: Float[Tensor, "Q K"]) -> Float[Tensor, "P K"]:
        groups = Bags(values, self.per_patient)
        largest = groups.max(values.detach())
        return largest + groups.sum((values - largest[groups.owner]).exp()).log()
