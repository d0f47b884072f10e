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
    competing: Bool[Tensor, " P"] | None = None  # True: another event came first; None: no event can

    def __len__(self) -> int:
        return len(self.bin)

    def take(self, rows: Int[Tensor, " P"] | slice) -> "Target":
        """The patients at these positions."""
        others = (self.subtype, self.patient, self.competing)
        subtype, patient, competing = (None if each is None else each[rows] for each in others)
        omics = tuple(group[rows] for group in self.omics)
        return Target(self.bin[rows], self.event[rows], self.time[rows], subtype, omics, patient, competing)

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
        others = ("subtype", "patient", "competing")
        subtype, patient, competing = (all_of([getattr(part, name) for part in parts]) for name in others)
        return Target(bin, event, time, subtype, omics, patient, competing)

    def to(self, device: torch.device | str, **kwargs) -> "Target":
        """The same target on a device."""
        others = (self.subtype, self.patient, self.competing)
        subtype, patient, competing = (None if each is None else each.to(device, **kwargs) for each in others)
        omics = tuple(group.to(device, **kwargs) for group in self.omics)
        bin, event, time = (each.to(device, **kwargs) for each in (self.bin, self.event, self.time))
        return Target(bin, event, time, subtype, omics, patient, competing)


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

    logits: Float[Tensor, "P L"]  # of the hazard in each time bin, L = K; with competing risks, L = 2K, see `causes`
    log_hazard_ratio: Float[Tensor, " P"] | None = None  # of Cox-trained methods, whose risk it is
    subtype_logits: Float[Tensor, "P C"] | None = None
    attention: dict[str, Tensor] = field(default_factory=dict)  # "patches" is (T,): what explains the prediction
    details: dict[str, Tensor] = field(default_factory=dict)  # a method's own intermediates, named in its docstring
    causes: int = 1  # 2: the first K logits are of the event of interest, the others of competing ones

    def __post_init__(self):
        for name in ("logits", "log_hazard_ratio"):
            value = getattr(self, name)
            if value is not None and value.dtype in (torch.float16, torch.bfloat16):
                object.__setattr__(self, name, value.float())

    @property
    def hazard(self) -> Float[Tensor, "P K"]:
        """The chance of the event in each bin, once reached without any."""
        return self.logits.sigmoid() if self.causes == 1 else cause_log_hazards(self.logits)[0].exp()

    @property
    def incidence(self) -> Float[Tensor, "P K"]:
        """The chance that the event comes by the end of each bin, before any other: its cumulative incidence."""
        if self.causes == 1:
            return 1 - self.survival
        own, _, none = cause_log_hazards(self.logits)
        before = F.pad(none.cumsum(dim=1)[:, :-1], (1, 0))
        return (own + before).exp().cumsum(dim=1)

    @property
    def survival(self) -> Float[Tensor, "P K"]:
        """The chance of outliving each bin; with competing risks that of not having had the event of interest."""
        return (1 - self.hazard).cumprod(dim=1) if self.causes == 1 else (1 - self.incidence).clamp(0, 1)

    @property
    def log_survival(self) -> Float[Tensor, "P K"]:
        """The logarithm of `survival`, without competing risks exact where survival is too small for a float."""
        if self.causes == 1:
            return F.logsigmoid(-self.logits).cumsum(dim=1)
        return torch.log1p(-self.incidence.clamp(max=1 - torch.finfo(torch.float32).eps))

    @property
    def risk(self) -> Float[Tensor, " P"]:
        """One number a patient, higher is worse: minus the expected bins survived, or the log hazard ratio."""
        return -self.survival.sum(dim=1) if self.log_hazard_ratio is None else self.log_hazard_ratio


def cause_log_hazards(logits: Float[Tensor, "P L"]) -> tuple[Float[Tensor, "P K"], ...]:
    """The log chance, once a bin is reached, of the event of interest in it, of a competing one, and of neither.

    In each bin the three are the softmax of its two logits and 0, so that with one of them at minus infinity the other
    is the hazard of two states.

    Args:
        logits: L = 2K, those of the event of interest first.

    Source: Tutz, Schmid: Modeling discrete time-to-event data, chapter 8. Springer 2016.
    """
    own, other = logits.chunk(2, dim=1)
    return F.log_softmax(torch.stack([own, other, torch.zeros_like(own)]), dim=0).unbind()


def _row(table: Tensor | None, i: int) -> Tensor | None:
    return None if table is None else table[i : i + 1]
