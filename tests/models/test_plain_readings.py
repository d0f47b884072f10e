"""Every method equals an independent reading of its specification, in a public clone too."""

import inspect
from importlib import import_module

import numpy as np
import pytest
import torch

from prognoscope.models.creation import create_model
from prognoscope.models.registry import MODELS
from tests.test_every_model import SIZES, SMALL, batch_of

from .plain import of_genes, of_slides
from .plain.pieces import Weights

READINGS = {name: getattr(each, name) for each in (of_slides, of_genes) for name in MODELS if hasattr(each, name)}
ELSEWHERE = {  # where the test is that holds a method to its reading
    "ccl": "tests.benchmarks.test_plain:test_ccl_and_its_plain_reading_agree_patient_after_patient",
    "cmta": "tests.benchmarks.test_plain:test_cmta_and_its_plain_reading_agree",
    "coxnet": "tests.models.test_coxnet:test_the_path_is_that_of_scikit_survival",
    "coxph": "tests.models.test_coxph:test_coefficients_and_survival_equal_those_of_lifelines",
    "ghanet": "tests.benchmarks.test_plain:test_ghanet_and_its_plain_reading_agree",
    "gpcox": "tests.models.test_gpcox:test_the_mode_is_that_of_a_ridge_regression_by_another_library",
    "late": "tests.models.test_late:test_mean_ranks_order_patients_by_the_mean_of_their_places_and_survive_accordingly",
    "m3if": "tests.models.test_m3if:test_a_batch_is_the_method_written_out_and_so_are_its_gradients",
    "mcti": "tests.benchmarks.test_plain:test_mcti_and_its_plain_reading_agree",
}
OPTIONS = {"dtfd_mil": {"num_mean_inference": 1}}


def test_every_method_has_a_reading():
    assert set(MODELS) == {*READINGS, *ELSEWHERE} and not {*READINGS} & {*ELSEWHERE}
    for place in ELSEWHERE.values():
        module, test = place.split(":")
        assert callable(getattr(import_module(module), test))


@pytest.mark.parametrize("n", [1, 2, 14, 50])
@pytest.mark.parametrize("name", READINGS)
def test_a_method_equals_its_plain_reading(name, n):
    model = uneven(create_model(name, sizes=SIZES, **SMALL.get(name, {}) | OPTIONS.get(name, {})))
    inputs = batch_of([n], seed=n)[0].to("cpu", dtype=torch.float64)
    output = model(inputs)
    told = {
        "w": Weights({key: value.numpy() for key, value in model.state_dict().items()}),
        "bag": inputs.bags.values.numpy(),
        "groups": [group[0].numpy() for group in inputs.omics],
        "group": output.details["group_id"].numpy() if name == "dtfd_mil" else None,  # which are drawn
    }
    reading = READINGS[name]
    expected = reading(**{key: told[key] for key in inspect.signature(reading).parameters if key in told})
    np.testing.assert_allclose(output.logits[0].detach().numpy(), expected, rtol=1e-8, atol=1e-9)


def uneven(model):
    """In double precision, with random numbers everywhere, so that biases, norms and class tokens show."""
    generator = torch.Generator().manual_seed(0)
    model = model.double().eval()
    for value in model.state_dict().values():
        if value.is_floating_point():
            value += 0.2 * torch.randn(value.shape, generator=generator, dtype=torch.float64).abs()
            value += 0.2 * torch.randn(value.shape, generator=generator, dtype=torch.float64)
    return model
