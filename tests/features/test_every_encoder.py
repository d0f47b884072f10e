"""What every encoder of the table owes extraction."""

from importlib.util import find_spec

import numpy as np
import pytest

from prognoscope.core.errors import FeatureError
from prognoscope.features.encoders import ENCODERS, create_encoder
from prognoscope.features.encoders.catalogue import CATALOGUE

SMALL = ("stain", "resnet50_trunc", "kaiko_vits16")  # what the larger of one kind owe, these show


@pytest.fixture(scope="module", params=SMALL)
def encoder(request, tmp_path_factory):
    if request.param == "stain":
        return create_encoder("stain")
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")  # an optional extra, which `make test` installs
    from tests.features.test_timm_encoder import random_weights

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    return create_encoder(request.param, weights=random_weights(CATALOGUE[request.param], path))


def patches(count=5, px=256, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, px, px, 3), dtype=np.uint8)


def test_shape_and_type_are_as_promised(encoder):
    for count in (0, 1, 5):
        embeddings = encoder.encode(patches(count), 0.5)
        assert embeddings.shape == (count, encoder.embedding_dim)
        assert embeddings.dtype == np.float32
    assert encoder.name in ENCODERS
    assert encoder.weights_hash


def test_patches_encoded_together_equal_patches_encoded_alone(encoder):
    batch = patches(11 if encoder.name == "stain" else 3)
    alone = np.concatenate([encoder.encode(batch[i : i + 1], 0.5) for i in range(len(batch))])
    np.testing.assert_allclose(encoder.encode(batch, 0.5), alone, rtol=0, atol=0 if encoder.name == "stain" else 1e-4)


def test_the_same_patches_give_the_same_bytes(encoder):
    again = create_encoder("stain") if encoder.name == "stain" else encoder
    assert encoder.encode(patches(), 0.5).tobytes() == again.encode(patches(), 0.5).tobytes()
    assert again.weights_hash == encoder.weights_hash


@pytest.mark.parametrize("grey", [0, 1, 128, 254, 255])
def test_constant_patches_are_finite_and_fit_half_precision(encoder, grey):
    embeddings = encoder.encode(np.full((2, 256, 256, 3), grey, np.uint8), 0.5)
    assert np.isfinite(embeddings.astype(np.float16)).all()
    assert np.array_equal(embeddings[0], embeddings[1])


@pytest.mark.parametrize(("px", "mpp"), [(64, 1.0), (224, 0.5), (512, 0.25), (299, 0.4)])
def test_other_patch_sizes_give_the_same_length(encoder, px, mpp):
    embeddings = encoder.encode(patches(2, px), mpp)
    assert embeddings.shape == (2, encoder.embedding_dim)
    assert np.isfinite(embeddings).all()


def test_different_patches_are_told_apart(encoder):
    embeddings = encoder.encode(np.concatenate([patches(1), patches(1, seed=1)]), 0.5)
    assert not np.array_equal(embeddings[0], embeddings[1])


def test_an_unknown_encoder_names_the_nearest():
    with pytest.raises(FeatureError, match="there is no encoder 'stains'; did you mean 'stain'"):
        create_encoder("stains")
