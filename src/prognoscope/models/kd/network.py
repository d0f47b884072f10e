"""A slide model taught by a trained model of slides and genes, through its predictions or through where it looks.

Hinton, Vinyals, Dean: Distilling the knowledge in a neural network. arXiv:1503.02531, 2015. Zagoruyko, Komodakis:
Paying more attention to attention: improving the performance of convolutional neural networks via attention transfer.
ICLR 2017. Both as baselines of G-HANet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.creation import create_model
from prognoscope.models.kd.card import CARD
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.options import check_choices, check_numbers
from prognoscope.models.sizes import Sizes

CHOICES = {
    "loss": ("response", "representation"),
    "target": ("hazard", "softmax", "event"),
    "maps": ("at_patch", "at_patch_l2", "at_attention"),
}
SMALLEST = 1e-12  # of a norm


class KD(SurvivalModel):
    """A student that sees slides alone, pulled towards a teacher that sees slides and genes.

    The teacher is trained first, in each fold on the patients that the student trains on, to its last epoch and by its
    own recipe, with what the study changes of the student's. It is kept beside the student and is no part of it. What
    it says of the training patients is computed once. A patient without genes has no teacher: the distillation loss
    is zero there, and the student's own losses weigh what they weigh for others.

    Predicts, explains and costs what its student does, whose `attention` and `details` are the output's; `lengths`
    (P,), the patches of each patient, are among the details. Losses: the student's own, and "distillation".

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each gene group; of the teacher.
        n_bins: K, the number of time bins.
        gene_names: Of the teacher, if it tells genes apart.
        student: A method that needs slides alone.
        teacher: A method that needs slides and genes; with loss "representation", one that tells its `patches`, or for
            "at_attention" its `coattention`, as mcat and motcat do.
        loss: "response" compares what both predict, "representation" which patches stir them.
        target: What "response" compares: each "hazard", a "softmax" over the bins, or the distribution of the "event"
            over the bins and the time after them.
        temperature: What logits are divided by in "response".
        weight: The share of the "response" loss; the student's own losses have the rest.
        maps: What "representation" compares: "at_patch", the mean square of each patch over its features, by mean
            squared difference; "at_patch_l2", the same by Euclidean distance; "at_attention", attention over patches.
        beta: The factor of the "representation" loss, beside the student's own losses.
        student_options, teacher_options: Of their methods.
    """

    card = CARD
    teacher_logits: Tensor
    teacher_maps: Tensor
    map_starts: Tensor
    map_lengths: Tensor

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        gene_names: tuple[tuple[str, ...], ...] = (),
        *,
        student: str = "clam_sb",
        teacher: str = "mcat",
        loss: str = "response",
        target: str = "hazard",
        temperature: float = 4.0,
        weight: float = 0.5,
        maps: str = "at_patch",
        beta: float = 1000.0,
        student_options: Mapping[str, Any] | None = None,
        teacher_options: Mapping[str, Any] | None = None,
    ):
        roles = {"student": student, "student_options": student_options}
        roles |= {"teacher": teacher, "teacher_options": teacher_options}
        super().__init__(loss=loss, **roles)
        check_choices("kd", {"loss": loss, "target": target, "maps": maps}, CHOICES)
        check_numbers(
            "kd",
            ("temperature", temperature, 0 < temperature < inf, "number above 0"),
            ("weight", weight, 0 <= weight <= 1, "number from 0 to 1"),
            ("beta", beta, 0 <= beta < inf, "number from 0 on"),
        )
        self.loss, self.target, self.maps = loss, target, maps
        self.temperature, self.weight, self.beta = temperature, weight, beta
        sizes = Sizes(n_bins, embedding_dim, tuple(group_sizes), gene_names)
        self.student = create_model(student, sizes=sizes, **(student_options or {}))
        self.names = {"student": student, "teacher": teacher}
        self._try_teacher(sizes, teacher_options or {})
        self._taught_by: tuple[SurvivalModel, ...] = ()  # a tuple, so that the teacher is no part of the student
        self.register_buffer("teacher_logits", torch.empty(0, n_bins), persistent=False)  # NaN without a teacher
        self.register_buffer("teacher_maps", torch.empty(0), persistent=False)  # packed
        self.register_buffer("map_starts", torch.empty(0, dtype=torch.int64), persistent=False)
        self.register_buffer("map_lengths", torch.empty(0, dtype=torch.int64), persistent=False)

    def forward(self, inputs: Inputs) -> Output:
        output = self.student(inputs)
        return replace(output, details={**output.details, "lengths": inputs.bags.lengths})

    def learn_from(self, teacher: SurvivalModel) -> None:
        self._taught_by = (teacher,)

    def before_training(self, target: Target, read: Callable[[Sequence[int]], Inputs]) -> None:
        """Ask the teacher about every patient, on the device where it is.

        Raises:
            ModelError: There is no teacher, or what it says is not finite.
        """
        self.student.before_training(target, read)
        if not self._taught_by:
            raise ModelError(
                f"kd has no teacher to learn from: train {self.names['teacher']} and give it to learn_from."
            )
        teacher = self._taught_by[0].eval()
        device = next(teacher.parameters()).device
        logits, maps = [], []
        with torch.no_grad():
            for row in range(len(target)):  # one at a time: no more memory than the longest bag takes
                inputs = read([row])
                if any(group.isnan().any() for group in inputs.omics):
                    logits.append(self.teacher_logits.new_full((1, self.teacher_logits.shape[1]), torch.nan))
                    maps.append(torch.zeros(len(inputs.bags.values)))
                    continue
                output = teacher(inputs.to(device))
                logits.append(output.logits.cpu())
                if self.loss == "representation":
                    maps.append(unit_map(self._map_of(output, "teacher"), inputs.bags.to(device)).cpu())
                if not (logits[-1].isfinite().all() and (not maps or maps[-1].isfinite().all())):
                    raise ModelError(
                        f"What the teacher {self.names['teacher']} says of a training patient is not a finite number. "
                        "Check the embeddings and genes for extreme values."
                    )
        self._taught_by = ()
        self.teacher_logits = torch.cat(logits)
        if self.loss == "representation":
            self.map_lengths = torch.tensor([len(each) for each in maps])
            self.map_starts = self.map_lengths.cumsum(0) - self.map_lengths
            self.teacher_maps = torch.cat(maps)

    def why_one_cause(self) -> str:
        student = self.names["student"]
        return f"what its teacher hands on are hazards of one kind of event; take its student, {student}, by itself"

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        return self._own_share * self.student.survival_loss(output, target, alpha=alpha)

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """The student's own further losses, and "distillation", all weighted.

        Raises:
            ModelError: No teacher was learned from, or a bag is not the one that the teacher saw.
        """
        if not len(self.teacher_logits) or target.patient is None:
            raise ModelError("kd has a distillation loss in training alone, after before_training has asked a teacher.")
        theirs = self.teacher_logits[target.patient]
        has_teacher = ~theirs.isnan().any(dim=1)
        if self.loss == "response":
            theirs = theirs.where(has_teacher[:, None], 0)
            each = response_loss(output.logits, theirs, target=self.target, temperature=self.temperature)
            each = self.weight * each
        else:
            bags, maps = self._maps_of(output, target)
            ours = unit_map(self._map_of(output, "student"), bags)
            each = self.beta * map_loss(ours, maps, bags, euclidean=self.maps == "at_patch_l2")
        own = self.student.extra_losses(output, target, alpha=alpha)
        return {name: self._own_share * loss for name, loss in own.items()} | {
            "distillation": each.where(has_teacher, 0)
        }

    def to_remember(self, output: Output, target: Target) -> dict[str, Tensor]:
        return self.student.to_remember(output, target)

    def remember(self, kept: dict[str, Tensor]) -> None:
        self.student.remember(kept)

    @property
    def _own_share(self) -> float:
        return 1 - self.weight if self.loss == "response" else 1.0

    def _map_of(self, output: Output, who: str) -> Float[Tensor, " T"]:
        """What is compared patch by patch, not yet of unit length.

        Raises:
            ModelError: The student or the teacher does not tell it, or the student's would not learn.
        """
        by_attention = self.maps == "at_attention"
        told, name = output.details, "coattention" if by_attention else "patches"
        if who == "student" and by_attention:
            told, name = output.attention, "patches"
        if name not in told or (who == "student" and torch.is_grad_enabled() and not told[name].requires_grad):
            lacking = "attention" if by_attention else "patches after its first layer"
            cure = "mcat or motcat" if who == "teacher" else "clam_sb or clam_mb"
            raise ModelError(
                f"kd cannot compare maps with {self.names[who]} as {who}, which does not tell its {lacking}. "
                f'Take {cure}, or loss "response".'
            )
        values = at_least_float32(told[name])
        if by_attention:
            return values if values.ndim == 1 else values.mean(dim=1)
        return values.square().mean(dim=1)

    def _maps_of(self, output: Output, target: Target) -> tuple[Bags, Float[Tensor, " T"]]:
        """The bags of a batch, without values, and the teacher's maps of them."""
        lengths, patient = output.details["lengths"], target.patient
        assert patient is not None  # extra_losses has looked
        total = int(lengths.sum())
        bags = Bags(output.logits.new_empty(total, 0), lengths)
        if patient.device.type == "cpu" and not torch.equal(self.map_lengths[patient], lengths):
            raise ModelError(
                "kd compares maps patch by patch, but these bags are not those that the teacher saw; set patch_draw to "
                'all, or take loss "response".'
            )
        shift = (self.map_starts[patient] - bags.starts)[bags.owner]
        return bags, self.teacher_maps[shift + torch.arange(total, device=shift.device)]

    def _try_teacher(self, sizes: Sizes, options: Mapping[str, Any]) -> None:
        """Make a teacher and drop it, so that what cannot work is refused before anything is trained."""
        omics = tuple(torch.zeros(1, size) for size in sizes.group_sizes)
        inputs = Inputs(Bags(torch.zeros(2, sizes.embedding_dim), torch.tensor([2])), omics)
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            teacher = create_model(self.names["teacher"], sizes=sizes, **options).eval()
            for who, output in (("teacher", teacher(inputs)), ("student", self.student(inputs))):
                if output.log_hazard_ratio is not None:
                    raise ModelError(
                        f"kd cannot have {self.names[who]} as {who}, which predicts a log hazard ratio and no hazards."
                    )
                if self.loss == "representation":
                    self._map_of(output, who)


def response_loss(
    student: Float[Tensor, "P K"], teacher: Float[Tensor, "P K"], *, target: str = "hazard", temperature: float = 4.0
) -> Float[Tensor, " P"]:
    """The divergence of what the student predicts from what the teacher does, times the square of the temperature.

    Args:
        target: "hazard": the mean over the bins; "softmax"; or "event", over the bins and the time after them.

    Source: Hinton, Vinyals, Dean: Distilling the knowledge in a neural network. 2015; "hazard" and "event" are ours.
    """
    ours, theirs = (at_least_float32(each) / temperature for each in (student, teacher))
    if target == "softmax":
        divergence = _divergence(ours.log_softmax(dim=1), theirs.log_softmax(dim=1), dim=1)
    elif target == "event":
        divergence = _divergence(_log_event(ours), _log_event(theirs), dim=1)
    else:
        divergence = _divergence(_log_both(ours), _log_both(theirs), dim=2).mean(dim=1)
    return temperature**2 * divergence


def unit_map(values: Float[Tensor, " T"], bags: Bags) -> Float[Tensor, " T"]:
    """The values of each patient, divided by their Euclidean norm."""
    values = at_least_float32(values)
    norm = bags.sum(values.square()).clamp(min=SMALLEST**2).sqrt()  # clamped first: the root of 0 has no gradient
    return values / norm[bags.owner]


def map_loss(
    student: Float[Tensor, " T"], teacher: Float[Tensor, " T"], bags: Bags, *, euclidean: bool = False
) -> Float[Tensor, " P"]:
    """The mean squared difference of two maps over each patient's patches; or their Euclidean distance.

    Source: Zagoruyko, Komodakis: Paying more attention to attention. ICLR 2017, eq. 2 with p = 2.
    """
    squares = (student - teacher).square()
    return bags.sum(squares).clamp(min=SMALLEST**2).sqrt() if euclidean else bags.mean(squares)


def _divergence(ours: Tensor, theirs: Tensor, dim: int) -> Tensor:
    """Kullback-Leibler, the teacher first, of logarithms of probabilities."""
    return (theirs.exp() * (theirs - ours)).sum(dim=dim)


def _log_both(logits: Float[Tensor, "P K"]) -> Float[Tensor, "P K 2"]:
    return torch.stack([F.logsigmoid(logits), F.logsigmoid(-logits)], dim=2)


def _log_event(logits: Float[Tensor, "P K"]) -> Float[Tensor, "P K+1"]:
    """The logarithm of the probability of the event in each bin, and of outliving all of them."""
    outlived = F.pad(F.logsigmoid(-logits).cumsum(dim=1), (1, 0))
    return outlived + F.pad(F.logsigmoid(logits), (0, 1))
