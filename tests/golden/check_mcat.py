"""Goldens of MCAT: every stage, both maps, the prediction, loss and gradients."""

import torch
from torch import Tensor

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import SurvivalModel
from prognoscope.models.checkpoints.loading import load_released

from .case import Case, same_gradients, same_survival, target

STAGES = {
    "path_bag": "patches",
    "omic_bag": "gene_groups",
    "coattn_tokens": "guided_tokens",
    "path_tokens": "patch_tokens",
    "omic_tokens": "gene_tokens",
    "path_embed": "patch",
    "omic_embed": "gene",
    "fused": "fused",
}
POOLS = {"pool_path": "patch_pool", "pool_omic": "gene_pool"}


def check_mcat(case: Case) -> None:
    assert case.meta.get("coattn_heads", 1) == 1
    model = load_guided("mcat", case)
    inputs = guided_inputs(case)
    output = model(inputs)
    case.same(output.details["coattention_logits"].mT, "coattn_raw")
    case.same(output.details["coattention"].mT, "coattn")
    same_guided(case, model, inputs, output)


def load_guided(name: str, case: Case, **options) -> SurvivalModel:
    """The model with the golden's weights; what its shapes do not tell comes from `meta`."""
    model = load_released(name, case.weights, heads=case.meta["num_heads"], **options)
    assert len(model.summaries.patches.transformer.layers) == case.meta["num_layers"]
    return model


def guided_inputs(case: Case) -> Inputs:
    """One patient, whose bag asks for its gradient."""
    bag, n_groups = case["in:path"].requires_grad_(), len(case.meta["omic_sizes"])
    genes = tuple(case[f"in:omic{k}"][None] for k in range(1, n_groups + 1))
    return Inputs(Bags(bag, torch.tensor([len(bag)])), genes)


def same_guided(case: Case, model: SurvivalModel, inputs: Inputs, output: Output) -> None:
    """Stages, pooling weights, prediction, loss and gradients: all that MCAT and MOTCat have in common."""
    for theirs, ours in STAGES.items():
        case.same(output.details[ours], theirs)
    for theirs, ours in POOLS.items():
        case.same(output.details[f"{ours}_logits"], f"{theirs}_raw")
        if f"out:{theirs}" in case.arrays:
            case.same(output.details[ours], theirs)
    same_survival(case, output)
    loss = model.survival_loss(output, target(case["in:label"], case["in:censorship"])).mean()
    case.same(loss, "nll")
    loss.backward()
    first_weight = model.genes[0][0][0].weight.grad
    gradients: dict[str, Tensor] = {"grad_path": inputs.bags.values.grad, "grad_first_omic_weight": first_weight}
    golden = {name: case[f"out:{name}"] for name in gradients if f"out:{name}" in case.arrays}
    assert golden
    same_gradients(golden, gradients.__getitem__)
