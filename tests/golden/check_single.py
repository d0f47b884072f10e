"""Goldens of the methods that see one modality."""

from functools import partial

from prognoscope.core.losses import discrete_nll
from prognoscope.models.abmil import names as abmil
from prognoscope.models.checkpoints.loading import load_released, rename

from .case import Case, genes_only, one_bag, same_survival, target


def check_abmil(case: Case) -> None:
    model = load_released("abmil", case.weights)
    output = model(one_bag(case["in:x"]))
    same_survival(case, output)
    case.same(output.details["attention_logits"], "attention_raw")
    case.same(output.attention["patches"], "attention")
    case.same(output.details["patches"], "h")
    case.same(output.details["embedding"], "pooled")
    loss = discrete_nll(output.logits, target(case["in:label"], case["in:censorship"])).mean()
    case.same(loss, "loss_nll")
    loss.backward()
    case.same_gradients(model, partial(rename, names=abmil.NAMES))


def check_snn(case: Case) -> None:
    output = load_released("snn", case.weights)(genes_only(case["in:x_omic"]))
    case.same(output.details["features"], "features")
    same_survival(case, output)


def check_snntrans(case: Case) -> None:
    options = {"landmarks": case.meta["landmarks"], "steps": case.meta["pinv_iterations"]}
    model = load_released("snntrans", case.weights, **options, **case.options("encoder", "attention"))
    groups = [case[f"in:omic{k}"] for k in range(1, len(case.meta["omic_sizes"]) + 1)]
    output = model(genes_only(*groups))
    case.same(output.details["g"], "g")
    case.same(output.details["tokens"], "geno_tokens")
    same_survival(case, output)


def check_pooled(case: Case) -> None:
    variant = "released" if case.meta["check"].endswith("pool_mlp") else "paper"
    output = load_released(case.meta["method"], case.weights, variant=variant)(one_bag(case["in:x_path"]))
    for theirs, ours in {"slide": "slide", "patch_embed": "patches"}.items():
        if f"out:{theirs}" in case.arrays:
            case.same(output.details[ours], theirs)
    same_survival(case, output)
