"""What several trained methods say of a patient, put together after each has spoken.

Wolpert: Stacked generalization. Neural Networks 1992. Breiman: Stacked regressions. Machine Learning 1996.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError, TrainingError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.creation import create_model
from prognoscope.models.explained import Explained, Scores
from prognoscope.models.late.card import CARD, FUSION, INNER_FOLDS, MEMBERS, joined_of, stacks_covariates
from prognoscope.models.layers.cox_fit import breslow_steps, fit_cox
from prognoscope.models.layers.cox_head import SMALLEST_STEP, proportional_logits, subdistribution_logits
from prognoscope.models.options import check_choices
from prognoscope.models.sizes import Sizes

CHOICES = {"fusion": ("ranks", "stacked")}
RIDGE, FLAT = 0.01, 1e-6  # of the Cox regression on normal scores; on mean ranks, where they may all be one
KNOTS = 100  # quantiles that stand for a distribution of risks
SMALLEST_SLOPE = 1e-3  # of mean ranks, whose order must stay where they tell nothing


class Late(SurvivalModel):
    """Late fusion: members are trained apart, and their risks are put together.

    Each member is trained on the fold's training part, by its own recipe with what the study changes, and again without
    each of some inner folds in turn, of whose patients it then tells the risk. A member's risk counts by its place
    among these held-out risks, from 0 to 1, so that a new patient has it by himself.

    `ranks`: the risk is the mean of the places. `stacked`: a Cox regression on their normal scores, with the products
    of every two of them, and with covariates if no member has them, fitted to the held-out risks. In both, survival is
    read off Breslow's baseline of a Cox fit to held-out risks. Where a patient lacks what a member needs, the others
    speak: the mean of those there, or the Cox regression on these alone, fitted to the same risks.

    Where other events compete, members tell the risk of the event of interest, and Fine and Gray's regression on the
    subdistribution hazard, whose baseline gives the cumulative incidence, takes the place of Cox's.

    Explains with its members' maps and scores, under their labels. `output.attention["patches"]`, (T,), is the mean of
    those of members that read patches. Details: `places` (P, M), NaN where a member has nothing to speak of.

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each gene group.
        n_clinical: Clinical covariates after encoding.
        n_bins: K, the number of time bins.
        gene_names: Of members that tell genes apart.
        n_subtypes: Of members that learn subtypes.
        members: Methods, by name or as {name, option: value, ...}; with a `label` where one is there twice.
        fusion: "stacked" or "ranks".
        product: Whether the stack has products.
        covariates: Whether the stack has covariates, where no member has them.
        inner_folds: Of the training part, for held-out risks.
    """

    card = CARD
    knots: Tensor
    centre: Tensor
    coefficients: Tensor
    intercepts: Tensor
    hazard_steps: Tensor

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_clinical: int,
        n_bins: int,
        gene_names: tuple[tuple[str, ...], ...] = (),
        n_subtypes: int = 0,
        *,
        members: Sequence[str | Mapping[str, Any]] = MEMBERS,
        fusion: Literal["stacked", "ranks"] = FUSION,
        product: bool = True,
        covariates: bool = True,
        inner_folds: int = INNER_FOLDS,
    ):
        options = {"members": members, "fusion": fusion, "covariates": covariates, "inner_folds": inner_folds}
        sizes = {"embedding_dim": embedding_dim, "group_sizes": group_sizes, "n_clinical": n_clinical, "n_bins": n_bins}
        sizes |= {"gene_names": gene_names, "n_subtypes": n_subtypes}
        super().__init__(**options, **sizes)
        check_choices("late", {"fusion": fusion}, CHOICES)
        joined = joined_of({**options, **sizes})
        self.labels = tuple(joined.members)
        made = (
            create_model(name, sizes=Sizes(**sizes), **dict[str, Any](own)) for name, own in joined.members.values()
        )
        self.members = nn.ModuleList(made)
        self.fusion = fusion
        self.with_covariates = n_clinical > 0 and stacks_covariates(options, joined)
        m = len(self.labels)
        self.pairs = tuple(combinations(range(m), 2)) if product and fusion == "stacked" else ()
        n_columns = 1 if fusion == "ranks" else m + len(self.pairs) + (n_clinical if self.with_covariates else 0)
        self.register_buffer("knots", torch.linspace(-1, 1, KNOTS).repeat(m, 1))  # quantiles of held-out risks
        # a row for each set of members who speak, its number in bits
        self.register_buffer("centre", torch.zeros(2**m, n_columns))
        self.register_buffer("coefficients", torch.zeros(2**m, n_columns))
        self.register_buffer("intercepts", torch.zeros(2**m))
        self.register_buffer("hazard_steps", torch.full((n_bins,), 1 / n_bins))

    @property
    def member_models(self) -> list[SurvivalModel]:
        return [member for member in self.members if isinstance(member, SurvivalModel)]

    def why_one_cause(self) -> str:
        reasons = zip(self.labels, (member.why_one_cause() for member in self.member_models), strict=True)
        return "; ".join(f"of its members {label} cannot, since {why}" for label, why in reasons if why)

    def take_causes(self, causes: int) -> None:
        super().take_causes(causes)
        for member in self.member_models:
            member.take_causes(causes)

    def forward(self, inputs: Inputs) -> Output:
        spoken = self._ask(inputs)
        risks = inputs.bags.values.new_full((len(inputs), len(self.labels)), torch.nan, dtype=torch.float32)
        attention: list[tuple[Tensor, Tensor]] = []
        for i, (rows, output) in spoken.items():
            risks = risks.index_put((rows, torch.full_like(rows, i)), output.risk.float())
            if "patches" in output.attention:
                attention.append((rows, output.attention["patches"].float()))
        places = self._places(risks)
        sets = self._sets(risks)
        log_ratio = ((self._columns(places, inputs) - self.centre[sets]) * self.coefficients[sets]).sum(dim=1)
        log_ratio = log_ratio + self.intercepts[sets]
        steps = self.hazard_steps.chunk(self.causes)[0]
        return Output(
            (proportional_logits if self.causes == 1 else subdistribution_logits)(log_ratio, steps),
            log_hazard_ratio=log_ratio,
            attention={"patches": _mean_attention(attention, inputs)} if attention else {},
            details={"places": places},
        )

    @torch.no_grad()
    def explain(self, inputs: Inputs) -> Explained:
        patches: dict[str, Scores] = {}
        groups: dict[str, Scores] = {}
        for label, member, rows in zip(self.labels, self.member_models, self._able(inputs), strict=True):
            if not rows.all():  # what it says of some would not be told of all
                continue
            told = member.explain(inputs)
            patches |= {f"{label}_{name}": scores for name, scores in told.patches.items()}
            groups |= {f"{label}_{name}": scores for name, scores in told.gene_groups.items()}
        return Explained(patches, groups, self(inputs).details)

    def join(
        self,
        members: Mapping[str, SurvivalModel],
        risks: Float[Tensor, "P M"],
        inputs: Inputs,
        target: Target,
        edges: Sequence[float],
    ) -> None:
        """Take the members, and fit what puts them together to risks of patients held out from them.

        Raises:
            TrainingError: Nobody, or nobody with an event, has all that the members need.
        """
        for own, label in zip(self.member_models, self.labels, strict=True):
            own.load_state_dict(members[label].state_dict())
        at = (torch.arange(KNOTS) + 0.5) / KNOTS
        for i in range(len(self.labels)):
            told = risks[:, i][risks[:, i].isfinite()]
            self.knots[i] = told.double().quantile(at.double()).float() if len(told) else self.knots[i]
        columns, has = self._columns(self._places(risks), inputs).double(), risks.isfinite()
        if not target.event[has.all(dim=1)].any():
            raise TrainingError(
                f"late cannot put {' and '.join(self.labels)} together: no training patient with an event has all that "
                "they need. Give patients who have it, or leave a member out."
            )
        whole = len(self.intercepts) - 1
        for number in range(whole, 0, -1):
            speak = torch.tensor([bool(number >> i & 1) for i in range(len(self.labels))])
            rows = has.any(dim=1) if self.fusion == "ranks" else has[:, speak].all(dim=1)
            self._fit_one(number, columns[rows], self._heard(speak), target, rows, edges)

    def _fit_one(
        self,
        number: int,
        columns: Float[Tensor, "P C"],
        heard: Bool[Tensor, " C"],
        target: Target,
        rows: Bool[Tensor, " N"],
        edges: Sequence[float],
    ) -> None:
        """The regression of one set of members; all sets share the baseline of the whole, and have a level each."""
        told = target.take(rows.nonzero()[:, 0])
        columns = columns * heard
        ridge = RIDGE if self.fusion == "stacked" else FLAT
        beta = fit_cox(columns, told.time, told.event, ridge=ridge, competing=told.competing)
        if self.fusion == "ranks":
            beta = beta.clamp(min=SMALLEST_SLOPE)
        centre = columns.mean(dim=0)
        steps = breslow_steps((columns - centre) @ beta, told.time, told.event, edges, told.competing)
        self.centre[number], self.coefficients[number] = centre.float(), (beta * heard).float()
        if number == len(self.intercepts) - 1:
            self.hazard_steps.fill_(SMALLEST_STEP)
            self.hazard_steps[: len(steps)] = steps
        elif self.fusion == "stacked":
            whole = self.hazard_steps[: len(steps)].double()
            self.intercepts[number] = float((steps.sum() / whole.sum()).log())

    def _heard(self, speak: Bool[Tensor, " M"]) -> Bool[Tensor, " C"]:
        """Which columns these members fill."""
        if self.fusion == "ranks":
            return torch.ones(1, dtype=torch.bool)
        heard = [*speak.tolist(), *(bool(speak[i] and speak[j]) for i, j in self.pairs)]
        return torch.tensor(heard + [True] * (self.centre.shape[1] - len(heard)))

    def _ask(self, inputs: Inputs) -> dict[int, tuple[Tensor, Output]]:
        """Of each member that has anybody to speak of: the positions of those, and what it says of them."""
        spoken = {}
        for i, (member, rows) in enumerate(zip(self.member_models, self._able(inputs), strict=True)):
            if not rows.any():
                continue
            chosen = rows.nonzero()[:, 0]
            theirs = inputs if rows.all() else inputs.take(chosen.tolist())
            kind = inputs.bags.values.device.type
            if member.profile.recipe is None:  # what is solved at once is exact, whatever networks compute in
                with torch.autocast(kind, enabled=False):
                    output = member(theirs)
            else:
                output = member(theirs)
            spoken[i] = (chosen.to(inputs.bags.values.device), output)
        return spoken

    def _able(self, inputs: Inputs) -> list[Bool[Tensor, " P"]]:
        """For each member, who has what it needs; on the CPU.

        Raises:
            ModelError: Somebody has nothing that any member could speak of.
        """
        has_bag = inputs.bags.lengths > 0
        lacks = torch.zeros(len(inputs), dtype=torch.bool)
        for group in inputs.omics:
            lacks |= group.isnan().any(dim=1).cpu()
        able = []
        for member in self.member_models:
            rows = torch.ones(len(inputs), dtype=torch.bool)
            rows &= has_bag if "bag" in member.profile.needs else rows
            rows &= ~lacks if "omics" in member.profile.needs else rows
            able.append(rows)
        if silent := int((~torch.stack(able).any(dim=0)).sum()):
            raise ModelError(f"{silent} of {len(inputs)} patients have nothing that a member of late predicts from.")
        return able

    def _places(self, risks: Float[Tensor, "P M"]) -> Float[Tensor, "P M"]:
        """Where each risk lies among the held-out ones, from 0 to 1, straight between quantiles; NaN stays."""
        upper = torch.searchsorted(self.knots, risks.T.contiguous()).T.clamp(1, KNOTS - 1)  # (P, M)
        high = self.knots.T.gather(0, upper)
        low = self.knots.T.gather(0, upper - 1)
        within = ((risks - low) / (high - low).clamp(min=torch.finfo(risks.dtype).tiny)).clamp(0, 1)
        return (upper - 0.5 + within) / KNOTS

    def _sets(self, risks: Float[Tensor, "P M"]) -> Tensor:
        bits = 2 ** torch.arange(risks.shape[1], device=risks.device)
        return (risks.isfinite() * bits).sum(dim=1)

    def _columns(self, places: Float[Tensor, "P M"], inputs: Inputs) -> Float[Tensor, "P C"]:
        """What the Cox regression sees; 0 where a member has nothing to say."""
        if self.fusion == "ranks":
            return places.nanmean(dim=1, keepdim=True)
        scores = torch.special.ndtri(places.nan_to_num(0.5))
        parts = [scores, *(scores[:, i : i + 1] * scores[:, j : j + 1] for i, j in self.pairs)]
        if self.with_covariates:
            assert inputs.clinical is not None
            parts.append(inputs.clinical.to(scores))
        return torch.cat(parts, dim=1)


def _mean_attention(told: Sequence[tuple[Tensor, Tensor]], inputs: Inputs) -> Float[Tensor, " T"]:
    """The mean of what members attend to, of each patient those who have read his patches."""
    owner = inputs.bags.owner
    total, count = (torch.zeros(len(owner), device=owner.device) for _ in range(2))
    for rows, weights in told:
        place = torch.isin(owner, rows).nonzero()[:, 0]
        total = total.index_add(0, place, weights)
        count = count.index_add(0, place, torch.ones_like(weights))
    return total / count.clamp(min=1)
