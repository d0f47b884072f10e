"""Goldens of MCTI's released variant: the whole model, its blocks and its parts."""

import torch
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.layers.snn import snn_block
from prognoscope.models.layers.transport import squared_distances, unbalanced_plan, uniform
from prognoscope.models.mcti.matched_attention import Bottleneck, DecoderBlock, EncoderBlock, MatchedAttention
from prognoscope.models.mcti.names import fill
from prognoscope.models.mcti.released_names import effective, place
from prognoscope.models.mcti.released_network import Slots, flow_between, shifted_cost

from .case import Case
from .check_mcti import relative


def check_mcti_released(case: Case) -> None:
    meta = case.meta
    transport = {"uot_reg_type": meta["uot_reg_type"]}
    transport |= {"uot_reg": meta["ot_attn"]["reg"], "uot_penalty": meta["ot_attn"]["reg_m"]}
    model = load_released("mcti", case.weights, **transport)
    assert model.network.k == meta["embed_num"]
    assert [len(block.guide) for block in model.network.encoder] == meta["num_blocks"]
    inputs = Inputs(Bags(case["in:bag"], torch.tensor([len(case["in:bag"])])), (case["in:gene"][None],))
    output, record = model(inputs), model.stages(inputs)
    relative(case, output.details["patch_logits"], "instance_logits")
    assert torch.equal(output.details["topk_index"][0], case["out:topk_index"])
    alone = {"bag_proj": "slots_pooled", "wsi_encode": "slots_mixed", "wsi_embed": "slots"}
    alone |= {"gene_encode": "gene_encoded", "gene_tokens": "gene_tokens"}
    for theirs, ours in alone.items():
        relative(case, record[ours][0], theirs)
    relative(case, record["flow"][0].T, "uot_flow_T")
    stages = {"start": ("x0", "cls0", "surv0"), "bottleneck": ("bottleneck_x",)}
    for i in range(meta["stage"]):
        stages |= {f"{ours}.{i}": [f"{theirs}{i}_{s}" for s in ("x", "cls", "surv")] for ours, theirs in COVERS}
    for block, (share, *tasks) in stages.items():
        relative(case, record[f"{block}.share"][0], share)
        for stream, name in enumerate(tasks):
            relative(case, record[f"{block}.tasks"][stream], name)
    blocks = ["encoder.{}", "decoder.{}"]
    order = [blocks[0].format(i) for i in range(meta["stage"])] + ["bottleneck"]
    order += [blocks[1].format(i) for i in range(meta["stage"])]
    same_matchings(case, torch.cat([in_order(record[f"{block}.matching"]) for block in order]))
    relative(case, output.subtype_logits, "cls_logits")
    relative(case, output.logits, "surv_logits")
    for name, ours in {"hazards": output.hazard, "survival": output.survival, "risk": output.risk}.items():
        case.same(ours, name)


COVERS = (("encoder", "enc"), ("decoder", "dec"))


def check_mcti_encblock(case: Case) -> None:
    block = block_of(case, "encoder_layers.0.0", EncoderBlock(case.meta["d"], case.meta["num_blocks"]))
    tasks, share, maps = block(tasks_of(case), case["in:x"][None])
    for stream, task in enumerate(("cls", "surv")):
        relative(case, maps["refined"][stream], f"{task}_AB")
        relative(case, tasks[stream], task)
    relative(case, share[0], "x")
    same_matchings(case, in_order(maps["matching"]))


def check_mcti_bottleneck(case: Case) -> None:
    block = block_of(case, "bottleneck", Bottleneck(case.meta["d"], case.meta["num_blocks"]))
    share, maps = block(tasks_of(case), case["in:x"][None])
    relative(case, share[0], "x")
    same_matchings(case, in_order(maps["matching"]))


def check_mcti_decblock(case: Case) -> None:
    block = block_of(case, "decoder_leyers.0.0", DecoderBlock(case.meta["d"], case.meta["num_blocks"]))
    share, skip = case["in:x"]
    tasks, share, maps = block(tasks_of(case), share[None, None], skip[None, None])
    relative(case, maps["refined"][:, 0], "x_AB")
    for stream, task in enumerate(("cls", "surv")):
        relative(case, maps["objective"][stream], f"objective_{task}")
        relative(case, tasks[stream], task)
    relative(case, share[0], "x")
    same_matchings(case, in_order(maps["matching"]))


def check_mcti_tgmsa(case: Case) -> None:
    d = case.meta["d"]
    layer = MatchedAttention(1, d)
    published = {f"bottleneck.cls_TGAB.blocks.0.0.fn.{name}": value for name, value in case.weights.items()}
    spot = {name: at(name, d, "bottleneck.guide.0.attend.") for name in published}
    fill(layer, published, spot.__getitem__)
    x, objective = (case[f"in:{name}"][None].requires_grad_() for name in ("x", "task_x"))
    y, matching = layer(x, objective)
    (y * case["in:grad_y"]).sum().backward()
    relative(case, y[0], "y")
    same_matchings(case, matching[0], one=True)
    plan = nn.functional.one_hot(matching[0, 0], matching.shape[2]) / matching.shape[2]
    case.same(plan, "plan")
    values = layer.to_qkv(x).chunk(3, dim=-1)[2]
    cost = squared_distances(objective[0], values[0])[0]
    relative(case, (cost - cost.mean()) / cost.std(correction=0), "cost_standardised")
    gradients = {"grad_x": x.grad[0], "grad_task_x": objective.grad[0]}
    parameters = dict(layer.named_parameters())
    for name, (ours, index) in spot.items():
        gradients["grad:" + name.removeprefix("bottleneck.cls_TGAB.blocks.0.0.fn.")] = parameters[ours].grad[index]
    for name, ours in gradients.items():
        theirs = case[f"out:{name}"]
        worst = (ours.reshape(theirs.shape) - theirs).abs().max()
        assert worst <= 1e-4 * theirs.abs().max(), f"{name} is off by {worst:.2e}"


def check_mcti_dsmilenc(case: Case) -> None:
    meta = case.meta
    slots = Slots(meta["d"], meta["n_classes"], meta["k"], meta["q_dim"])
    fill(slots, effective(case.weights), lambda name: at(name, meta["d"], "slots."))
    seen = slots(Bags(case["in:bag"], torch.tensor([len(case["in:bag"])])))
    assert torch.equal(seen.chosen[0], case["out:topk_index"])
    found = {"bag_proj": seen.pooled[0], "wsi_encode": seen.mixed[0], "wsi_embed": seen.slots[0]}
    found |= {"instance_logits": seen.patch_logits, "attention": seen.attention}
    for name, ours in found.items():
        relative(case, ours, name)


def check_mcti_geneenc(case: Case) -> None:
    hidden, heads = case.meta["hidden"], case.meta["heads"]
    encoder = nn.Module()
    encoder.genes = nn.Sequential(snn_block(case.meta["gene_dim"], hidden), snn_block(hidden, hidden, 0.0))
    encoder.gene_values = nn.Linear(hidden, hidden)
    fill(encoder, effective(case.weights), lambda name: place(name, hidden // heads))
    encoder.eval()
    encoded = encoder.genes(case["in:gene"][None])
    relative(case, encoded[0], "gene_encode")
    relative(case, encoder.gene_values(encoded)[0].view(heads, -1), "gene_tokens")


def check_mcti_uotcoattn(case: Case) -> None:
    path, gene = case["in:path"][None], case["in:gene"][None]
    prices = {"reg": case.meta["reg"], "marginal_penalty": case.meta["reg_m"]}
    cost = shifted_cost(path, gene)
    relative(case, cost[0], "cost")
    relative(case, (cost / cost.max())[0], "cost_over_max")
    masses = [uniform(torch.ones(1, x.shape[1], dtype=torch.float64)) for x in (path, gene)]
    for kind in [kind for kind in ("entropy", "kl") if f"out:flow_T_{kind}" in case.arrays]:
        flow = flow_between(path, gene, **prices, regularizer=kind)[0]
        relative(case, flow.T, f"flow_T_{kind}")
        relative(case, flow.T @ path[0], f"wsi_x_{kind}")
        relative(case, (flow * cost[0]).sum(), f"dist_{kind}")
        exact = unbalanced_plan(
            case["out:cost_over_max"][None].double(),
            *masses,
            **prices,
            regularizer=kind,
            tolerance=1e-15,
            most_rounds=20_000,
        )
        case.same(exact[0].T, f"flow_T_{kind}_converged", atol=1e-9)


def tasks_of(case: Case) -> Tensor:
    return torch.stack([case["in:cls"], case["in:surv"]])


def in_order(matching: Tensor) -> Tensor:
    """Matchings (blocks, 2, 1, n) as the release calls for them: all of the subtype's blocks, then survival's."""
    return matching.transpose(0, 1).flatten(0, 2)


def same_matchings(case: Case, ours: Tensor, *, one: bool = False) -> None:
    theirs = case["out:emd_match"].long()
    assert torch.equal(ours[0] if one else ours, theirs)


def at(name: str, d: int, prefix: str) -> tuple[str, tuple]:
    ours, index = place(name, d)
    assert ours.startswith(prefix), ours
    return ours.removeprefix(prefix), index


def block_of(case: Case, theirs: str, block: nn.Module) -> nn.Module:
    """The block with the golden's weights, named as in the whole model under `theirs`."""
    state = effective({f"{theirs}.{name}": value for name, value in case.weights.items()})
    depth = 2 if "leyers" in theirs or "layers" in theirs else 1
    prefix = ".".join(place(next(iter(state)), case.meta["d"])[0].split(".")[:depth]) + "."
    fill(block, state, lambda name: at(name, case.meta["d"], prefix))
    return block
