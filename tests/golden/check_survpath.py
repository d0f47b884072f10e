"""Goldens of SurvPath."""

import torch

from prognoscope.core.batch import Inputs
from prognoscope.models.checkpoints.loading import load_released

from .case import Case, one_bag, same_gradients, same_survival, target


def check_survpath(case: Case) -> None:
    model = load_released("survpath", case.weights, **case.options("variant", "pool", "attention"))
    patches = case["in:path"].requires_grad_()
    omics = tuple(case[f"in:omic{s}"].reshape(1, -1) for s in range(1, len(case.meta["pathway_sizes"]) + 1))
    inputs = Inputs(one_bag(patches).bags, omics)
    output, stages = model(inputs), model.stages(inputs)
    same_survival(case, output)
    details, n = output.details, len(omics)
    tokens = torch.cat([details["pathway_tokens"][0], details["patch_tokens"]])
    case.same(tokens, "tokens")
    case.same(torch.cat([stages["attended_pathways"][0], stages["attended_patches"]]), "attended")
    case.same(torch.cat([stages["pathways"][0], stages["patches"]]), "tokens_out")
    case.same(details["embedding"], "embedding")
    case.same(stages["raw_pathway_to_pathway"], "raw_pathway_to_pathway")
    case.same(stages["raw_pathway_to_patch"].T, "raw_pathway_to_patch")
    case.same(stages["raw_patch_to_pathway"], "raw_patch_to_pathway")
    to_all = torch.cat([details["pathway_to_pathway"][0], output.attention["pathway_to_patch"].T], dim=1)
    case.same(to_all, "attn_pathway")
    case.same(output.attention["patch_to_pathway"], "attn_patch")
    assert to_all.shape[0] == n
    outcome = target(case["in:label"], case["in:censorship"])
    loss = model.survival_loss(output, outcome, **case.options("alpha"))
    case.same(loss, "nll")
    loss.sum().backward()
    first = model.pathways.first.grad[: omics[0].shape[1]].T
    gradients = {"path": patches.grad, "first_omic_weight": first}
    same_gradients({name: case[f"out:grad_{name}"] for name in gradients}, gradients.__getitem__)
