"""In bf16 every method says nearly what it says in float32, and orders patients the same."""

from dataclasses import replace

import pytest
import torch

from prognoscope.core.batch import Output
from prognoscope.core.seeded import seeded
from prognoscope.models.creation import create_model
from prognoscope.models.registry import list_models, profile_of
from prognoscope.models.sizes import Sizes
from prognoscope.training.loop import fit
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec, autocast
from tests.test_every_model import SMALL, batch_of, tiny_model
from tests.training.toys import c_index, make_toy

TRAINED = [name for name in list_models() if profile_of(name).recipe is not None]
EPOCHS = {"deepattnmisl": 6}  # until risks differ at all; of the others 3
MOST = 1e-2  # of a difference between risks, which lie in [-K, 0]
FLOAT32, BF16 = TrainingSpec(precision="float32"), TrainingSpec(precision="bf16")


def risks(model, inputs, spec: TrainingSpec) -> torch.Tensor:
    with torch.inference_mode(), autocast(spec):
        return model(inputs).risk


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("lengths", [[4, 9, 1], [40, 17]])
def test_risks_in_bf16_are_those_in_float32_of_tiny_models(name, lengths):
    model, (inputs, _) = tiny_model(name), batch_of(lengths)
    in_bf16 = risks(model, inputs, BF16)
    assert in_bf16.dtype == torch.float32
    assert (in_bf16 - risks(model, inputs, FLOAT32)).abs().max() < 2 * MOST  # few numbers average out little


@pytest.mark.parametrize("name", TRAINED)
def test_risks_in_bf16_are_those_in_float32_of_models_of_their_own_size(name):
    with seeded(0):
        model = create_model(name, sizes=Sizes(4, 12, (5, 7), n_subtypes=2)).eval()
    inputs, _ = batch_of([300, 70])
    assert (risks(model, inputs, BF16) - risks(model, inputs, FLOAT32)).abs().max() < MOST


@pytest.mark.parametrize("name", TRAINED)
def test_the_c_index_of_a_trained_model_does_not_move(name, larger_toy):
    model = larger_toy.model(name, **SMALL.get(name, {}))
    if (taught_by := model.profile.teacher) is not None:
        model.learn_from(larger_toy.model(taught_by[0], **taught_by[1]))
    recipe = replace(model.profile.recipe, learning_rate=1e-2, epochs=EPOCHS.get(name, 3), patients_per_step=8)
    fit(model, larger_toy.dataset("train"), spec=replace(FLOAT32, choose="last"), recipe=recipe)
    test = larger_toy.dataset("test")
    wide, narrow = (predict(model, test, spec=spec).prediction.risk for spec in (FLOAT32, BF16))
    assert wide.std() > 1e-3 and abs(wide - narrow).mean() < MOST
    values = [c_index(risk, time=test.outcome.time, event=test.outcome.event) for risk in (wide, narrow)]
    assert values[0] == pytest.approx(values[1], abs=0.01)


@pytest.fixture(scope="module")
def larger_toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("larger"), n=100, parts=(40, 10))


def test_an_output_widens_logits_so_that_risks_are_not_tied_by_rounding():
    logits = torch.linspace(-4, -3.9, 8).reshape(8, 1).expand(8, 4).bfloat16()
    logits = logits * torch.tensor([1.0, 1.5, 2.0, 2.5], dtype=torch.bfloat16)
    risk = Output(logits, log_hazard_ratio=None).risk
    assert risk.dtype == torch.float32 and len(risk.unique()) == len(logits.unique(dim=0))
    assert Output(logits, log_hazard_ratio=logits[:, 0]).risk.dtype == torch.float32
