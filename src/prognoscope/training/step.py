"""The losses of a step's patients and their gradients, in passes that fit the machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prognoscope.cohort.dataset import cut_into_passes
from prognoscope.core.batch import Batch, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.recipe import Recipe
from prognoscope.training.spec import TrainingSpec, autocast

Losses = dict[str, Tensor]  # every loss per patient (P,), by name


@dataclass(frozen=True, slots=True)
class Step:
    """The patients between two changes of the weights, in passes: those who go through the model at once."""

    passes: tuple[tuple[int, ...], ...]  # places in the epoch's order

    @property
    def size(self) -> int:
        """How many patients it has."""
        return sum(map(len, self.passes))


def plan_steps(lengths: Sequence[int], patients_per_step: int, most: int, *, join_last: bool = False) -> list[Step]:
    """The steps of an epoch, no pass of more than `most` patches, unless one patient has them.

    Args:
        lengths: Patches of the patient at each place of the epoch's order.
        join_last: A patient who would be alone in the last step goes with the step before it.
    """
    starts = list(range(0, len(lengths), patients_per_step))
    if join_last and len(starts) > 1 and len(lengths) - starts[-1] == 1:
        starts.pop()
    ends = [*starts[1:], len(lengths)]
    cut = (cut_into_passes(range(*ends), lengths, most) for ends in zip(starts, ends, strict=True))
    return [Step(tuple(map(tuple, passes))) for passes in cut]


def reading_order(model: SurvivalModel, steps: Sequence[Step]) -> list[tuple[int, ...]]:
    """The passes in the order in which `learn` asks for them, step by step: once each, or twice."""
    return [each for step in steps for each in step.passes * (2 if _goes_twice(model, step) else 1)]


def learn(
    model: SurvivalModel, step: Step, batches: Iterator[Batch], recipe: Recipe, spec: TrainingSpec
) -> tuple[Losses, dict[str, Tensor]]:
    """Add the gradients of the mean loss of a step's patients to those of the weights.

    Patients who do not see each other are cut as the machine likes. Where patients of a step meet, a pass by itself
    would compare whom it happens to hold, so each goes through the network twice: first without a graph, which leaves a
    vector a patient; what is made of all vectors, the loss and its gradients for them are computed once; then with a
    graph, and the same random numbers, to hand these gradients on. So memory holds the graph of one pass, as always.

    Args:
        batches: Gives the passes in the order of `reading_order`.

    Returns:
        Each loss per patient, and what the model wants to remember of them, all detached.
    """
    if _goes_twice(model, step):
        return _learn_together(model, step, batches, recipe, spec)
    losses: list[Losses] = []
    kept: list[dict[str, Tensor]] = []
    for _ in step.passes:
        batch = next(batches)
        with autocast(spec):
            output = model(batch.inputs)
        each = losses_of(model, output, batch.target, recipe)
        (added(each).sum() / step.size).backward()
        losses.append({name: loss.detach() for name, loss in each.items()})
        kept.append(model.to_remember(output, batch.target))
    return _joined(losses), _joined(kept)


def _learn_together(
    model: SurvivalModel, step: Step, batches: Iterator[Batch], recipe: Recipe, spec: TrainingSpec
) -> tuple[Losses, dict[str, Tensor]]:
    states, vectors, targets = [], [], []
    with torch.no_grad():
        for _ in step.passes:
            batch = next(batches)
            states.append(_random_state(spec))
            with autocast(spec):
                vectors.append(model.read(batch.inputs).vector)
            targets.append(batch.target)
    together = torch.cat(vectors).requires_grad_()
    with autocast(spec):
        output = model.judge(together)
    target = Target.joined(targets)
    losses = losses_of(model, output, target, recipe)
    (added(losses).sum() / step.size).backward()
    assert together.grad is not None
    after = _random_state(spec)
    for state, gradient in zip(states, together.grad.split([len(each) for each in step.passes]), strict=True):
        batch = next(batches)
        _set_random_state(state, spec)
        with autocast(spec):
            vector = model.read(batch.inputs).vector
        vector.backward(gradient)
    _set_random_state(after, spec)
    return {name: loss.detach() for name, loss in losses.items()}, model.to_remember(output, target)


def losses_of(model: SurvivalModel, output: Output, target: Target, recipe: Recipe) -> Losses:
    """Every loss of these patients, per patient (P,), by name."""
    survival = model.survival_loss(output, target, alpha=recipe.nll_alpha)
    return {"survival": survival, **model.extra_losses(output, target, alpha=recipe.nll_alpha)}


def added(losses: Losses) -> Tensor:
    """The whole loss of each patient (P,)."""
    first, *others = losses.values()
    for each in others:
        first = first + each
    return first


def check_recipe(model: SurvivalModel, recipe: Recipe) -> None:
    """Refuse a recipe by which this method cannot learn.

    Raises:
        ModelError: It draws patches for a method that keeps something of each, or trains patients one by one whom the
            method's loss compares.
    """
    name, profile = type(model).__name__, model.profile
    if recipe.patch_draw is not None and profile.keeps_patches:
        raise ModelError(
            f"{name} keeps something of every patch of its training bags, so patch_draw cannot draw some of them anew "
            "each epoch; set patch_draw to all."
        )
    if profile.compares_patients and recipe.patients_per_step < 2:
        raise ModelError(
            f"{name}'s loss, Cox's, compares the patients of a step, so with patients_per_step: 1 it is always 0 and "
            f"nothing is learned; give patients_per_step 2 or more, best {Recipe().patients_per_step} or more."
        )


def _goes_twice(model: SurvivalModel, step: Step) -> bool:
    return model.profile.mixes_patients and len(step.passes) > 1


def _joined(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _random_state(spec: TrainingSpec) -> tuple[Tensor, Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state(spec.device) if spec.is_on_gpu else None


def _set_random_state(state: tuple[Tensor, Tensor | None], spec: TrainingSpec) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], spec.device)
