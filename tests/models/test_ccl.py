"""CCL: its state, its options, bags of any length, published weights, and what it explains."""

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.ccl.variants import CHOICES
from prognoscope.models.creation import create_model
from prognoscope.models.recipe import Recipe
from prognoscope.runs.card import ModelCard
from prognoscope.runs.layout import FoldFiles
from prognoscope.training.checkpoint import load_model, save_model
from prognoscope.training.loop import fit
from prognoscope.training.spec import TrainingSpec
from tests.training.toys import DIM, make_toy, weights

GROUPS = (5, 1, 3)
SMALL = {"k": 3, "d": 16, "gene_hidden": 8, "heads": 2, "dropout": 0.0, "attention_dropout": 0.0, "bank_length": 2}
BOTH = pytest.mark.parametrize("variant", ["paper", "released"])
ALL = pytest.mark.parametrize("variant", ["paper", "released", "printed"])


def model_of(seed=0, bank=0, **options):
    """A small model without dropout; `bank` patients go into its bank first."""
    with seeded(seed):
        model = create_model("ccl", embedding_dim=6, group_sizes=GROUPS, n_bins=4, **(SMALL | options))
        for i in range(bank):
            inputs, target = batch_of([20], seed=100 + i)
            model.remember(model.to_remember(model(inputs), target))
    return model


def batch_of(lengths, seed=0, dim=6):
    generator = torch.Generator().manual_seed(seed)
    n = len(lengths)
    values = torch.randn(sum(lengths), dim, generator=generator)
    omics = tuple(torch.randn(n, size, generator=generator) for size in GROUPS)
    bins, event = torch.randint(0, 4, (n,), generator=generator), torch.rand(n, generator=generator) < 0.5
    target = Target(bins, event, 10.0 * bins + 5, patient=torch.arange(n) + 10 * seed)
    return Inputs(Bags(values, torch.tensor(lengths)), omics), target


def losses(model, output, target):
    return torch.stack([model.survival_loss(output, target), *model.extra_losses(output, target).values()]).sum(0)


@BOTH
@given(lengths=st.lists(st.integers(1, 40) | st.integers(1000, 3000), min_size=2, max_size=4), seed=st.integers(0, 99))
@example(lengths=[20_000, 1], seed=0)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_step_equals_its_patients_one_by_one_with_all_losses(variant, lengths, seed):
    inputs, target = batch_of(lengths, seed)
    together, apart = (model_of(variant=variant, bank=12).train() for _ in range(2))
    output = together(inputs)
    losses(together, output, target).mean().backward()
    for i, (one, its_target) in enumerate(zip(inputs.split(), target.split(), strict=True)):
        alone = apart(one)
        assert_close(output.logits[i], alone.logits[0], atol=1e-5, rtol=1e-5)
        (losses(apart, alone, its_target).sum() / len(lengths)).backward()
    largest = max(each.grad.abs().max() for each in together.parameters()).item()
    for ours, theirs in zip(together.parameters(), apart.parameters(), strict=True):
        assert_close(ours.grad, theirs.grad, atol=1e-5 * largest, rtol=1e-3)


@BOTH
def test_only_remembering_changes_the_state_and_in_the_order_of_patients(variant):
    model, (inputs, target) = model_of(variant=variant, bank=3).train(), batch_of([9, 4, 30, 2])
    before = weights(model)
    output = model(inputs)
    losses(model, output, target).sum().backward()
    kept = model.to_remember(output, target)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(each.requires_grad for each in kept.values())
    one_by_one = model_of(variant=variant, bank=3)
    for i in range(4):
        one_by_one.remember({name: value[i : i + 1] for name, value in kept.items()})
    model.remember(kept)
    assert not torch.equal(model.anchor, before["anchor"])
    assert model.bank.pushed.sum() == 7
    for name, value in one_by_one.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


@pytest.mark.parametrize(
    "options",
    [{}, {"variant": "released"}, {"groups": 2, "ablation": "full"}, {"ablation": "cca"}, {"variant": "printed"}],
)
def test_a_stopped_training_continues_as_if_unbroken_and_its_checkpoint_predicts_the_same(options, tmp_path):
    toy = make_toy(tmp_path, 24, parts=(12, 6))
    sizes = {"embedding_dim": DIM, "group_sizes": (5, 5), "n_bins": 3}
    options = SMALL | {"dropout": 0.15, "attention_dropout": 0.1} | options
    recipe = Recipe(
        optimizer="sgd", learning_rate=0.01, momentum=0.0, epochs=3, patients_per_step=2, sampler="shuffled"
    )

    def train(stop=None, state=None):
        torch.manual_seed(0)
        model = create_model("ccl", **sizes, **options)

        def tell(done, _):
            if done == stop:
                raise InterruptedError

        spec = TrainingSpec(save_every_s=0.0, choose="last")
        fit(model, toy.dataset("train"), spec=spec, recipe=recipe, state_file=state, on_epoch=tell)
        return model

    whole = train()
    for stop in (1, 2):
        with pytest.raises(InterruptedError):
            train(stop, tmp_path / "state.safetensors")
    continued = train(state=tmp_path / "state.safetensors")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name
    card = ModelCard("ccl", "ccl", options, sizes, fold=0, bins=(None, 12.0, None), preparation={})
    save_model(FoldFiles(tmp_path), whole, card)
    again, _ = load_model(FoldFiles(tmp_path))
    inputs = toy.dataset("test").batch(range(6)).inputs
    assert torch.equal(again(inputs).logits, whole(inputs).logits)
    if "ablation" not in options or options["ablation"] == "full":
        assert again.bank.pushed.sum() == 36


def test_a_patient_without_positives_or_negatives_has_no_cohort_loss():
    inputs, _ = batch_of([5, 5, 5])
    first = Target(torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.bool), torch.ones(3))
    for target in (first, Target(first.bin + 2, ~first.event, first.time)):
        model = model_of()
        assert not model.extra_losses(model(inputs), target)["cohort"].any()  # an empty bank
    model = model_of(bank=12)
    assert not model.extra_losses(model(inputs), first)["cohort"].any()  # nobody is worse off than the first group
    later = Target(first.bin + 2, first.event, first.time)
    assert model.extra_losses(model(inputs), later)["cohort"].all()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in CHOICES.items() for value in values])
def test_every_option_trains_and_changes_what_it_names(name, value):
    inputs, target = batch_of([12, 3, 1])
    model, other = (model_of(**{name: each}) for each in (value, next(v for v in CHOICES[name] if v != value)))
    model.before_training(target, lambda rows: inputs)
    for i in range(12):
        once, then = batch_of([20], seed=100 + i)
        model.remember(model.to_remember(model(once), then))
    output = model(inputs)
    losses(model, output, target).sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in model.parameters())
    if name not in ("center_cache", "fusion_attention", "empty_cluster", "matching", "feed_forward", "groups_by"):
        other.load_state_dict(model.state_dict())
        assert not torch.equal(losses(model, output, target), losses(other, other(inputs), target))


def test_a_variant_sets_every_option_that_is_not_given():
    released = model_of(variant="released", lp_pool="component")
    assert released.options["swap_specific"] and released.options["lp_pool"] == "component"
    assert model_of().options == {name: values[0] for name, values in CHOICES.items()}
    for chosen, expected in (
        ({"variant": "printed"}, "raw"),
        ({"interaction": "printed"}, "raw"),
        ({"variant": "printed", "interaction": "released"}, "projected"),
        ({"interaction": "printed", "interaction_value": "projected"}, "projected"),
    ):
        assert model_of(**chosen).options["interaction_value"] == expected


def test_the_specific_tokens_read_their_own_side_unless_swapped():
    inputs, _ = batch_of([8])
    changed = Inputs(inputs.bags, tuple(group + 1 for group in inputs.omics))
    for swapped, silent in ((False, 3), (True, 2)):
        model = model_of(swap_specific=swapped).eval()
        one, other = (model(each).details["components"][0] for each in (inputs, changed))
        assert [torch.equal(a, b) for a, b in zip(one, other, strict=True)] == [i == silent for i in range(4)]


@BOTH
@pytest.mark.parametrize("n", [1, 2])
def test_bags_smaller_than_the_number_of_centres_train(variant, n):
    model, (inputs, target) = model_of(variant=variant, bank=6), batch_of([n, 30])
    output = model(inputs)
    losses(model, output, target).sum().backward()
    assert all(each.grad.isfinite().all() for each in model.parameters())
    assert_close(output.attention["patches"][:n].sum(), torch.tensor(1.0))


def test_a_patient_without_genes_disturbs_nobody_else():
    model, (inputs, _) = model_of().eval(), batch_of([9, 7])
    expected = model(inputs).logits[1]
    for group in inputs.omics:
        group[0] = torch.nan
    logits = model(inputs).logits
    assert logits[0].isnan().all()
    assert_close(logits[1], expected)


def test_other_gene_groups_are_refused():
    model, (inputs, _) = model_of(), batch_of([3, 4])
    with pytest.raises(InputError, match="The model reads gene groups of"):
        model(Inputs(inputs.bags, inputs.omics[:-1]))


def test_a_patient_without_patches_is_refused():
    inputs, _ = batch_of([3, 0])
    with pytest.raises(InputError, match="1 of 2 patients have no patches. Leave them out: ccl needs slides."):
        model_of()(inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "papr"}, "ccl has no variant 'papr'; did you mean 'paper'"),
        ({"lp_pool": "joined"}, "ccl has no lp_pool 'joined'; did you mean 'joint'"),
        ({"ablation": "ccca"}, "ccl has no ablation 'ccca'; did you mean 'cca'"),
        ({"k": 0}, "ccl cannot work with k=0. Give a whole number from 1 on"),
        ({"groups": 1}, "groups=1"),
        ({"interaction": "print"}, "ccl has no interaction 'print'; did you mean 'printed'"),
        ({"groups": 3, "groups_by": "bins"}, "ccl cannot have groups=3 that are its 4 time bins. Leave out groups, or"),
        ({"tau": 0.0}, "ccl needs tau in \\(0, 1\\], temperature above 0, alpha from 0, not tau=0.0"),
        ({"d": 15}, "ccl cannot cut tokens of width d=15 into heads=2 equal parts"),
        ({"anchor": torch.zeros(2, 2)}, "The anchor of ccl has shape \\(3, 6\\), not \\(2, 2\\)"),
        ({"anchor": torch.full((3, 6), torch.nan)}, "The anchor of ccl has values that are missing or infinite."),
        ({"group_sizes": ()}, "ccl needs at least one gene group"),
    ],
)
def test_a_wrong_option_is_refused_in_one_sentence(options, message):
    with pytest.raises(ModelError, match=message):
        create_model("ccl", **{"embedding_dim": 6, "group_sizes": GROUPS, "n_bins": 4} | SMALL | options)


def test_survival_groups_other_than_the_bins_are_quantiles_of_the_event_times():
    model, (inputs, _) = model_of(groups=3), batch_of([4] * 6)
    times = torch.tensor([3.0, 1, 2, 4, 90, 100])
    target = Target(torch.zeros(6, dtype=torch.int64), torch.tensor([True] * 4 + [False] * 2), times)
    with pytest.raises(ModelError, match="Call before_training with all training patients"):
        model.extra_losses(model(inputs), target)
    with pytest.raises(ModelError, match="without an event"):
        model.before_training(Target(target.bin, ~target.event & False, times), lambda rows: inputs)
    model.before_training(target, lambda rows: inputs)
    assert model.group_edges.tolist() == [2, 3]
    assert model.to_remember(model(inputs), target)["group"].tolist() == [2, 0, 1, 2, 2, 2]


def test_ablations_take_away_what_they_name():
    inputs, target = batch_of([9, 7])
    model = model_of(ablation="cca")
    assert model(inputs).details["components"].shape == (2, 2, 16)
    split = model_of(ablation="cca_mkd")
    assert model.extra_losses(model(inputs), target) == split.extra_losses(split(inputs), target) == {}
    model.remember(model.to_remember(model(inputs), target))
    assert set(model.stages(inputs)) == set(model_of().stages(inputs)) - {"gates"}
    unordered = model_of(align=False).eval()
    assert unordered.stages(inputs)["slots"].tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize("cache", ["step", "once"])
@BOTH
def test_explanations_have_their_shapes_and_sums(variant, cache):
    model, (inputs, _) = model_of(variant=variant, center_cache=cache).eval(), batch_of([9, 40, 2])
    with torch.inference_mode():
        seen = model.stages(inputs)
    model(inputs).logits.sum().backward()  # whatever was remembered meanwhile
    shapes = {"slots": (3, 3), "patch_slot": (51,), "nearest_patch": (3, 3), "gates": (3, 2, 2, 16)}
    shapes |= {"tokens": (3, 3, 5, 16), "fusion_attention": (2, 3, 2, 5, 5), "patch_scores": (51, 4)}
    assert {name: tuple(seen[name].shape) for name in shapes} == shapes
    genes, slots = seen["gene_group_scores"].sum(2), seen["slot_scores"].sum(2)
    only_slide, only_genes = (2, 3) if variant == "released" else (3, 2)
    assert not genes[:, only_slide].any() and not slots[:, only_genes].any()
    assert_close(genes[:, [0, 1, only_genes]], torch.ones(3, 3))
    assert_close(slots[:, [0, 1, only_slide]], torch.ones(3, 3))
    assert ((seen["patch_scores"] >= 0) & (seen["patch_scores"] <= 1)).all()
    attention = model(inputs).attention
    assert_close(attention["gene_groups"].sum(1), torch.ones(3))


def published(**changes):
    """Random published weights of a small model, with the convolutions that nothing uses."""
    sizes = {f"genomics_fc.{i}.0.0.weight": (8, n) for i, n in enumerate(GROUPS)}
    sizes |= {"geno_fc.0.weight": (16, 8), "path_fc.0.weight": (16, 6), "classifier.weight": (4, 16)}
    sizes |= {"geno_conv.0.weight": (1, 3, 1), "path_conv.0.weight": (1, 3, 1), "transformer.cls_token": (1, 1, 16)}
    encoders = [f"know_decompose.{a}_spec.conv" for a in ("geno", "path")]
    for encoder in ("know_decompose.common_encoder", "know_decompose.synergy_encoder"):
        encoders += [f"{encoder}.geno_fc", f"{encoder}.path_fc"]
        sizes |= {f"{encoder}.{a}_atten.weight": (1, 16) for a in ("geno", "path")}
    sizes |= {f"{encoder}.0.weight": (16, 16) for encoder in encoders} | {f"{e}.1.weight": (16,) for e in encoders}
    for layer in ("transformer.layer1", "transformer.layer2"):
        sizes |= {f"{layer}.norm.weight": (16,), f"{layer}.attn.to_out.0.weight": (16, 16)}
        sizes |= {f"{layer}.attn.res_conv.weight": (8, 1, 33, 1), f"{layer}.attn.to_qkv.weight": (48, 16)}
    sizes |= {"transformer.norm.weight": (16,)}
    bare = ("to_qkv.weight", "res_conv.weight", "cls_token")
    sizes |= {n.replace("weight", "bias"): s[:1] for n, s in sizes.items() if not n.endswith(bare)}
    sizes |= {"transformer.pos_layer.proj.weight": (16, 1, 7, 7), "transformer.pos_layer.proj.bias": (16,)}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(size, generator=generator) for name, size in sizes.items()} | changes


def test_published_weights_load_without_their_anchor_only_with_a_warning(tmp_path):
    path = tmp_path / "published.pt"
    torch.save({"epoch": 3, "best_score": 0.7, "state_dict": published()}, path)
    with pytest.warns(UserWarning, match="come without their anchor.*rebuild_anchor"):
        model = create_model("ccl", variant="released", weights=path)
    inputs, _ = batch_of([20, 9, 30])
    model.rebuild_anchor([inputs.bags])
    anchor = model.anchor.clone()
    given = create_model("ccl", weights=path, anchor=anchor)
    assert given.options["swap_specific"]
    assert torch.equal(given(inputs).logits, model(inputs).logits)
    model.rebuild_anchor(inputs.bags.each())
    assert torch.equal(model.anchor, anchor)
    assert not model.bank.pushed.any()


def test_published_weights_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "published.pt"
    for change, message in (
        ({"extra.weight": torch.zeros(2)}, "left over extra.weight"),
        ({"classifier.weight": torch.zeros(4, 15)}, "left over head.weight"),
    ):
        torch.save(published(**change), path)
        with pytest.raises(ModelError, match=f"The checkpoint does not fit ccl: .*{message}"):
            create_model("ccl", weights=path)
    torch.save({name: value for name, value in published().items() if name != "geno_fc.0.weight"}, path)
    with pytest.raises(ModelError, match="The checkpoint is not one of ccl: it lacks 'geno_fc.0.weight'"):
        create_model("ccl", weights=path)


def test_the_released_variant_has_the_published_number_of_parameters():
    """2,147,110 for BLCA, less 22,016 of convolutions that nothing uses; two biases without effect are buffers."""
    model = create_model(
        "ccl", embedding_dim=1024, group_sizes=(94, 334, 521, 468, 1496, 479), n_bins=4, variant="released"
    )
    assert sum(each.numel() for each in model.parameters()) + 2 == 2_147_110 - 22_016
