"""Goldens of CCL: clustering, alignment, both variants, both levels of guidance, and a training."""

import torch
from torch import Tensor
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.losses import discrete_nll
from prognoscope.models.ccl.cohort_bank import CohortBank, cohort_loss
from prognoscope.models.ccl.knowledge import Interaction, knowledge_loss
from prognoscope.models.ccl.names import load, rename
from prognoscope.models.ccl.network import CCL
from prognoscope.models.ccl.variants import CHOICES
from prognoscope.models.layers.kmeans import in_slots, kmeans, nearest_patches, slots_of

from .case import Case, one_bag, same_gradients, same_survival, target

NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0}


def check_ccl_kmeans(case: Case) -> None:
    for name in case.meta["cases"]:
        bags = one_bag(case[f"in:{name}:X"]).bags
        rows = nearest_patches(bags, case[f"in:{name}:anchor"])
        assert torch.equal(rows[0], case[f"out:{name}:init_index"]), name
        found = kmeans(bags, bags.values[rows], empty="zero")
        assert torch.equal(found.cluster, case[f"out:{name}:assign"]), name
        assert found.rounds.item() == case[f"out:{name}:iters"].item(), name
        case.same(found.centres, f"{name}:centers")


def check_ccl_alignment(case: Case) -> None:
    k, dim = case.meta["k"], case.meta["dim"]
    model = CCL(
        dim, (1,), 2, k=k, tau=case.meta["tau"], d=8, gene_hidden=8, anchor=case["in:anchor0"][0], ablation="cca"
    )
    for i, centres in enumerate(case["in:centers"]):
        cost = torch.cdist(centres, model.anchor, p=1)
        assert_close(cost, case["out:cost_l1"][i], atol=1e-5, rtol=1e-6)
        slots = slots_of(centres[None], model.anchor)
        assert torch.equal(slots[0], case["out:center_to_slot"][i])
        aligned = in_slots(centres[None], slots)
        assert torch.equal(aligned[0], case["out:aligned"][i])
        model.remember({"centres": aligned})
        assert_close(model.anchor, case["out:anchor_after"][i], atol=1e-5, rtol=0)


def check_ccl_interaction(case: Case) -> None:
    encoder = Interaction(case.meta["dim"])
    names = {"geno_fc": "gene", "path_fc": "slide", "geno_atten": "gene_gate", "path_atten": "slide_gate"}
    encoder.load_state_dict({_prefixed(name, names): value for name, value in case.weights.items()})
    gene, slide = (case[f"in:{name}"][0].requires_grad_() for name in ("F_g", "F_p"))
    component = encoder(gene, slide)
    case.same(component, "component")
    for i, name in enumerate(("geno_gate", "path_gate")):
        case.same(encoder.gates(gene, slide)[:, i], name)
    (component * case["in:cotangent"][0]).sum().backward()
    gradients = {"grad_F_g": gene.grad, "grad_F_p": slide.grad}
    for theirs, layer in {"geno": encoder.gene_gate, "path": encoder.slide_gate}.items():
        gradients[f"grad_{theirs}_atten_weight"] = layer.weight.grad
        gradients[f"grad_{theirs}_atten_bias"] = layer.bias.grad
    for name, ours in gradients.items():
        _same_gradient(ours, case[f"out:{name}"], name)


def check_ccl_forward(case: Case) -> None:
    model, inputs = _model_and_inputs(case)
    output, seen = model(inputs), model.stages(inputs)
    bags, slots = inputs.bags, seen["slots"]
    assert torch.equal(nearest_patches(bags, model.anchor)[0], case["out:kmeans_init_index"])
    found = kmeans(bags, bags.values[nearest_patches(bags, model.anchor)], empty="zero")
    assert found.rounds.item() == case["out:kmeans_iters"].item()
    assert torch.equal(found.cluster, case["out:kmeans_assign"])
    assert torch.equal(seen["patch_slot"], slots[0][found.cluster])
    case.same(found.centres, "kmeans_centers")
    assert_close(torch.cdist(found.centres[0], model.anchor, p=1), case["out:cost_l1"], atol=1e-5, rtol=1e-6)
    assert torch.equal(slots[0], case["out:center_to_slot"])
    groups = [snn(group) for snn, group in zip(model.group_snns, inputs.omics, strict=True)]
    case.same(torch.stack(groups, dim=1), "geno_tokens")
    case.same(seen["gene_tokens"], "geno_tokens2")
    case.same(seen["slide_tokens"], "path_tokens")
    names = ("common", "synergy", "token3_geno_spec_module", "token4_path_spec_module")
    for name, ours in zip(names, output.details["components"][0], strict=True):
        case.same(ours, name)
    for i, encoder in enumerate(("common", "synergy")):
        for j, modality in enumerate(("geno", "path")):
            case.same(seen["gates"][0, i, j], f"{encoder}_{modality}_gate")
    for i in range(len(model.fusion)):
        case.same(seen["tokens"][i + 1], f"tokens_layer{i + 1}")
        layer = model.fusion[i]
        case.same(layer.attend.map(layer.norm(seen["tokens"][i, 0])), f"layer{i + 1}_attn_padded")
    _same_summaries(case, model, output, seen)


def check_ccl_paper(case: Case) -> None:
    model, inputs = _model_and_inputs(case)
    output, seen = model(inputs), model.stages(inputs)
    for name, ours in zip(("common", "synergy", "G", "P"), output.details["components"][0], strict=True):
        case.same(ours, name)
    for i in range(len(model.fusion)):
        case.same(seen["fusion_attention"][i], f"layer{i + 1}_attn")
    _same_summaries(case, model, output, seen)


def check_loss_ccl_cohort(case: Case) -> None:
    groups, length, temperature = (case.meta[name] for name in ("groups", "bank_length", "temperature"))
    for name in case.meta["cases"]:
        components = case[f"in:{name}:components"].requires_grad_()
        gene, slide = case[f"in:{name}:F_g"][0], case[f"in:{name}:F_p"][0]
        truth = target(case[f"in:{name}:label"], case[f"in:{name}:censored"])
        oneself = torch.tensor([10_000])
        bank = CohortBank(groups, length, components.shape[1:])
        for i in range(groups):
            history = case[f"in:{name}:history_{i}"]
            bank.push(history, torch.full((len(history),), i), torch.arange(len(history)))

        def loss_of(order, pool, similarity="elementwise", *, bank=bank, z=components, truth=truth, oneself=oneself):
            neighbours = bank.neighbours(truth.bin, truth.event, oneself, order)
            itself = ~truth.event if order == "push_first" else None
            return cohort_loss(
                z,
                bank.entries.flatten(0, 1),
                neighbours,
                with_itself=itself,
                pool=pool,
                similarity=similarity,
                temperature=temperature,
            )

        mean, released = knowledge_loss(components, gene, slide), loss_of("push_first", "joint")
        pairs = {
            "out l_k": mean,
            "out l_p": released,
            "out total": mean + released,
            "paper l_k_sum": knowledge_loss(components, gene, slide, "sum"),
            "paper l_p": loss_of("loss_first", "component"),
            "paper l_p_cosine": loss_of("loss_first", "component", "cosine"),
        }
        for pair, ours in pairs.items():
            kind, loss = pair.split()
            assert_close(ours[0].detach(), case[f"{kind}:{name}:{loss}"], atol=1e-5, rtol=0)
            if f"{kind}:{name}:grad_{loss}" in case.arrays:
                (gradient,) = torch.autograd.grad(ours.sum(), components, retain_graph=True)
                _same_gradient(gradient[0], case[f"{kind}:{name}:grad_{loss}"], f"{name} {pair}")
        bank.push(components, truth.bin, oneself)
        for i in range(groups):
            assert torch.equal(bank.queue(i), case[f"in:{name}:bank_after_push_{i}"]), name


def check_ccl_train_sequence(case: Case) -> None:
    meta = case.meta
    options = case.options("bank_length", "tau", "variant", "heads", "alpha", "temperature") | NO_DROPOUT
    model = load(case.weights, anchor=case["in:anchor0"][0], **options).train()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=meta["lr"], weight_decay=meta["weight_decay"], momentum=meta["momentum"]
    )
    for i in range(meta["steps"]):
        inputs = _inputs(case[f"in:x_path_{i}"], case[f"in:x_omic_{i}"], meta["omic_sizes"])
        truth = Target(case["in:label"][i : i + 1], case["in:censored"][i : i + 1] == 0, torch.ones(1), None, (), None)
        output = model(inputs)
        nll, extra = discrete_nll(output.logits, truth, clamp=True), sum(model.extra_losses(output, truth).values())
        pairs = {"hazards": output.hazard[0], "loss": (nll + extra)[0], "nll": nll[0], "cohort": extra[0]}
        for name, ours in {**pairs, "components": output.details["components"][0]}.items():
            assert_close(ours.detach(), case[f"out:{name}"][i], atol=case.atol, rtol=1e-5)
        optimizer.zero_grad()
        (nll + extra).sum().backward()
        if i == 0:
            _same_first_gradients(case, model)
        kept = model.to_remember(output, truth)
        optimizer.step()
        model.remember(kept)
        assert_close(model.anchor, case["out:anchor"][i], atol=case.atol, rtol=0)
        sizes = [len(model.bank.queue(group)) for group in range(meta["n_classes"])]
        assert sizes == case["out:bank_sizes"][i].tolist()
    for group in range(meta["n_classes"]):
        assert_close(model.bank.queue(group), case[f"out:bank_{group}"], atol=case.atol, rtol=0)
    ours = model.state_dict()
    for name, theirs in case.named("out").items():
        if name.startswith("w_final:"):
            value = ours[rename(name.removeprefix("w_final:"))]
            assert_close(value, theirs.view_as(value), atol=case.atol, rtol=0)


def _model_and_inputs(case: Case) -> tuple[CCL, Inputs]:
    meta = case.meta
    options = case.options(
        "fusion_attention", "interaction_value", "swap_specific", "align", "center_cache", "heads", "empty_cluster"
    )
    if options.get("empty_cluster") not in CHOICES["empty_cluster"]:  # "not exercised"
        options.pop("empty_cluster", None)
    model = load(case.weights, anchor=case["in:anchor"][0], variant=meta["variant"], **options)
    return model, _inputs(case["in:x_path"], case["in:x_omic"], meta["omic_sizes"])


def _inputs(x_path: Tensor, x_omic: Tensor, sizes: list[int]) -> Inputs:
    return Inputs(Bags(x_path[0], torch.tensor([x_path.shape[1]])), x_omic.split(sizes, dim=1))


def _same_summaries(case: Case, model: CCL, output, seen: dict[str, Tensor]) -> None:
    case.same(output.details["gene"], "F_g")
    case.same(output.details["slide"], "F_p")
    case.same(output.details["centres"], "aligned_centers")
    case.same(seen["tokens"][0], "tokens_in")
    case.same(model.fusion_norm(seen["tokens"][-1][:, 0]), "cls_out")
    same_survival(case, output)


def _same_first_gradients(case: Case, model: CCL) -> None:
    ours = dict(model.named_parameters())
    outputs = case.named("out").items()
    golden = {name.removeprefix("grad0:"): theirs for name, theirs in outputs if name.startswith("grad0:")}

    def gradient_of(name: str) -> Tensor | None:
        parameter = ours.get(rename(name))
        return torch.zeros_like(golden[name]) if parameter is None else parameter.grad  # the pool's bias: a buffer

    same_gradients(golden, gradient_of)


def _same_gradient(ours: Tensor, theirs: Tensor, name: str) -> None:
    worst = (ours - theirs.view_as(ours)).abs().max()
    assert worst <= 1e-4 * theirs.abs().max() + 1e-7, f"the gradient {name} is off by {worst:.2e}"


def _prefixed(name: str, names: dict[str, str]) -> str:
    first, rest = name.split(".", 1)
    return f"{names[first]}.{rest}"
