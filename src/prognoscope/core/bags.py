"""The patches of several patients, packed end to end, and the sums, maxima and softmaxes within each patient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from prognoscope.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Bag:
    """One patient alone."""

    values: Float[Tensor, "N D"]  # an embedding per patch
    coords: Float[Tensor, "N 2"] | None = None  # um from the slide's top left corner; None where unknown


@dataclass(frozen=True, slots=True)
class Bags:
    """The bags of P patients, packed end to end: no padding, so none to forget.

    `lengths` stays on the CPU wherever the values are: lengths are shapes, and reading them must not wait for a device.
    """

    values: Float[Tensor, "T D"]
    lengths: Int[Tensor, " P"]  # on the CPU
    coords: Float[Tensor, "T 2"] | None = None

    def __post_init__(self):
        if self.lengths.device.type != "cpu":
            object.__setattr__(self, "lengths", self.lengths.cpu())
        if (total := int(self.lengths.sum())) != len(self.values):
            raise InputError(f"The lengths of the bags add up to {total}, but there are {len(self.values)} patches.")

    def __len__(self) -> int:
        return len(self.lengths)

    @classmethod
    def pack(cls, bags: Sequence[Bag]) -> "Bags":
        """The bags end to end; coordinates are kept only if every bag has them."""
        lengths = torch.tensor([len(bag.values) for bag in bags], dtype=torch.int64)
        coords = [bag.coords for bag in bags if bag.coords is not None]
        known = len(coords) == len(bags)
        return cls(torch.cat([bag.values for bag in bags]), lengths, torch.cat(coords) if known else None)

    @property
    def owner(self) -> Int[Tensor, " T"]:
        """The position, 0 to P - 1, of the patient that each patch belongs to."""
        return self._spread(torch.arange(len(self)))

    @property
    def starts(self) -> Int[Tensor, " P"]:
        """The row of each patient's first patch."""
        return (self.lengths.cumsum(0) - self.lengths).to(self.values.device)

    def need_patches(self, method: str) -> None:
        """Refuse bags without a patch, of which the method would make numbers that mean nothing.

        Raises:
            InputError: There is such a bag.
        """
        if lacking := int((self.lengths == 0).sum()):
            raise InputError(
                f"{lacking} of {len(self)} patients have no patches. Leave them out: {method} needs slides."
            )

    def replace(self, values: Float[Tensor, "T _"]) -> "Bags":
        """The same patients and places with other values."""
        return Bags(values, self.lengths, self.coords)

    def to(self, *args, **kwargs) -> "Bags":
        """The same bags on another device or in another floating type; coordinates keep their type."""
        values = self.values.to(*args, **kwargs)
        coords = None if self.coords is None else self.coords.to(values.device)
        return Bags(values, self.lengths, coords)

    def sum(self, values: Float[Tensor, "T *rest"]) -> Float[Tensor, "P *rest"]:
        """The sum over each patient's patches, in at least float32; zero for an empty bag."""
        values = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
        if len(self) == 1:
            return values.sum(dim=0, keepdim=True)
        return values.new_zeros(len(self), *values.shape[1:]).index_add(0, self.owner, values)

    def mean(self, values: Float[Tensor, "T *rest"]) -> Float[Tensor, "P *rest"]:
        """The mean over each patient's patches; zero for an empty bag."""
        total = self.sum(values)
        counts = self.lengths.clamp(min=1).to(total.device, total.dtype)
        return total / counts.view(-1, *[1] * (total.ndim - 1))

    def weighted_sum(self, weights: Float[Tensor, "T C"], values: Float[Tensor, "T H"]) -> Float[Tensor, "P C H"]:
        """For each patient and each column of weights, the weighted sum of its values: one product a patient."""
        parts = zip(self.split(weights), self.split(values), strict=True)
        return torch.stack([weight.T @ value for weight, value in parts])

    def max(self, values: Float[Tensor, "T *rest"]) -> Float[Tensor, "P *rest"]:
        """The largest value of each patient; -inf for an empty bag."""
        if len(self) == 1 and len(values):
            return values.amax(dim=0, keepdim=True)
        owner = self.owner.view(-1, *[1] * (values.ndim - 1)).expand_as(values)
        lowest = values.new_full((len(self), *values.shape[1:]), -torch.inf)
        return lowest.scatter_reduce(0, owner, values, "amax")

    def argmax(self, values: Float[Tensor, "T *rest"]) -> Int[Tensor, "P *rest"]:
        """The row, among all T, of each patient's largest value; the first of equals. Every bag must have a patch."""
        values = values.detach()
        rows = torch.arange(len(values), device=values.device).view(-1, *[1] * (values.ndim - 1)).expand_as(values)
        rows = rows.where(values == self.max(values)[self.owner], len(values))
        owner = self.owner.view(-1, *[1] * (values.ndim - 1)).expand_as(values)
        last = rows.new_full((len(self), *values.shape[1:]), len(values))
        return last.scatter_reduce(0, owner, rows, "amin")

    def softmax(self, logits: Float[Tensor, "T *rest"]) -> Float[Tensor, "T *rest"]:
        """The softmax over each patient's patches, in at least float32: sums to 1 within every patient."""
        logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        if len(self) == 1:
            return logits.softmax(dim=0)
        owner = self.owner
        weights = (logits - self.max(logits.detach())[owner]).exp()
        return weights / self.sum(weights)[owner]

    def topk(self, scores: Float[Tensor, " T"], k: int) -> Int[Tensor, "P k"]:
        """The rows, among all T, of each patient's k largest scores, descending, ties to the lower row; -1 beyond N."""
        descending = scores.detach().sort(descending=True, stable=True).indices
        within = descending[self.owner[descending].sort(stable=True).indices]  # patient by patient, best first
        rank = torch.arange(k, device=scores.device)
        place = self.starts[:, None] + rank
        present = rank < self.lengths.to(scores.device)[:, None]
        if not len(within):
            return torch.full_like(place, -1)
        return within[place.clamp(max=len(within) - 1)].where(present, -1)

    def take(self, patients: Sequence[int]) -> "Bags":
        """The bags of the patients at these positions."""
        rows = list(patients)

        def of_them(values: Tensor) -> Tensor:
            parts = self.split(values)
            return torch.cat([parts[row] for row in rows])

        coords = None if self.coords is None else of_them(self.coords)
        return Bags(of_them(self.values), self.lengths[rows], coords)

    def split(self, values: Shaped[Tensor, "T *rest"]) -> tuple[Tensor, ...]:
        """The rows of each patient, as views."""
        if len(self) == 1:  # the gradient of a true split is copied together again
            return (values,)
        return values.split(self.lengths.tolist())

    def join(self, parts: Sequence[Shaped[Tensor, "_ *rest"]]) -> Shaped[Tensor, "_ *rest"]:
        """What `split` would cut into these rows of each patient; those of one patient are not copied."""
        return parts[0] if len(parts) == 1 else torch.cat(list(parts))

    def each(self) -> list["Bags"]:
        """Every patient as bags of its own."""
        coords = [None] * len(self) if self.coords is None else self.split(self.coords)
        lengths = self.lengths.split(1)
        return [Bags(*one) for one in zip(self.split(self.values), lengths, coords, strict=True)]

    def pad(self) -> tuple[Float[Tensor, "P N D"], Bool[Tensor, "P N"]]:
        """A rectangle for the few layers that need one: zeros beyond each bag, and a mask that is True on patches."""
        longest = int(self.lengths.max()) if len(self) else 0
        position = torch.arange(longest)
        mask = (position < self.lengths[:, None]).to(self.values.device)
        place = self._spread(torch.arange(len(self)) * longest - (self.lengths.cumsum(0) - self.lengths))
        place = place + torch.arange(len(self.values), device=place.device)
        padded = self.values.new_zeros(len(self) * longest, self.values.shape[1]).index_copy(0, place, self.values)
        return padded.view(len(self), longest, -1), mask

    def _spread(self, of_patient: Int[Tensor, " P"]) -> Int[Tensor, " T"]:
        spread = of_patient.repeat_interleave(self.lengths, output_size=len(self.values))
        return spread.to(self.values.device, non_blocking=True)
