"""The stain encoder sees what pathologists count: tissue classes, nuclear density and size, lymphocytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import FeatureError
from prognoscope.features.encoders.stain import StainEncoder
from tests.features.painting import TISSUES, paint, paint_many

encoder = StainEncoder()


def value(embeddings, name):
    return embeddings[:, encoder.feature_names.index(name)]


def predicted(train, target, test, ridge=1.0):
    """Ridge regression in its dual form: as good as the features, no more."""
    centre = train.mean(axis=0)
    a, b = train - centre, test - centre
    weights = np.linalg.solve(a @ a.T + ridge * np.eye(len(a)), target - target.mean(axis=0))
    return b @ (a.T @ weights) + target.mean(axis=0)


def explained(truth, guess):
    return 1 - ((truth - guess) ** 2).mean() / truth.var()


@pytest.fixture(scope="module")
def tissues():
    labels = np.repeat(np.arange(len(TISSUES)), 6)
    return labels, [encoder.encode(paint_many([TISSUES[i] for i in labels], seed), 0.5) for seed in (0, 1)]


@pytest.fixture(scope="module")
def series():
    """Tumours of any density and size: what was painted, and the embeddings."""
    rng = np.random.default_rng(2)
    density, diameter = rng.uniform(8, 70, 110), rng.uniform(6, 14, 110)
    pairs = zip(density, diameter, strict=True)
    painted = np.stack([paint("tumour", rng, density=n, diameter_um=d) for n, d in pairs])
    return density, diameter, encoder.encode(painted, 0.5)


def test_tissue_classes_are_told_apart_under_changing_stains(tissues):
    labels, (train, test) = tissues
    guess = predicted(train, np.eye(len(TISSUES))[labels], test).argmax(axis=1)
    assert (guess == labels).mean() >= 0.96


def test_lymphocytes_are_told_from_tumour_by_small_dark_nuclei(tissues):
    labels, (embeddings, _) = tissues
    tumour, lymphocytes = (embeddings[labels == TISSUES.index(name)] for name in ("tumour", "lymphocytes"))
    assert value(tumour, "nuclei/raised/size").min() > value(lymphocytes, "nuclei/raised/size").max()
    assert value(tumour, "haematoxylin/q0.99").max() < value(lymphocytes, "haematoxylin/q0.99").min()


def test_fat_is_large_holes_and_stroma_is_fibres(tissues):
    labels, (embeddings, _) = tissues
    for tissue, name in (("fat", "holes/33um"), ("stroma", "fibres/eosin/1um/whole")):
        inside = labels == TISSUES.index(tissue)
        assert value(embeddings, name)[inside].min() > value(embeddings, name)[~inside].max()


def test_nuclear_density_and_size_can_be_read_off(series):
    density, diameter, embeddings = series
    train, test = slice(0, 80), slice(80, None)
    for truth, least in ((density, 0.75), (diameter, 0.85)):
        guess = predicted(embeddings[train], truth[train], embeddings[test])
        assert explained(truth[test], guess) > least


def test_single_measures_rise_with_density_and_size(series):
    density, diameter, embeddings = series
    assert np.corrcoef(value(embeddings, "nuclei/raised/size"), diameter)[0, 1] > 0.8
    assert np.corrcoef(value(embeddings, "spots/2um/0.03"), density)[0, 1] > 0.8


def test_values_are_of_comparable_scale(tissues, series, data_pack):
    from PIL import Image

    images = [np.array(Image.open(path).convert("RGB")) for path in sorted((data_pack / "images").glob("*.png"))]
    cut = [
        image[y : y + 256, x : x + 256] for image in images for y in range(0, 1024, 256) for x in range(0, 1024, 256)
    ]
    embeddings = np.concatenate([tissues[1][0], series[2], encoder.encode(np.stack(cut), 0.5)])
    spread = embeddings.std(axis=0)
    assert np.abs(embeddings).max() < 4
    assert np.quantile(spread, 0.1) > 0.01
    assert np.quantile(spread, 0.9) < 0.6


def test_scales_are_in_um_not_in_pixels():
    """The same tissue at half the pixel width, pooled exactly, differs only by what pixels cannot show."""
    fine = paint("tumour", np.random.default_rng(0), px=512, mpp=0.25)
    coarse = fine.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    at_fine, at_coarse = encoder.encode(fine[None], 0.25)[0], encoder.encode(coarse[None], 0.5)[0]
    kept = [not name.startswith("grain") for name in encoder.feature_names]
    assert np.corrcoef(at_fine[kept], at_coarse[kept])[0, 1] > 0.99


@given(
    st.integers(1, 3), st.integers(1, 90), st.integers(1, 90), st.sampled_from([0.1, 0.25, 0.5, 1.0, 3.0]), st.data()
)
def test_any_patch_is_finite_and_small(count, height, width, mpp, data):
    seed, low, high = data.draw(st.integers(0, 99)), data.draw(st.integers(0, 255)), data.draw(st.integers(0, 255))
    low, high = sorted((low, high))
    pixels = np.random.default_rng(seed).integers(low, high + 1, (count, height, width, 3), dtype=np.uint8)
    embeddings = encoder.encode(pixels, mpp)
    assert np.isfinite(embeddings).all()
    assert np.abs(embeddings).max() < 30


def test_feature_names_are_distinct():
    assert len(set(encoder.feature_names)) == encoder.embedding_dim == 370


def test_weights_are_refused():
    with pytest.raises(FeatureError, match=r"'stain' has no weights\. Leave out weights: x\.pt"):
        StainEncoder(weights="x.pt")
