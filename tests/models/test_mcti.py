"""MCTI's laws: patients keep apart, equal tokens may be one, options do what they say."""

from dataclasses import replace

import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bag, Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.creation import create_model
from prognoscope.models.mcti.guided_attention import GuidedAttention, GuidedAttentionSpec, Tokens
from prognoscope.models.mcti.names import place
from prognoscope.models.mcti.paper import MCTIPaper
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import card_of
from prognoscope.training.step import losses_of

from .mcti_patients import batch_of, gradients, loss_of

SMALL = {"k": 6, "d": 16, "gene_hidden": 8, "layers": 2, "gene_groups": 3, "gene_heads": 2, "query_dim": 8}
OPTIONS = [
    {},
    {"select": "attention"},
    {"select": "random"},
    {"gene_grouping": False},
    {"aux_task": "survival"},
    {"aux_task": "none"},
    {"tga": False},
    {"intra": "channel"},
    {"guidance": "gate"},
    {"ot": "emd"},
    {"ot_grad": "unroll"},
    {"ot_grad": "none"},
    {"gene_init": "zero"},
    {"gene_init": "rand", "heads": 2, "ff_ratio": 2, "d": 10},
]
NAMES = [",".join(f"{key}={value}" for key, value in options.items()) or "default" for options in OPTIONS]


def model_with(**options):
    with seeded(0):
        return MCTIPaper(10, (4, 5), 4, 3, **{**SMALL, **options}).eval()


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=3)
def test_patients_in_one_batch_equal_patients_alone_forward_and_backward(options, lengths, seed):
    inputs, target = batch_of(lengths, seed)
    together, apart = model_with(**options), model_with(**options)
    output, alone = together(inputs), [apart(one) for one in inputs.split()]
    assert_close(output.logits, torch.cat([one.logits for one in alone]), atol=1e-5, rtol=1e-5)
    for name, each in output.attention.items():
        assert_close(each, torch.cat([one.attention[name] for one in alone]), atol=1e-5, rtol=1e-5)
    index = torch.cat([one.details["topk_index"] for one in alone])
    assert torch.equal(output.details["topk_index"], index)
    loss_of(together, inputs, target).sum().backward()
    for one, its_target in zip(inputs.split(), target.split(), strict=True):
        loss_of(apart, one, its_target).sum().backward()
    ours, theirs = gradients(together), gradients(apart)
    largest = max(each.abs().max().item() for each in ours.values())
    assert ours.keys() == theirs.keys()
    for name, each in ours.items():
        assert_close(each, theirs[name], atol=1e-5 * largest, rtol=1e-4)


def test_bags_of_one_and_of_20000_patches_in_one_batch_equal_bags_alone():
    inputs, target = batch_of([1, 20_000, 5, 700])
    together, apart = model_with(), model_with()
    alone = torch.cat([apart(one).logits for one in inputs.split()])
    assert_close(together(inputs).logits, alone, atol=1e-5, rtol=1e-5)
    loss_of(together, inputs, target).sum().backward()
    for one, its_target in zip(inputs.split(), target.split(), strict=True):
        loss_of(apart, one, its_target).sum().backward()
    largest = max(each.abs().max().item() for each in gradients(together).values())
    for name, each in gradients(together).items():
        assert_close(each, gradients(apart)[name], atol=1e-5 * largest, rtol=1e-4)


@pytest.mark.parametrize(
    "options", [{}, {"intra": "channel"}, {"guidance": "gate"}, {"tga": False}, {"heads": 2}], ids=str
)
def test_one_gene_token_that_counts_k_times_equals_k_equal_gene_tokens(options):
    inputs, target = batch_of([25, 4, 1, 9])
    one, many = model_with(**options), model_with(**options, gene_init="zero")
    many.load_state_dict(one.state_dict(), strict=False)
    assert_close(one(inputs).logits, many(inputs).logits, atol=1e-5, rtol=1e-5)
    assert_close(one(inputs).attention["survival"], many(inputs).attention["survival"], atol=1e-6, rtol=1e-4)
    for model in (one, many):
        loss_of(model, inputs, target).sum().backward()
    largest = max(each.abs().max().item() for each in gradients(one).values())
    for name, each in gradients(one).items():
        assert_close(each, gradients(many)[name], atol=1e-5 * largest, rtol=1e-4)


def test_inference_mode_predicts_what_training_code_sees():
    inputs, _ = batch_of([12, 2])
    model = model_with(ot_grad="unroll")
    with torch.inference_mode():
        logits = model(inputs).logits
    assert_close(logits, model(inputs).logits, atol=1e-5, rtol=1e-5)


def test_the_order_of_the_patches_does_not_matter():
    inputs, _ = batch_of([30])
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    shuffled = Inputs(inputs.bags.replace(inputs.bags.values[order]), inputs.omics)
    model = model_with()
    assert_close(model(shuffled).logits, model(inputs).logits, atol=1e-5, rtol=1e-5)
    assert_close(
        model(shuffled).attention["survival"], model(inputs).attention["survival"][order], atol=1e-6, rtol=1e-4
    )


IDLE = {  # parameters that an option leaves without anything to learn from
    "aux_task=survival": ("network.dsmil.",),
    "aux_task=none": ("network.dsmil.",),
}


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
def test_every_parameter_learns_but_those_an_option_leaves_idle(options):
    model = model_with(**options)
    inputs, target = batch_of([9, 12, 20, 5, 3])
    loss_of(model, inputs, target).sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    allowed = IDLE.get(",".join(f"{key}={value}" for key, value in options.items()), ())
    assert all(name.startswith(allowed) for name in idle), idle
    shared = model.network.tokens.grad[2]
    guided_without_gradient = not options.get("tga", True) or options.get("ot_grad") == "none" or "ot" in options
    assert bool(shared.any()) is not guided_without_gradient


def test_shared_stream_learns_only_through_the_plan_that_gates_or_reorders():
    inputs, target = batch_of([9, 12])
    model = model_with(ot="emd", guidance="gate")  # a gate lets the objective's own values through
    loss_of(model, inputs, target).sum().backward()
    assert model.network.tokens.grad[2].any()


def test_exact_guidance_moves_the_masses_that_pot_moves():
    k, n, d = 4, 9, 6
    generator = torch.Generator().manual_seed(3)
    block = GuidedAttention(1, d, GuidedAttentionSpec(ot="emd"))
    copies = torch.tensor([1] * k + [k] + [1] * k)
    tokens = Tokens(copies.float()[None], copies)
    objective, v = torch.randn(2, 1, 1, n, d, generator=generator).double()
    plan = block._plan(objective, v, tokens)[0, 0]
    mass = tokens.mass[0].double().numpy()
    cost = -(objective[0, 0] @ v[0, 0].T).numpy()
    theirs = ot.emd(mass / mass.sum(), mass / mass.sum(), cost - cost.min())
    assert_close(plan * tokens.mass[0].double()[:, None], torch.from_numpy(theirs), atol=1e-6, rtol=0)


def test_maps_on_request_have_rows_that_sum_to_one_and_leave_padding_out():
    inputs, _ = batch_of([20, 2])
    model = model_with(heads=2)
    record = model.stages(inputs)
    weight = record["token_weight"]
    assert weight.shape == (2, 13)
    assert weight[1, 2:6].sum() == 0
    for block in ("encoder.0", "encoder.1", "decoder.0", "decoder.1"):
        plan, attention = record[f"{block}.plan"], record[f"{block}.attention"]
        assert plan.shape == (2, 2, 13, 13) and attention.shape == (2, 2, 2, 13, 13)
        assert_close(plan.sum(-1), torch.ones(2, 2, 13))
        assert_close(attention.sum(-1), torch.ones(2, 2, 2, 13))
        assert not plan[:, 1, :, 2:6].any() and not attention[:, 1, :, :, 2:6].any()


def test_selected_patches_are_those_of_the_largest_logits_and_carry_the_importance():
    inputs, _ = batch_of([30, 3])
    output = model_with()(inputs)
    scores = output.details["patch_logits"].amax(dim=1)[:30]
    index = output.details["topk_index"]
    assert index[0].tolist() == scores.topk(6).indices.tolist()
    assert sorted(index[1].tolist()) == [-1, -1, -1, 0, 1, 2]
    importance = output.attention["survival"]
    assert set(importance[:30].nonzero()[:, 0].tolist()) == set(index[0].tolist())
    assert (inputs.bags.sum(importance) < 1).all()  # the genes and the learned tokens have the rest


def test_patches_are_explained_by_the_attention_of_the_predicted_subtype_or_else_by_survival():
    inputs, _ = batch_of([12, 5])
    output = model_with()(inputs)
    predicted = output.subtype_logits.argmax(dim=1)
    for i, (shown, all_classes) in enumerate(
        zip(
            *(inputs.bags.split(x) for x in (output.attention["patches"], output.details["patch_attention"])),
            strict=True,
        )
    ):
        assert torch.equal(shown, all_classes[:, predicted[i]])
    for aux_task in ("survival", "none"):
        output = model_with(aux_task=aux_task)(inputs)
        assert output.subtype_logits is None
        assert_close(inputs.bags.sum(output.attention["patches"]), torch.ones(2))


def test_a_patient_of_unknown_subtype_learns_from_survival_alone():
    inputs, target = batch_of([5, 8])
    model = model_with()
    unknown = Target(target.bin, target.event, target.time, torch.tensor([-1, 2]))
    losses = model.extra_losses(model(inputs), unknown)
    assert set(losses) == {"subtype", "dsmil_bag", "dsmil_instance"}
    assert all(loss[0] == 0 and loss[1] > 0 for loss in losses.values())
    nobody = Target(target.bin, target.event, target.time)
    assert not any(loss.any() for loss in model.extra_losses(model(inputs), nobody).values())


def test_a_patient_of_one_patch_without_event_or_subtype_still_teaches():
    inputs, _ = batch_of([1])
    censored = Target(torch.tensor([3]), torch.tensor([False]), torch.ones(1), torch.tensor([-1]))
    model = model_with()
    loss = loss_of(model, inputs, censored)
    loss.sum().backward()
    assert torch.isfinite(loss).all() and loss > 0
    assert all(torch.isfinite(each).all() for each in gradients(model).values())
    assert not model.network.auxiliary_head[1].weight.grad.any()


def test_a_batch_of_one_subtype_gives_finite_losses():
    inputs, target = batch_of([4, 9])
    same = Target(target.bin, target.event, target.time, torch.tensor([1, 1]))
    losses = model_with().extra_losses(model_with()(inputs), same)
    assert all(torch.isfinite(each).all() for each in losses.values())


def test_ablations_stand_in_the_papers_order_and_each_can_be_made():
    assert [each.row for each in card_of("mcti").ablations[:3]] == ["w/o WSI recon.", "w/o genes group.", "w/o TGA"]
    inputs, target = batch_of([4, 9])
    for each in card_of("mcti").ablations:
        model = model_with(**each.options)
        assert torch.isfinite(loss_of(model, inputs, target)).all()


def test_losses_are_weighted_as_the_options_say():
    inputs, target = batch_of([5, 8])
    output = model_with()(inputs)
    assert_close(
        model_with(alpha_task=0.3).survival_loss(output, target, alpha=0.2),
        0.3 * model_with().survival_loss(output, target, alpha=0.2),
    )
    two_heads = model_with(aux_task="survival")
    output = two_heads(inputs)
    assert output.details["auxiliary_logits"].shape == (2, 4)
    assert set(two_heads.extra_losses(output, target)) == {"auxiliary_survival"}
    assert model_with(aux_task="none").extra_losses(output, target) == {}


def test_without_tga_censored_patients_weigh_less_in_both_survival_heads():
    inputs, target = batch_of([5, 8])
    target = replace(target, event=torch.tensor([True, False]))
    model = model_with(aux_task="survival")
    with torch.no_grad():  # both heads of one network, so that their likelihoods must be equal
        output = model(inputs)
    same = replace(output, details=output.details | {"auxiliary_logits": output.logits})
    recipe = Recipe(nll_alpha=0.4)
    losses = losses_of(model, same, target, recipe)
    assert torch.equal(losses["survival"], losses["auxiliary_survival"])
    plain = losses_of(model, same, target, Recipe())
    assert not torch.equal(losses["auxiliary_survival"], plain["auxiliary_survival"])


def test_options_set_the_recipe_and_what_is_learned_from():
    assert create_model(
        "mcti", embedding_dim=10, group_sizes=(4,), n_bins=4, n_subtypes=2, **SMALL
    ).profile.learning_rate_factors == {"network.dsmil": 10.0}
    assert model_with(dsmil_lr_mult=1).profile.learning_rate_factors == {"network.dsmil": 1.0}
    assert model_with().profile.learns_from == {"subtype"}
    assert model_with(aux_task="none").profile.learns_from == frozenset()
    wide = MCTIPaper(8, (4,), 4, 2, preset="paper", k=2, layers=1, gene_groups=2)
    assert wide.network.tokens.shape == (3, 2, 1024)
    assert (wide.profile.recipe.learning_rate, model_with().profile.recipe.learning_rate) == (5e-5, 2e-4)


def test_embeddings_as_wide_as_a_token_are_not_projected():
    model = model_with(d=10)
    assert not list(model.network.project.parameters())


def test_random_patches_are_the_same_every_time_a_trained_model_predicts():
    inputs, _ = batch_of([30, 25])
    model = model_with(select="random")
    assert torch.equal(model(inputs).details["topk_index"], model(inputs).details["topk_index"])
    model.train()
    torch.manual_seed(0)
    assert not torch.equal(model(inputs).details["topk_index"], model(inputs).details["topk_index"])


def test_under_autocast_transport_and_attention_over_patches_stay_in_float32():
    inputs, target = batch_of([30, 3])
    model = model_with()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        record, output = model.stages(inputs), model(inputs)
    assert record["encoder.0.plan"].dtype == torch.float32
    assert_close(record["encoder.0.plan"].sum(-1), torch.ones(2, 2, 13))
    assert output.attention["patches"].dtype == torch.float32
    assert_close(output.hazard.float(), model(inputs).hazard, atol=0.05, rtol=0)
    sum([model.survival_loss(output, target), *model.extra_losses(output, target).values()]).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_bag_of_equal_patches_and_a_constant_objective_give_finite_numbers():
    inputs, target = batch_of([8, 2])
    same = Inputs(inputs.bags.replace(torch.ones(10, 10)), tuple(torch.zeros_like(g) for g in inputs.omics))
    model = model_with()
    with torch.no_grad():
        model.network.tokens.zero_()
    loss = loss_of(model, same, target)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_wrong_options_are_errors_that_say_what_to_do():
    sizes = {"embedding_dim": 10, "group_sizes": (4,), "n_bins": 4}
    with pytest.raises(ModelError, match="has no subtypes.*set aux_task: survival or none"):
        create_model("mcti", **sizes)
    with pytest.raises(ModelError, match="has 1 subtype\\."):
        create_model("mcti", **sizes, n_subtypes=1)
    assert create_model("mcti", **sizes, **SMALL, aux_task="none").profile.learns_from == frozenset()
    with pytest.raises(ModelError, match="no select 'instanse'; did you mean 'instance'"):
        create_model("mcti", **sizes, n_subtypes=2, select="instanse")
    with pytest.raises(ModelError, match="no preset 'papre'; did you mean 'paper'"):
        create_model("mcti", **sizes, n_subtypes=2, preset="papre")
    with pytest.raises(ModelError, match="width d=16 into gene_heads=3 equal parts"):
        create_model("mcti", **sizes, n_subtypes=2, **{**SMALL, "gene_heads": 3})
    with pytest.raises(ModelError, match="mcti cannot work with k=0. Give a whole number from 1 on"):
        create_model("mcti", **sizes, n_subtypes=2, k=0)
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model_with()(batch_of([3, 0])[0])
    inputs = batch_of([3, 4])[0]
    with pytest.raises(InputError, match="genes in all, not for"):
        model_with()(Inputs(inputs.bags, tuple(group[:, 1:] for group in inputs.omics)))


def test_a_model_written_by_published_names_is_read_back():
    model = model_with(gene_init="rand")
    ours, d = dict(model.network.named_parameters()), 16
    names = ["tok_cls", "tok_surv", "tok_share", "gene_bias", "dsmil.bag.weight", "dsmil.bag.bias"]
    layers = ["in_proj", "gene.snn.0", "gene.snn.1", "gene.msa.o", "gene.out", "dsmil.inst", "dsmil.q.0", "dsmil.q.2"]
    layers += [f"head_{task}.{part}" for task in ("cls", "surv") for part in ("norm", "fc")]
    names += [f"gene.msa.{letter}.weight" for letter in "qkv"] + [
        "enc.0.fuse.weight",
        "enc.1.fuse.weight",
        "dec.0.fuse.weight",
    ]
    for block in [f"{part}.{i}.{task}" for part in ("enc", "dec") for i in (0, 1) for task in ("cls", "surv")]:
        names += [f"{block}.to_{letter}.weight" for letter in "qkv"]
        layers += [f"{block}.{layer}" for layer in ("norm1", "norm2", "proj", "ff.0", "ff.2")]
    names += [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    state = {name: ours[place(name, d)[0]][place(name, d)[1]].detach().clone() for name in names}
    inputs, _ = batch_of([9, 3])
    assert torch.equal(load_released("mcti", state, gene_heads=2)(inputs).logits, model(inputs).logits)
    del state["enc.1.surv.to_k.weight"]
    with pytest.raises(ModelError, match=r"missing encoder\.1\.to_qkv\.weight; left over nothing"):
        load_released("mcti", state, gene_heads=2)


def test_a_checkpoint_that_lacks_or_has_too_much_is_named():
    with pytest.raises(ModelError, match="lacks 'tok_cls'"):
        load_released("mcti", {"dsmil.inst.weight": torch.zeros(2, 3)})
    with pytest.raises(ModelError, match=r"enc\.0\.cls\.what is none"):
        place("enc.0.cls.what", 4)


def planted(n, generator, directions):
    """Patients with 80 patches each, of which 15 lie in their subtype's direction; also which ones."""
    subtype = torch.randint(0, 2, (n,), generator=generator)
    patches = torch.randn(n, 80, 64, generator=generator)
    patches[:, :15] += 5 * directions[subtype][:, None]
    order = torch.stack([torch.randperm(80, generator=generator) for _ in range(n)])
    patches = patches.gather(1, order[..., None].expand_as(patches)).flatten(0, 1)
    inputs = Inputs(Bags(patches, torch.full((n,), 80)), (torch.randn(n, 5, generator=generator),))
    event = torch.ones(n, dtype=torch.bool)
    return inputs, Target(torch.randint(0, 4, (n,), generator=generator), event, torch.ones(n), subtype), order < 15


def test_the_selection_learns_which_patches_tell_the_subtype_and_faster_with_its_own_learning_rate():
    """The acceptance experiment of the learning rate factor, in small."""
    hits = {}
    for factor in (1, 10):
        generator = torch.Generator().manual_seed(2)
        directions = torch.nn.functional.normalize(torch.randn(2, 64, generator=generator))
        inputs, target, _ = planted(64, generator, directions)
        with seeded(1002):
            small = {**SMALL, "k": 8, "layers": 1}
            model = MCTIPaper(64, (5,), 4, 2, **small, dropout=0.0, dsmil_lr_mult=factor)
        rates = model.profile.learning_rate_factors
        optimizer = torch.optim.Adam(
            {"params": [p], "lr": 1e-3 * rates.get(".".join(name.split(".")[:2]), 1)}
            for name, p in model.named_parameters()
        )
        alone = list(zip(inputs.split(), target.split(), strict=True))
        packs = [alone[i : i + 8] for i in range(0, 64, 8)]
        for pack in packs * 10:
            bags = Bags.pack([Bag(one.bags.values) for one, _ in pack])
            batch = Inputs(bags, (torch.cat([one.omics[0] for one, _ in pack]),))
            taught = Target(*(torch.cat([getattr(t, n) for _, t in pack]) for n in ("bin", "event", "time", "subtype")))
            optimizer.zero_grad()
            loss_of(model, batch, taught).mean().backward()
            optimizer.step()
        unseen, _, is_planted = planted(100, generator, directions)
        index = model.eval()(unseen).details["topk_index"]
        hits[factor] = is_planted.gather(1, index).float().mean().item()
    assert hits[10] > 0.4 > 2 * 15 / 80  # twice chance
    assert hits[10] > hits[1]
