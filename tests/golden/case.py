"""One golden file: weights, inputs, outputs and gradients by name, and the checks on them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target


@dataclass(frozen=True)
class Case:
    path: Path

    @cached_property
    def meta(self) -> dict:
        with np.load(self.path, allow_pickle=False) as file:
            return json.loads(str(file["meta"]))

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name != "meta"}

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[name]))

    def named(self, kind: str) -> dict[str, Tensor]:
        """All entries `kind:<name>`, by name."""
        return {key.split(":", 1)[1]: self[key] for key in self.arrays if key.startswith(f"{kind}:")}

    @property
    def weights(self) -> dict[str, Tensor]:
        return self.named("w")

    @property
    def gradients(self) -> dict[str, Tensor]:
        """The gradients of parameters, which some files keep among the outputs."""
        outputs = self.named("out").items()
        among = {name.removeprefix("grad:"): value for name, value in outputs if name.startswith("grad:")}
        return self.named("grad") | among

    def options(self, *names: str) -> dict[str, object]:
        """Those of these options that the file names."""
        return {name: self.meta[name] for name in names if name in self.meta}

    @property
    def atol(self) -> float:
        return min(1e-5, self.meta.get("suggested_atol", 1e-5))

    def same(self, ours: Tensor | float, name: str, *, atol: float | None = None) -> None:
        """Our value equals the golden `out:name`, to the tolerance, in number and order of entries."""
        ours, theirs = torch.as_tensor(ours).detach(), self[f"out:{name}"]
        assert ours.numel() == theirs.numel(), f"{name}: {tuple(ours.shape)} against {tuple(theirs.shape)}"
        worst = (ours.double().reshape(-1) - theirs.double().reshape(-1)).abs().max().item()
        assert worst <= (self.atol if atol is None else atol), f"{name} is off by {worst:.2e}"

    def same_gradients(self, model: nn.Module, rename, *, rtol: float = 1e-4) -> None:
        """Every golden `grad:` equals ours, relative to its largest entry. `rename` maps published names to ours."""
        ours = dict(model.named_parameters())
        same_gradients(self.gradients, lambda name: ours[rename(name)].grad, rtol=rtol)


def same_gradients(
    golden: dict[str, Tensor], gradient_of: Callable[[str], Tensor | None], *, rtol: float = 1e-4
) -> None:
    """Each golden gradient equals ours of that name, relative to its largest entry."""
    rounding = 1e-6 * max((each.abs().max() for each in golden.values()), default=0)  # where zero by algebra
    for name, theirs in golden.items():
        ours = gradient_of(name)
        if ours is None and not theirs.any():  # what a weight of zero makes zero is not computed
            continue
        assert ours is not None, f"{name} has no gradient"
        worst = (ours.reshape(theirs.shape) - theirs).abs().max()
        assert worst <= rtol * theirs.abs().max() + rounding, f"the gradient of {name} is off by {worst:.2e}"


def one_bag(values: Tensor) -> Inputs:
    """One patient with these patches."""
    return Inputs(Bags(values, torch.tensor([len(values)])))


def genes_only(*groups: Tensor) -> Inputs:
    """Patients with genes and no patches; a vector is one patient."""
    groups = tuple(group[None] if group.ndim == 1 else group for group in groups)
    return Inputs(Bags(torch.zeros(0, 1), torch.zeros(len(groups[0]), dtype=torch.int64)), groups)


def target(label: Tensor, censorship: Tensor, subtype: Tensor | None = None) -> Target:
    """A target from published labels; censorship 1 is censored."""
    label = label.reshape(-1).long()
    return Target(label, censorship.reshape(-1) == 0, label.float(), subtype)


def same_survival(case: Case, output) -> None:
    """Logits, hazards, survival and risk equal the golden's."""
    for name, ours in {"logits": output.logits, "hazards": output.hazard, "survival": output.survival}.items():
        case.same(ours, name)
    case.same(output.risk, "risk")
