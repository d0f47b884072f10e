"""HFBSurv's laws: modalities from the names of genes, products that stay smooth, patients who may come alone."""

import argparse
import os

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released, read_weights
from prognoscope.models.hfbsurv.factorised import factorised_product
from prognoscope.models.hfbsurv.network import HFBSurv

SMALL = {"dim": 6, "hidden": 5, "rank": 3, "out_intra": 4, "out_inter": 2, "cox_hidden": 8, "code_dim": 7}
NAMES = (("A_rnaseq", "B_mut", "C_cnv"), ("D", "C_cnv", "E_rnaseq", "F_mut"))


def model_with(gene_names=NAMES, sizes=(3, 4), **options):
    with seeded(0):
        return HFBSurv(5, sizes, 4, gene_names, **{**SMALL, **options}).eval()


def batch_of(lengths, seed=0, sizes=(3, 4)):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(sum(lengths), 5, generator=generator)
    omics = tuple(torch.randn(len(lengths), size, generator=generator) for size in sizes)
    return Inputs(Bags(values, torch.tensor(lengths)), omics)


@pytest.mark.parametrize(
    ("names", "modalities", "widths"),
    [
        (NAMES, None, {"gene": 3, "cna": 3}),  # A, D, E; B, F, and C once
        (NAMES, 2, {"gene": 6}),
        ((("A_rnaseq", "B", "C"), ("D", "E", "F", "G")), None, {"gene": 7}),
        ((("A_cnv", "B_mut", "C_cnv"), ("D_cnv", "E_cnv", "F_mut", "G_mut")), None, {"gene": 7}),
        ((), None, {"gene": 7}),
        ((), 3, {"gene": 3, "cna": 4}),
    ],
)
def test_names_of_genes_decide_the_modalities(names, modalities, widths):
    model = model_with(names, modalities=modalities)
    assert {name: flat.n_genes for name, flat in model.genes.items()} == widths
    pairs = model(batch_of([2, 3])).details["pair_weights"]
    assert pairs.shape == (2, 3 if "cna" in widths else 1)
    assert_close(pairs.sum(dim=1), torch.ones(2))


def test_modalities_that_cannot_be_are_refused():
    with pytest.raises(ModelError, match="no gene column of kind 'cnv' or 'mut'"):
        model_with((("A", "B", "C"), ("D", "E", "F", "G")), modalities=3)
    with pytest.raises(ModelError, match="three modalities needs the names of the genes, or two groups .* not 1"):
        model_with((), (7,), modalities=3)
    with pytest.raises(ModelError, match="hfbsurv has no modalities 4"):
        model_with(modalities=4)
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model_with()(batch_of([2, 0]))


def test_the_release_reads_alterations_only_to_weigh_expression():
    inputs = batch_of([1, 1, 1])
    for variant, is_dead in (("paper", False), ("released", True)):
        model = model_with(variant=variant, inputs="vectors")
        details = model(inputs).details
        with torch.no_grad():
            model.weigh.weight.zero_()  # weights are 1/2 whatever the features
        frozen = model(inputs).details["uni"]
        other = Inputs(inputs.bags, (inputs.omics[0] * torch.tensor([1.0, 2.0, 1.0]), inputs.omics[1]))
        assert torch.equal(model(other).details["uni"], frozen) == is_dead
        model(inputs).logits.sum().backward()
        assert (model.to_pair["path"].weight.grad is None) == is_dead
        assert set(details) >= {"attn_gene", "attn_path", "attn_cna", "bi", "code"}


def test_products_have_length_one_and_a_finite_slope_at_zero():
    a = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 0.0, 0.0, 0.0]], requires_grad=True)
    b = torch.tensor([[2.0, 1.0, 4.0, -1.0], [1.0, 1.0, 1.0, 1.0]])
    product = factorised_product(a, b, 2)  # sums 0, -1
    assert product.tolist() == [[0, -1], [0, 0]]
    product.sum().backward()
    assert torch.isfinite(a.grad).all()
    four = factorised_product(torch.tensor([[4.0, 0.0, 9.0, 0.0]]), torch.ones(1, 4), 2)  # roots 2 and 3
    assert_close(four, torch.tensor([[2.0, 3.0]]) / 13**0.5)


def test_a_patient_alone_can_be_trained_on_and_leaves_the_statistics():
    model = model_with().train()
    before = {name: value.clone() for name, value in model.norm.named_buffers()}
    model(batch_of([3])).logits.sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in model.norm.named_buffers())
    model(batch_of([3, 2]))
    assert not torch.equal(model.norm.running_mean, before["running_mean"])


def test_layer_norm_keeps_patients_apart_in_training_too():
    model = model_with(norm="layer", dropout=0.0, product_dropout=0.0, adapter_dropout=0.0).train()
    inputs = batch_of([3, 1, 6])
    assert_close(model(inputs).logits, torch.cat([model(one).logits for one in inputs.split()]))


def test_the_cox_head_compares_the_patients_of_a_step():
    model, inputs = model_with(head="cox"), batch_of([1, 2, 1])
    target = Target(torch.tensor([0, 1, 3]), torch.tensor([True, False, True]), torch.tensor([1.0, 2.0, 3.0]))
    output = model(inputs)
    ratio = output.log_hazard_ratio
    assert_close(model.survival_loss(output, target).mean(), (ratio.logsumexp(0) - ratio[0]) / 2)
    model.before_training(target, lambda rows: inputs)
    model.remember(model.to_remember(output, target))
    assert not torch.equal(model(inputs).logits, output.logits) and torch.equal(model(inputs).risk, output.risk)


def published(model):
    of = {"gene": "gene", "path": "path", "cna": "cona"}
    names = {f"encode.{ours}": f"encoder_{theirs}.encoder" for ours, theirs in of.items()}
    names |= {f"to_square.{ours}": f"Linear_{theirs}" for ours, theirs in of.items()}
    names |= {f"to_pair.{ours}": f"Linear_{theirs}_a" for ours, theirs in of.items()}
    names |= {"weigh": "attention.0", "head.last": "classifier.0", "norm": "norm", "encoder": "encoder"}
    return {
        theirs + name.removeprefix(ours): value
        for name, value in model.state_dict().items()
        for ours, theirs in names.items()
        if name.startswith(f"{ours}.")
    }


@pytest.mark.parametrize(("options", "sizes"), [({"norm": "layer"}, (3, 4)), ({"modalities": 2}, (7,)), ({}, (3, 4))])
def test_a_checkpoint_tells_its_norm_its_modalities_and_its_head(options, sizes):
    given = {"modalities": 3, "inputs": "vectors", "variant": "released", **options}
    inputs = batch_of([1, 1], sizes=sizes)
    for head in ("discrete", "cox"):
        model = model_with((), sizes, head=head, **given)
        assert torch.equal(load_released("hfbsurv", published(model))(inputs).risk, model(inputs).risk)


def test_a_published_checkpoint_must_be_whole():
    model = model_with((), modalities=3, inputs="vectors", head="cox", variant="released")
    state = published(model)
    inputs = batch_of([1, 1, 1])
    assert torch.equal(load_released("hfbsurv", state)(inputs).risk, model(inputs).risk)
    del state["Linear_path_a.weight"]
    with pytest.raises(ModelError, match="missing Linear_path_a.weight; left over nothing"):
        load_released("hfbsurv", state)


class Harmful:
    def __init__(self, folder):
        self.command = f"touch {folder}/harmed"

    def __reduce__(self):
        return os.system, (self.command,)


def test_weights_are_read_beside_what_published_checkpoints_hold_besides_and_nothing_runs(tmp_path):
    state = {"weight": torch.ones(2)}
    besides = {"options": argparse.Namespace(k=1), "data": np.arange(5.0), "c_index": np.float64(0.7)}
    torch.save({**besides, "model_state_dict": state}, tmp_path / "theirs.pt")
    assert torch.equal(read_weights(tmp_path / "theirs.pt")["weight"], state["weight"])
    for name, content in {
        "harmful": {"model_state_dict": state, "options": Harmful(tmp_path)},
        "other": {"model_state_dict": besides},
    }.items():
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(ModelError, match=f"{name}.pt is no checkpoint, or holds more than tensors"):
            read_weights(tmp_path / f"{name}.pt")
    assert not (tmp_path / "harmed").exists()
