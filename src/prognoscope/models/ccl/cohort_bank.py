"""Earlier patients of each survival group, and the loss that compares a patient with them.

Zhou et al. (CCL), IEEE TMI 2024, eq. 5.
"""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from prognoscope.models.layers.precision import at_least_float32

Order = Literal["loss_first", "push_first"]
NOBODY = -1  # the number of an unknown patient


class Neighbours(NamedTuple):
    """Who of M entries a patient should resemble, and who not."""

    positive: Bool[Tensor, "P M"]
    negative: Bool[Tensor, "P M"]


class CohortBank(nn.Module):
    """A queue of the components of the last patients of each group, in buffers, so that a checkpoint holds it.

    Args:
        groups: r, survival groups; group 0 dies first.
        length: b, patients remembered in each.
        shape: Of what is remembered of a patient, (Q, d).
    """

    entries: Tensor
    patients: Tensor
    pushed: Tensor

    def __init__(self, groups: int, length: int, shape: tuple[int, int]):
        super().__init__()
        self.register_buffer("entries", torch.zeros(groups, length, *shape))
        self.register_buffer("patients", torch.full((groups, length), NOBODY))
        self.register_buffer("pushed", torch.zeros(groups, dtype=torch.int64))  # ever; place i holds number i modulo b

    @property
    def length(self) -> int:
        return self.entries.shape[1]

    def queue(self, group: int) -> Float[Tensor, "n Q d"]:
        """The entries of a group, the oldest first."""
        pushed = int(self.pushed[group])
        numbers = torch.arange(max(pushed - self.length, 0), pushed, device=self.entries.device)
        return self.entries[group, numbers % self.length]

    @torch.no_grad()
    def push(self, components: Float[Tensor, "P Q d"], group: Int[Tensor, " P"], patient: Int[Tensor, " P"]) -> None:
        """Append patients to the queues of their groups, one after another."""
        # places as rows of one, since a device is waited for where a number of its own is an index
        for one, of, number in zip(components.split(1), group.split(1), patient.split(1), strict=True):
            place = self.pushed[of] % self.length
            self.entries[of, place] = one.to(self.entries.dtype)
            self.patients[of, place] = number
            self.pushed[of] += 1

    def neighbours(
        self, group: Int[Tensor, " P"], event: Bool[Tensor, " P"], patient: Int[Tensor, " P"], order: Order
    ) -> Neighbours:
        """Positives and negatives among the r * b entries.

        After an event the own group is positive and all others negative; a censored patient may still have belonged
        to any later group, so those are positive too, and only earlier ones negative.

        Args:
            order: "loss_first": the bank holds earlier patients; an entry of the patient itself is no neighbour.
                "push_first": as if the patient had been pushed already and had displaced the oldest of a full queue.
        """
        n_groups, length = self.patients.shape
        of = torch.arange(n_groups, device=group.device)
        own = of == group[:, None]
        positive = torch.where(event[:, None], own, of >= group[:, None])
        place = torch.arange(length, device=group.device)
        filled = (place < self.pushed[:, None]).expand(len(group), -1, -1)
        if order == "push_first":
            oldest = (place == self.pushed[:, None] % length) & own[:, :, None]
            filled = filled & ~oldest  # of a queue that is not full, the oldest is the place that is free
        else:
            filled = filled & ~((self.patients == patient[:, None, None]) & (patient != NOBODY)[:, None, None])
        sets = (filled & positive[:, :, None], filled & ~positive[:, :, None])
        return Neighbours(*(each.flatten(1) for each in sets))


def cohort_loss(
    components: Float[Tensor, "P Q d"],
    entries: Float[Tensor, "M Q d"],
    neighbours: Neighbours,
    *,
    with_itself: Bool[Tensor, " P"] | None = None,
    pool: Literal["component", "joint"] = "component",
    reduction: Literal["mean", "sum"] = "mean",
    similarity: Literal["elementwise", "cosine"] = "elementwise",
    temperature: float = 2.0,
) -> Float[Tensor, " P"]:
    """How much of a patient's similarity to others goes to negatives, in nats, computed on logarithms.

    -log(A / (A + B)), A and B the similarities to positives and negatives; zero for a patient who lacks either.

    Args:
        with_itself: Whose own components, as they are now, are one more positive.
        pool: A and B are sums over entries, one loss a "component"; or one "joint" loss of means over entries and
            components, where the numbers of entries cancel.
        reduction: The "mean" of the components' losses, or their "sum"; a joint loss is one.
        similarity: The mean over features of exp(product / temperature), or exp(cosine / temperature).
    """
    z, others = at_least_float32(components)[:, None], entries[None]
    positive, negative = neighbours
    likeness = _log_similarity(z, others, similarity, temperature)
    if with_itself is not None:
        of_itself = _log_similarity(z, z.detach(), similarity, temperature)
        likeness = torch.cat([likeness, of_itself], dim=1)
        positive = torch.cat([positive, with_itself[:, None]], dim=1)
        negative = F.pad(negative, (0, 1))
    is_taught = positive.any(dim=1) & negative.any(dim=1)
    positive, negative = (each | ~is_taught[:, None] for each in (positive, negative))  # finite where it is not used
    a, b = (likeness.masked_fill(~each[:, :, None], -torch.inf) for each in (positive, negative))
    if pool == "component":
        a, b = a.logsumexp(dim=1), b.logsumexp(dim=1)
        of_components = torch.logaddexp(a, b) - a
        loss = of_components.mean(dim=1) if reduction == "mean" else of_components.sum(dim=1)
    else:
        of_each = components.shape[1]
        a = a.flatten(1).logsumexp(dim=1) - (of_each * positive.sum(dim=1)).log()
        b = b.flatten(1).logsumexp(dim=1) - (of_each * negative.sum(dim=1)).log()
        loss = torch.logaddexp(torch.logaddexp(a, b), a.new_tensor(1e-10).log()) - a
    return torch.where(is_taught, loss, 0.0)


def _log_similarity(z: Tensor, others: Tensor, similarity: str, temperature: float) -> Float[Tensor, "P M Q"]:
    if similarity == "cosine":
        return F.cosine_similarity(z, others, dim=-1) / temperature
    return (z * others / temperature).logsumexp(dim=-1) - math.log(z.shape[-1])
