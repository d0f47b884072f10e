"""A recipe -> the optimiser, the rate of each epoch, and what is done to gradients before a step."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam, AdamW, Optimizer, RAdam

from prognoscope.core.errors import ModelError, nearest
from prognoscope.models.base import SurvivalModel
from prognoscope.models.recipe import Recipe


def make_optimizer(model: SurvivalModel, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser, with a group of parameters for each learning rate factor of the recipe and the model.

    Raises:
        ModelError: A learning rate factor or a norm of the recipe is for no parameter of the model.
    """
    check_parts(model, recipe)
    own = model.profile.learning_rate_factors
    wanted = [*recipe.learning_rate_factors.items(), *own.items()]  # the first match counts
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        factors = [factor for prefix, factor in wanted if _is_in(name, prefix)]
        groups.setdefault(factors[0] if factors else 1.0, []).append(parameter)
    parameters = [{"params": values, "factor": factor} for factor, values in groups.items()]
    decay = recipe.weight_decay
    if recipe.optimizer == "sgd":
        return SGD(parameters, lr=1.0, momentum=recipe.momentum, weight_decay=decay, fused=True)
    if recipe.optimizer == "radam":  # which torch has no fused form of; a call for all parameters is next best
        return RAdam(
            parameters, lr=1.0, betas=recipe.betas, weight_decay=decay, decoupled_weight_decay=True, foreach=True
        )
    kind = AdamW if recipe.optimizer == "adamw" else Adam
    return kind(parameters, lr=1.0, betas=recipe.betas, weight_decay=decay, fused=True)


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The rate of an epoch under the recipe's schedule, which begins after the epochs in which the rate rises.

    In w epochs of rising, epoch t has the share (t + 1) / (w + 1) of the full rate.
    """
    if epoch < recipe.warm_up_epochs:
        return recipe.learning_rate * (epoch + 1) / (recipe.warm_up_epochs + 1)
    epoch, epochs = epoch - recipe.warm_up_epochs, recipe.epochs - recipe.warm_up_epochs
    shares = {
        "constant": lambda: 1.0,
        "cosine": lambda: 0.5 * (1 + math.cos(math.pi * epoch / epochs)),
        "step": lambda: 1.0 if epoch < recipe.step_epochs else 0.1,
        "linear": lambda: 1 - (epoch + 1) / (epochs + 1),
    }
    return recipe.learning_rate * shares[recipe.schedule]()


def set_learning_rate(optimizer: Optimizer, recipe: Recipe, epoch: int) -> None:
    """Give every group of parameters its rate for the epoch."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, epoch) * group["factor"]


@torch.no_grad()
def finish_gradients(model: SurvivalModel, recipe: Recipe) -> None:
    """Add the gradient of the recipe's L1 term to the gradients of a step, then limit the norm of each part's.

    The L1 term is over all weights that are trained, biases included; those that the loss did not reach are drawn to 0
    as well. A weight belongs to the first part of `recipe.clip_norm` that it is in.
    """
    if recipe.l1:
        for weight in model.parameters():
            if weight.requires_grad:
                pull = recipe.l1 * weight.sign()
                weight.grad = pull if weight.grad is None else weight.grad.add_(pull)
    for part, most in _parts(model, recipe.clip_norm).items():
        clip_grad_norm_(part, most)


def _parts(model: SurvivalModel, norms: Mapping[str, float]) -> dict[tuple[Tensor, ...], float]:
    """The parameters of each part that has a largest norm; "" is whatever is in no other."""
    named = [prefix for prefix in norms if prefix]
    members: dict[str, list[Tensor]] = {prefix: [] for prefix in norms}
    for name, weight in model.named_parameters() if norms else ():
        part = next((prefix for prefix in named if _is_in(name, prefix)), "")
        if part in members:
            members[part].append(weight)
    return {tuple(weights): norms[prefix] for prefix, weights in members.items() if weights}


def check_parts(model: SurvivalModel, recipe: Recipe) -> None:
    """Refuse factors and norms for parts that a network does not have.

    Raises:
        ModelError: There is one; names the nearest part.
    """
    names = [name for name, _ in model.named_parameters()]
    for key in ("learning_rate_factors", "clip_norm"):
        for prefix in getattr(recipe, key):
            if (prefix or key != "clip_norm") and not any(_is_in(name, prefix) for name in names):
                parts = dict.fromkeys(name.split(".")[0] for name in names)
                raise ModelError(f"{key} names {prefix!r}, which is no part of the network; {nearest(prefix, parts)}")


def _is_in(name: str, part: str) -> bool:
    return f"{name}.".startswith(f"{part}.")
