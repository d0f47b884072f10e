"""MCTI's released variant: patients keep apart, its options are its own, its checkpoints load."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.creation import create_model
from prognoscope.models.layers.transport import exact_matching, squared_distances
from prognoscope.models.mcti.matched_attention import cheapest_matching
from prognoscope.models.mcti.released_network import flow_between
from prognoscope.models.sizes import Sizes

from .mcti_patients import batch_of, gradients, loss_of

SIZES = Sizes(embedding_dim=10, group_sizes=(4, 5), n_bins=4, n_subtypes=3)
SMALL = {"k": 3, "gene_heads": 2, "query_dim": 6, "token_num": 2, "num_blocks": (1, 2)}


def model_with(**options):
    with seeded(0):
        model = create_model("mcti", sizes=SIZES, **{"variant": "released", **SMALL, **options}).eval()
        for value in model.parameters():  # larger than at the start, so that what a token is matched with shows
            if value.ndim > 1:
                value.data *= 2
    return model


def published(model):
    """The model's weights under the release's names, with all that the release has besides."""
    network, d = model.network, 10
    state = {f"task_token_{task}": network.tokens[i][None] for i, task in enumerate(("cls", "surv", "mix"))}

    def add(theirs, layer, stream=None):
        for kind, value in layer.named_parameters(recurse=False):
            state[f"{theirs}.{kind}"] = value if stream is None else value[stream]

    def add_thirds(theirs, weight):
        for letter, part in zip("qkv", weight.split(d), strict=True):
            state[f"{theirs}.to_{letter}.weight"] = part

    def add_feed(theirs, feed, stream):
        for name, layer in {"norm": feed.norm, "fn.net.0": feed.widen, "fn.net.2": feed.narrow}.items():
            add(f"{theirs}.1.{name}", layer, stream)

    def add_refine(theirs, refine, stream):
        for i, layer in enumerate(refine):
            for name, part in {"norm": layer.norm, "fn.qkv": layer.to_qkv, "fn.proj": layer.proj}.items():
                add(f"{theirs}.layers.{i}.0.{name}", part, stream)
            add_feed(f"{theirs}.layers.{i}", layer.feed, stream)

    def add_guide(theirs, guide):
        for stream, task in enumerate(("cls", "surv")):
            for b, block in enumerate(guide):
                at = f"{theirs}.{task}_TGAB.blocks.{b}"
                add(f"{at}.0.norm", block.norm, stream)
                add_thirds(f"{at}.0.fn", block.attend.to_qkv.weight[stream])
                state[f"{at}.0.fn.rescale"] = block.attend.rescale[stream].view(1, 1, 1)
                parts = {"proj": block.attend.proj, "pos_emb.0": block.attend.widen, "pos_emb.2": block.attend.narrow}
                for name, part in parts.items():
                    add(f"{at}.0.fn.{name}", part, stream)
                add_feed(at, block.feed, stream)

    def add_mix(theirs, mix, names):
        for i, name in enumerate(names):
            state[f"{theirs}.{name}.weight"] = mix.weight[i].view(1, 2, 1, 1)
            state[f"{theirs}.{name}.bias"] = mix.bias[i].view(1)

    slots = network.slots
    for prefix in ("", "WSI_encode."):  # the release lists these two modules twice
        add(f"{prefix}i_classifier.fc.0", slots.patch_classifier)
        for i in (0, 2):
            add(f"{prefix}b_classifier.q.{i}", slots.query[i])
        add(f"{prefix}b_classifier.proj", slots.project[0])
        state[f"{prefix}b_classifier.fcc.weight"] = torch.zeros(d, d, d)
    for i in (0, 2, 4):
        add(f"WSI_encode.cls_proj.{i}", slots.mix[i])
    add("attention_net_wsi.0", slots.attend.project[0])
    add_thirds("attention_net_wsi.2", slots.attend.to_qkv.weight)
    own = {"proj_v": "mix", "proj": "proj", "pos_emb.0": "widen", "pos_emb.2": "narrow"}
    for theirs, ours in own.items():
        add(f"attention_net_wsi.2.{theirs}", getattr(slots.attend, ours))
    state["attention_net_wsi.2.rescale"] = slots.attend.rescale
    for i in (0, 1):
        add(f"Gene_encode.{i}.0", network.genes[i][0])
    add("multi_head.W_v", network.gene_values)
    state["multi_head.W_o.weight"], state["gene_bias"] = torch.zeros(20, 20), torch.zeros(3, d)
    for i, block in enumerate(network.encoder):
        for stream, task in enumerate(("cls", "surv")):
            add_refine(f"encoder_layers.{i}.0.{task}_AB", block.refine, stream)
        add_guide(f"encoder_layers.{i}.0", block.guide)
        add_mix(f"encoder_layers.{i}.0", block.mix, ("fusion",))
    add_guide("bottleneck", network.bottleneck.guide)
    add_mix("bottleneck", network.bottleneck.mix, ("fusion",))
    for i, block in enumerate(network.decoder):
        add_refine(f"decoder_leyers.{i}.0.x_AB", block.refine, 0)
        add_guide(f"decoder_leyers.{i}.0", block.guide)
        add_mix(f"decoder_leyers.{i}.0", block.mix, ("fusion_x_cls", "fusion_x_surv", "fusion_net"))
        state[f"decoder_leyers.{i}.0.fusion_cls.weight"] = torch.zeros(1, 2, 1, 1)
    for theirs, head in {"cls_head": network.auxiliary_head, "surv_head": network.head}.items():
        for i in (0, 1):
            add(f"{theirs}.{i}", head[i])
    return {name: value.detach().clone() for name, value in state.items()}


@pytest.mark.parametrize("options", [{}, {"aux_task": "survival", "uot_reg_type": "kl"}], ids=str)
@given(lengths=st.lists(st.integers(3, 30), min_size=2, max_size=3), seed=st.integers(0, 99))
@settings(max_examples=3)
def test_patients_in_one_batch_equal_patients_alone_forward_and_backward(options, lengths, seed):
    inputs, target = batch_of(lengths, seed)
    together, apart = model_with(**options).double(), model_with(**options).double()
    inputs = inputs.to("cpu", dtype=torch.float64)
    output, alone = together(inputs), [apart(one) for one in inputs.split()]
    assert_close(output.logits, torch.cat([one.logits for one in alone]), atol=1e-5, rtol=1e-5)
    assert_close(output.attention["patches"], torch.cat([one.attention["patches"] for one in alone]))
    assert_close(inputs.bags.sum(output.attention["patches"]), torch.ones(len(lengths)).double())
    loss_of(together, inputs, target).sum().backward()
    for one, its_target in zip(inputs.split(), target.split(), strict=True):
        loss_of(apart, one, its_target).sum().backward()
    ours, theirs = gradients(together), gradients(apart)
    largest = max(each.abs().max().item() for each in ours.values())
    for name, each in ours.items():
        assert_close(each, theirs[name], atol=1e-5 * largest, rtol=1e-4)


def test_all_learns_but_the_classifier_that_chooses_patches_and_a_mix_that_nothing_reads():
    model = model_with()
    inputs, target = batch_of([9, 12, 20, 5])
    loss_of(model, inputs, target).sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == {"network.slots.patch_classifier.weight", "network.slots.patch_classifier.bias"}
    assert not model.network.decoder[-1].mix.weight.grad[2].any()


def test_losses_are_those_of_the_subtype_or_of_two_survival_heads():
    inputs, target = batch_of([9, 12])
    output = model_with()(inputs)
    assert set(model_with().extra_losses(output, target)) == {"subtype"}
    assert output.subtype_logits.shape == (2, 3)
    model = model_with(aux_task="survival")
    output = model(inputs)
    assert set(model.extra_losses(output, target)) == {"auxiliary_survival"}
    assert output.subtype_logits is None and output.details["auxiliary_logits"].shape == (2, 4)


def test_equal_patches_give_finite_numbers():
    inputs, target = batch_of([8, 5])
    same = type(inputs)(inputs.bags.replace(torch.ones(13, 10)), tuple(torch.zeros_like(g) for g in inputs.omics))
    model = model_with()
    loss = loss_of(model, same, target)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(each).all() for each in gradients(model).values())


def test_the_matching_is_that_of_squared_distances():
    rows, columns = torch.randn(2, 2, 3, 9, 4, generator=torch.Generator().manual_seed(0))
    by_distance = exact_matching(squared_distances(rows.flatten(0, 1), columns.flatten(0, 1)))
    assert torch.equal(cheapest_matching(rows, columns).flatten(0, 1), by_distance)


def test_flow_between_tokens_that_are_all_the_same_is_even():
    flow = flow_between(torch.ones(1, 4, 3), torch.ones(1, 2, 3), reg=0.1, marginal_penalty=0.5)
    assert_close(flow, flow[0, 0, 0].expand(1, 4, 2))
    assert flow[0, 0, 0] > 0


def test_under_autocast_the_released_variant_gives_finite_gradients():
    inputs, target = batch_of([9, 4])
    model = model_with()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(inputs)
    assert output.attention["patches"].dtype == torch.float32
    sum([model.survival_loss(output, target), *model.extra_losses(output, target).values()]).sum().backward()
    assert all(torch.isfinite(each).all() for each in gradients(model).values())


def test_what_the_variant_cannot_do_is_said_in_a_sentence():
    with pytest.raises(InputError, match=r"2 of 3 patients have fewer patches than the k=3 .* one of them 1\. Lower k"):
        model_with()(batch_of([3, 1, 2])[0])
    with pytest.raises(ModelError, match="released variant has no layers; leave it out, or set variant: paper"):
        model_with(layers=2)
    with pytest.raises(ModelError, match="paper variant has no token_num; leave it out, or set variant: released"):
        model_with(variant="paper", num_blocks=(2, 4))
    with pytest.raises(ModelError, match="always has a second task; set aux_task: subtype or survival"):
        model_with(aux_task="none")
    with pytest.raises(ModelError, match="no uot_reg_type 'l2'"):
        model_with(uot_reg_type="l2")
    with pytest.raises(ModelError, match=r"not num_blocks=\(\)"):
        model_with(num_blocks=())


def test_a_published_checkpoint_is_read_from_its_file(tmp_path):
    model = model_with()
    state = published(model)
    inputs, _ = batch_of([9, 4])
    for name, kind in {"new.pt": True, "old.pt": False}.items():
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=kind)
        loaded = create_model("mcti", weights=tmp_path / name, variant="released")
        assert torch.equal(loaded(inputs).logits, model(inputs).logits)
        assert loaded.network.slots.patch_classifier.weight.equal(model.network.slots.patch_classifier.weight)


def test_what_a_published_checkpoint_lacks_or_has_besides_is_named(tmp_path):
    def load(**changes):
        state = {name: value for name, value in (published(model_with()) | changes).items() if value is not None}
        torch.save(state, tmp_path / "their.pt")
        return create_model("mcti", weights=tmp_path / "their.pt")

    one_copy = {name: None for name in published(model_with()) if name.startswith(("i_classifier", "b_classifier"))}
    assert load(**one_copy).network.k == 3
    with pytest.raises(ModelError, match=r"missing head\.1\.weight; left over nothing"):
        load(**{"surv_head.1.weight": None})
    with pytest.raises(ModelError, match=r"left over cls_head\.1\.weight"):
        load(**{"cls_head.1.weight": torch.zeros(7, 10)})
    with pytest.raises(ModelError, match="lacks 'Gene_encode.0.0.weight'"):
        load(**{"Gene_encode.0.0.weight": None})
    with pytest.raises(ModelError, match=r"what\.weight is none of the parameters of mcti's released code"):
        load(**{"what.weight": torch.zeros(2)})
    with pytest.raises(ModelError, match=r"two different copies of i_classifier\.fc\.0\.bias"):
        load(**{"i_classifier.fc.0.bias": torch.ones(3)})
    with pytest.raises(ModelError, match="is one of mcti's released variant, not of variant: paper"):
        create_model("mcti", weights=tmp_path / "their.pt", variant="paper")
