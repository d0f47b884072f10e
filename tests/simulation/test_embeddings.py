import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.simulation.embeddings import PATCH_PX, TUMOUR_SHARE, draw_embeddings
from prognoscope.simulation.tissue_classes import FAT, LYMPHOCYTES, NECROSIS, STROMA, Factors


def draw(patches=800, *, subtype="solid", proliferation=0.0, immune=0.0, necrosis=0.0, dim=64, patient=0, site=1):
    factors = Factors(subtype, float(proliferation), float(immune), float(necrosis))
    return draw_embeddings(factors, patches, dim, 0, patient=patient, slide=0, site=site)


@given(st.integers(1, 3000), st.integers(10, 40), st.floats(-2.5, 2.5), st.floats(-2.5, 2.5))
def test_every_patch_has_a_place_of_its_own_and_a_finite_embedding(patches, dim, immune, necrosis):
    slide = draw(patches, dim=dim, immune=immune, necrosis=necrosis)
    assert slide.features.shape == (patches, dim) and slide.features.dtype == np.float16
    assert np.isfinite(slide.features).all()
    assert len(np.unique(slide.coords_px, axis=0)) == patches
    assert (slide.coords_px % PATCH_PX == 0).all() and (slide.coords_px >= 0).all()
    assert (slide.classes > 0).all()


@pytest.mark.parametrize("factor, kind", [("immune", LYMPHOCYTES), ("necrosis", NECROSIS)])
def test_immune_infiltration_and_necrosis_show_in_the_shares(factor, kind):
    shares = [np.mean(draw(**{factor: value}).classes == kind) for value in (-2, -1, 0, 1, 2)]
    assert (np.diff(shares) > 0).all()


def test_tumour_is_a_modest_part_and_its_class_is_the_subtype():
    slides = {subtype: draw(subtype=subtype) for subtype in ("glandular", "solid")}
    tumour = {
        name: set(np.unique(slide.classes)) - {STROMA, LYMPHOCYTES, NECROSIS, FAT} for name, slide in slides.items()
    }
    assert tumour["glandular"] != tumour["solid"]
    for name, slide in slides.items():
        share = np.isin(slide.classes, list(tumour[name])).mean()
        assert TUMOUR_SHARE[0] - 0.01 <= share <= TUMOUR_SHARE[1] + 0.01


def test_rows_are_in_no_order():
    slide = draw(2000)
    neighbours = np.mean(slide.classes[1:] == slide.classes[:-1])
    assert neighbours == pytest.approx(np.square(np.bincount(slide.classes) / 2000).sum(), abs=0.05)


def test_tissue_lies_together():
    slide = draw(2000)
    place = {tuple(xy): kind for xy, kind in zip(slide.coords_px, slide.classes, strict=True)}
    same = [place[x, y] == place[x + PATCH_PX, y] for x, y in place if (x + PATCH_PX, y) in place]
    assert np.mean(same) > np.square(np.bincount(slide.classes) / 2000).sum() + 0.1


def test_proliferation_is_easier_to_see_in_tumour_than_in_the_mean_of_the_bag():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(240)
    means, tumours = [], []
    for k, value in enumerate(truth):
        slide = draw(300, proliferation=value, patient=k, site=k % 4 + 1, dim=32)
        features = slide.features.astype(np.float32)
        means.append(features.mean(axis=0))
        tumours.append(features[slide.classes == 2].mean(axis=0))

    def explained(table):
        table = np.column_stack([table, np.ones(len(table))])
        weights = np.linalg.lstsq(table[:160], truth[:160], rcond=None)[0]
        return np.corrcoef(table[160:] @ weights, truth[160:])[0, 1] ** 2

    assert explained(np.array(tumours)) > 0.8
    assert explained(np.array(means)) < explained(np.array(tumours)) - 0.25


def test_hospitals_differ_by_a_shift():
    near = [draw(patient=k, site=1).features.astype(np.float32).mean(axis=0) for k in (0, 1)]
    far = draw(patient=1, site=2).features.astype(np.float32).mean(axis=0)
    assert np.linalg.norm(far - near[1]) > 1.2 * np.linalg.norm(near[0] - near[1]) or np.linalg.norm(far - near[1]) > 2
