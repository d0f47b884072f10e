"""DeepAttnMISL's laws: where phenotypes come from, what empty ones do, and the original's hazards beside its risk."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.losses import cox_loss
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.creation import create_model
from prognoscope.models.deepattnmisl.names import NAMES, ORIGINAL
from prognoscope.models.deepattnmisl.network import DeepAttnMISL

SMALL = {"num_clusters": 3, "hidden_dim": 16, "attention_dim": 8}
MEANS = 10 * torch.eye(3, 10)


def model_with(**options):
    with seeded(0):
        return DeepAttnMISL(10, 4, **{**SMALL, **options}).eval()


def inputs_of(*clusters):
    """A patient for each list of clusters, with a patch near each cluster's mean."""
    numbers = torch.tensor([c for its in clusters for c in its], dtype=torch.int64)
    noise = torch.randn(len(numbers), 10, generator=torch.Generator().manual_seed(0))
    return Inputs(Bags(MEANS[numbers] + 0.1 * noise, torch.tensor([len(its) for its in clusters])))


def target_of(n):
    return Target(torch.arange(n) % 4, torch.arange(n) % 2 == 0, torch.arange(n) + 1.0, patient=torch.arange(n))


def fitted(inputs, **options):
    model, parts = model_with(**options), inputs.split()
    model.before_training(target_of(len(parts)), lambda rows: parts[rows[0]])
    return model


def published(model, names):
    state = {}
    for name, value in model.state_dict().items():
        theirs = [prefix for prefix, ours in names.items() if name.startswith(f"{ours}.")]
        if theirs:
            state[theirs[0] + name.removeprefix(names[theirs[0]])] = value
    return state


def test_clusters_are_fitted_to_the_training_patients_and_mean_the_same_in_every_patient():
    inputs = inputs_of([0, 1, 2, 0, 1, 2], [2, 2, 1, 0, 0], [1])
    model = fitted(inputs)
    nearest = torch.cdist(model.centres, MEANS)
    assert nearest.min(dim=1).values.max() < 0.5
    names = nearest.argmin(dim=1)  # our number -> the cluster
    assert sorted(names.tolist()) == [0, 1, 2]
    assert names[model.cluster(inputs_of([2, 0, 1, 1]).bags)].tolist() == [2, 0, 1, 1]


def test_only_so_many_patches_of_a_patient_are_fitted_to():
    many, few = [0] * 300 + [1], [1, 2, 2]
    assert_close(fitted(inputs_of(many, few), sample_per_patient=2).centres.shape, (3, 10))
    centres = [fitted(inputs_of(many, few), sample_per_patient=4).centres for _ in range(2)]
    assert torch.equal(*centres)


def test_given_centres_are_kept():
    model = fitted(inputs_of([0, 0, 1]), centres=MEANS)
    assert torch.equal(model.centres, MEANS)
    assert model.cluster(inputs_of([2, 0, 1]).bags).tolist() == [2, 0, 1]
    with pytest.raises(ModelError, match=r"have shape \(3, 10\), not \(2, 10\)"):
        model_with(centres=MEANS[:2])


@pytest.mark.parametrize("options", [{}, {"mask_empty": True}, {"shared_encoder": True}, {"variant": "original"}])
def test_a_prediction_is_attention_over_the_means_of_encoded_clusters(options):
    model, inputs = model_with(**options), inputs_of([0, 1, 1, 0, 1])
    cluster = torch.tensor([0, 2, 2, 0, 2])
    encode = [model.encoders[0 if len(model.encoders) == 1 else k] for k in range(3)]
    x = inputs.bags.values
    means = torch.stack([encode[0](x[[0, 3]]).mean(0), torch.zeros(16), encode[2](x[[1, 2, 4]]).mean(0)])
    rows = [0, 2] if model.mask_empty else [0, 1, 2]
    clusters = model.project(means)[rows]
    weights = model.attend(clusters).softmax(dim=0)
    expected = model.head(model.narrow(weights @ clusters))
    output = model.predict(inputs, cluster)
    assert_close(output.attention["clusters"][0, rows], weights)
    assert_close(output.risk if model.is_original else output.logits[0], expected)
    assert_close(output.attention["patches"][1] / output.attention["patches"][0], weights[-1] / weights[0])


@pytest.mark.parametrize("variant", ["released", "original"])
def test_patients_together_equal_patients_alone_down_to_one_patch(variant):
    model, inputs = model_with(variant=variant), inputs_of([0, 1, 2, 2], [1], [2, 0])
    output, alone = model(inputs), [model(one) for one in inputs.split()]
    assert_close(output.risk, torch.cat([each.risk for each in alone]))
    assert_close(output.attention["patches"], torch.cat([each.attention["patches"] for each in alone]))
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model(inputs_of([0], []))


def test_the_original_learns_by_cox_and_a_baseline_gives_its_survival():
    inputs = inputs_of(*[[i % 3, (i + 1) % 3] for i in range(8)])
    target, model = target_of(8), fitted(inputs, variant="original")
    output = model(inputs)
    assert_close(model.survival_loss(output, target), cox_loss(output.log_hazard_ratio, target))
    assert torch.equal(output.risk, output.log_hazard_ratio)
    assert (output.survival.sum(dim=1).argsort() == output.risk.argsort(descending=True)).all()
    before = model.baseline.exposure.clone()
    model.remember(model.to_remember(output, target))
    assert not torch.equal(model.baseline.exposure, before)
    assert model.profile.recipe.l1 == 1e-5


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ModelError, match="deepattnmisl has no variant 'orginal'"):
        model_with(variant="orginal")
    with pytest.raises(ModelError, match="clusters each bag by itself"):
        model_with(variant="original", shared_encoder=False)
    with pytest.raises(ModelError, match="num_clusters=0"):
        model_with(num_clusters=0)
    with pytest.raises(ModelError, match="widths of at least 1, not hidden_dim=0, attention_dim=8"):
        model_with(hidden_dim=0)


def test_published_weights_come_without_clusters_and_say_so(tmp_path):
    model, inputs = model_with(), inputs_of([0, 1, 2], [1, 1])
    torch.save(published(model, NAMES), tmp_path / "misl.pt")
    again = create_model("deepattnmisl", weights=tmp_path / "misl.pt")
    with pytest.raises(ModelError, match="does not know its clusters"):
        again(inputs)
    told = create_model("deepattnmisl", weights=tmp_path / "misl.pt", centres=model.centres)
    assert torch.equal(told(inputs).logits, model(inputs).logits)
    state = published(model, NAMES)
    del state["rho.0.bias"]
    with pytest.raises(ModelError, match=r"lacks 'rho\.0\.bias'"):
        load_released("deepattnmisl", state)


def test_weights_of_one_encoder_are_shared_by_all_clusters():
    model, inputs = model_with(shared_encoder=True), inputs_of([0, 1, 2], [1, 1])
    again = load_released("deepattnmisl", published(model, NAMES), num_clusters=3, centres=model.centres)
    assert torch.equal(again(inputs).logits, model(inputs).logits)


def test_published_weights_of_the_original_give_its_risk():
    model, inputs = model_with(variant="original"), inputs_of([0, 1, 2], [1, 1])
    state = published(model, ORIGINAL)
    state["embedding_net.0.weight"] = state["embedding_net.0.weight"][:, :, None, None]
    with pytest.warns(UserWarning, match="give a risk, but no hazards"):
        again = load_released("deepattnmisl", state, num_clusters=3)
    assert torch.equal(again(inputs).risk, model(inputs).risk)
    del state["fc6.3.bias"]
    with pytest.raises(ModelError, match=r"missing fc6\.3\.bias"), pytest.warns(UserWarning):
        load_released("deepattnmisl", state, num_clusters=3)
