"""Surformer's laws: what is counted, what repels, what the prototypes say of any bag."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.creation import create_model
from prognoscope.models.layers.token_attention import TokenAttention
from prognoscope.models.surformer.names import NAMES
from prognoscope.models.surformer.network import Surformer, mean_cosine, shares

SMALL = {"hidden_dim": 16, "heads": 2, "head_dim": 4, "local_dim": 6}


def model_with(**options):
    with seeded(0):
        return Surformer(10, 4, **{**SMALL, **options}).eval()


def bags_of(lengths):
    generator = torch.Generator().manual_seed(0)
    return Bags(torch.randn(sum(lengths), 10, generator=generator), torch.tensor(lengths))


def test_shares_count_the_best_local_prototype_of_every_patch_and_head_but_exact_ties():
    scores = torch.tensor(
        [
            [[9.0, 1, 0, 0], [9, 0, 0, 2]],
            [[9, 0, 0, 0], [9, 1, 1, 0]],  # a tie of all, which does not count; a tie of two, which does
            [[0, 0, 5, 0], [0, 0, 5, 0]],
        ]
    )
    ratio, assign, selected = shares(Bags(torch.zeros(3, 1), torch.tensor([2, 1])), scores)
    assert_close(ratio, torch.tensor([[2 / 3, 0, 1 / 3], [0, 1, 0]]))
    assert assign.tolist() == [[0, 2], [0, 0], [1, 1]]
    assert selected.tolist() == [[1, 1], [0, 1], [1, 1]]


def test_shares_are_equal_where_every_patch_is_a_tie():
    ratio, _, selected = shares(Bags(torch.zeros(2, 1), torch.tensor([2])), torch.ones(2, 3, 5))
    assert_close(ratio, torch.full((1, 4), 0.25))
    assert not selected.any()


def test_the_cosine_loss_is_the_mean_over_pairs_or_over_those_above_the_margin():
    features = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))
    pairs = [F.cosine_similarity(features[:, i], features[:, j]) for i in range(4) for j in range(i)]
    cosine = torch.stack(pairs)
    assert_close(mean_cosine(features), cosine.mean(dim=0))
    above = torch.stack([each[each > 0.2].sum() / max(1, int((each > 0.2).sum())) for each in cosine.T])
    assert_close(mean_cosine(features, 0.2), above)
    assert not mean_cosine(torch.eye(4)[None], 0.2).any()


def test_tokens_draw_from_a_patients_tokens_as_from_its_patches():
    attend = TokenAttention(8, 2, inner=4).eval()
    queries, tokens = torch.randn(1, 3, 8), torch.randn(5, 4, 8)
    packed = Bags(tokens.flatten(0, 1), torch.full((5,), 4))
    assert_close(attend(queries, tokens), attend.over(queries, packed)[0])


def test_a_bag_twice_over_is_the_same_patient():
    model, bags = model_with(), bags_of([7])
    twice = Bags(bags.values.repeat(2, 1), torch.tensor([14]))
    assert_close(model(Inputs(twice)).logits, model(Inputs(bags)).logits, atol=1e-6, rtol=1e-4)


def test_the_shares_get_no_gradient():
    model, bags = model_with(), bags_of([7])
    assert not model(Inputs(bags)).details["ratio"].requires_grad


def test_one_patch_is_a_bag_and_none_is_an_error():
    assert model_with()(Inputs(bags_of([1]))).logits.isfinite().all()
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model_with()(Inputs(bags_of([3, 0])))


def test_one_local_prototype_is_refused():
    with pytest.raises(ModelError, match="two local prototypes, not n_prototypes=2"):
        model_with(n_prototypes=2)


def test_published_weights_are_read_and_a_missing_one_is_named(tmp_path):
    model = model_with(head_dim=64)
    ours = {ours: theirs for theirs, ours in NAMES.items()}
    state = {}
    for name, value in model.state_dict().items():
        prefix = max((p for p in ours if name == p or name.startswith(f"{p}.")), key=len)
        state[ours[prefix] + name.removeprefix(prefix)] = value
    state["cross_attention_1.to_v.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "surformer.pt")
    again, inputs = create_model("surformer", weights=tmp_path / "surformer.pt"), Inputs(bags_of([5, 3]))
    assert torch.equal(again(inputs).logits, model(inputs).logits)
    del state["ln_8.bias"]
    with pytest.raises(ModelError, match=r"missing ln_8\.bias; left over nothing"):
        load_released("surformer", state)
