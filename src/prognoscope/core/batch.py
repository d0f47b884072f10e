"""What goes into a model, what it is taught, and what comes out, for P patients at once (torch)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prognoscope.core.bags import Bags
from prognoscope.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a model may see of P patients. Outcomes are not here, so they cannot leak."""

    bags: Bags  # .values (T, D) patch embeddings of all patients; T = 0 without slides
    omics: tuple[Float[Tensor, "P _"], ...] = ()  # one tensor per gene group; a patient without omics has NaN
    clinical: Float[Tensor, "P _"] | None = None  # scaled covariates; None without any

    def __post_init__(self):
        tables = [*self.omics, *([] if self.clinical is None else [self.clinical])]
        for table in tables:  # a sampling shape checker misses items of a tuple
            if table.ndim != 2 or len(table) != len(self):
                raise InputError(f"A table of shape {tuple(table.shape)} does not fit {len(self)} patients.")

    def __len__(self) -> int:
        return len(self.bags)

    def split(self) -> list["Inputs"]:
        """Every patient alone, as inputs of one patient."""
        return [
            Inputs(bags, tuple(g[i : i + 1] for g in self.omics), _row(self.clinical, i))
            for i, bags in enumerate(self.bags.each())
        ]

    def take(self, patients: Sequence[int]) -> "Inputs":
        """The patients at these positions, at least one."""
        rows = list(patients)
        clinical = None if self.clinical is None else self.clinical[rows]
        return Inputs(self.bags.take(rows), tuple(group[rows] for group in self.omics), clinical)

    def to(self, device: torch.device | str, **kwargs) -> "Inputs":
        """The same inputs on a device."""
        omics = tuple(group.to(device, **kwargs) for group in self.omics)
        clinical = None if self.clinical is None else self.clinical.to(device, **kwargs)
        return Inputs(self.bags.to(device, **kwargs), omics, clinical)


@dataclass(frozen=True, slots=True)
class Target:
    """What P patients teach a model. Only losses see it."""

    bin: Int[Tensor, " P"]  # time bin of the event or of last follow-up
    event: Bool[Tensor, " P"]  # True: observed
    time: Float[Tensor, " P"]  # months, for losses that rank patients
    subtype: Int[Tensor, " P"] | None = None  # class, -1 where unknown; None if the study has none
    omics: tuple[Float[Tensor, "P _"], ...] = ()  # for methods that learn to tell genes; NaN rows without omics
    patient: Int[Tensor, " P"] | None = None  # a number of its own for each of those trained on

    def __len__(self) -> int:
        return len(self.bin)

    def take(self, rows: Int[Tensor, " P"] | slice) -> "Target":
        """The patients at these positions."""
        subtype, patient = (None if each is None else each[rows] for each in (self.subtype, self.patient))
        omics = tuple(group[rows] for group in self.omics)
        return Target(self.bin[rows], self.event[rows], self.time[rows], subtype, omics, patient)

    def split(self) -> list["Target"]:
        """Every patient alone."""
        return [self.take(slice(i, i + 1)) for i in range(len(self))]

    @staticmethod
    def joined(parts: "Sequence[Target]") -> "Target":
        """The patients of several targets of one data set, one after another."""

        def all_of(each: Sequence[Tensor | None]) -> Tensor | None:
            given = [value for value in each if value is not None]
            return torch.cat(given) if given else None

        bin, event, time = (torch.cat([getattr(part, name) for part in parts]) for name in ("bin", "event", "time"))
        omics = tuple(torch.cat(groups) for groups in zip(*(part.omics for part in parts), strict=True))
        subtype, patient = (all_of([getattr(part, name) for part in parts]) for name in ("subtype", "patient"))
        return Target(bin, event, time, subtype, omics, patient)

    def to(self, device: torch.device | str, **kwargs) -> "Target":
        """The same target on a device."""
        subtype, patient = (None if x is None else x.to(device, **kwargs) for x in (self.subtype, self.patient))
        omics = tuple(group.to(device, **kwargs) for group in self.omics)
        bin, event, time = (each.to(device, **kwargs) for each in (self.bin, self.event, self.time))
        return Target(bin, event, time, subtype, omics, patient)


@dataclass(frozen=True, slots=True)
class Batch:
    """P patients with what they teach."""

    patients: tuple[str, ...]
    inputs: Inputs
    target: Target


@dataclass(frozen=True, slots=True)
class Output:
    """What a model says of P patients. Hazard, survival and risk follow from the logits here and nowhere else.

    Logits of half precision are widened: risks computed in it would tie patients whom the logits tell apart.
    """

    logits: Float[Tensor, "P K"]  # of the hazard in each time bin
    log_hazard_ratio: Float[Tensor, " P"] | None = None  # of Cox-trained methods, whose risk it is
    subtype_logits: Float[Tensor, "P C"] | None = None
    attention: dict[str, Tensor] = field(default_factory=dict)  # "patches" is (T,): what explains the prediction
    details: dict[str, Tensor] = field(default_factory=dict)  # a method's own intermediates, named in its docstring

    def __post_init__(self):
        for name in ("logits", "log_hazard_ratio"):
            value = getattr(self, name)
            if value is not None and value.dtype in (torch.float16, torch.bfloat16):
                object.__setattr__(self, name, value.float())

    @property
    def hazard(self) -> Float[Tensor, "P K"]:
        """The chance of the event in each bin, once reached."""
        return self.logits.sigmoid()

    @property
    def survival(self) -> Float[Tensor, "P K"]:
        """The chance of outliving each bin."""
        return (1 - self.hazard).cumprod(dim=1)

    @property
    def log_survival(self) -> Float[Tensor, "P K"]:
        """The logarithm of `survival`, exact where survival is too small for a float."""
        return F.logsigmoid(-self.logits).cumsum(dim=1)

    @property
    def risk(self) -> Float[Tensor, " P"]:
        """One number a patient, higher is worse: minus the expected bins survived, or the log hazard ratio."""
        return -self.survival.sum(dim=1) if self.log_hazard_ratio is None else self.log_hazard_ratio


def _row(table: Tensor | None, i: int) -> Tensor | None:
    return None if table is None else table[i : i + 1]
