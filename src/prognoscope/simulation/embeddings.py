"""Embeddings drawn directly, for cohorts of hundreds of patients and bags of tens of thousands of patches."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from prognoscope.simulation.layout import place_classes, tissue_outline
from prognoscope.simulation.patients import COHORT, SLIDES, generator
from prognoscope.simulation.tissue_classes import CLASSES, Factors, tissue_shares

PATCH_PX = 256
MPP = 0.5
TUMOUR_SHARE = (0.08, 0.25)  # modest, so that finding the tumour matters

CLASS_DISTANCE = 8.0  # length of a class's mean; the noise has deviation 1 in every dimension
TUMOUR_STEPS = (1.2, 0.8, 0.8)  # how far a tumour patch moves with proliferation, immune cells in it, hypoxia near it
OTHERS_STEP = 0.6  # deviation of the same movements in all other tissue, which tells nothing
PATIENT_SHIFT = 0.05  # deviation in every dimension, one draw a patient
SITE_SHIFT = 0.12
FEWEST_DIMENSIONS = len(CLASSES) + len(TUMOUR_STEPS)  # for as many directions at right angles

_WORLD = 20_261  # the directions are those of one encoder: the same in all cohorts


@dataclass(frozen=True, slots=True)
class EmbeddedSlide:
    """The patches of one slide, in the order of the file."""

    features: Float[np.ndarray, "N D"]  # float16
    coords_px: Int[np.ndarray, "N 2"]  # level-0 pixels of the top left corner
    classes: Int[np.ndarray, " N"]  # places in CLASSES


def draw_embeddings(
    factors: Factors, patches: int, embedding_dim: int, seed: int, *, patient: int, slide: int, site: int
) -> EmbeddedSlide:
    """One slide of a patient: embeddings on a grid, shuffled.

    An embedding is the mean of its class, plus noise, plus a shift of the site, plus a small one of the patient.
    Tumour moves along three directions, with proliferation, with the immune cells among its own and with the hypoxia
    that goes before necrosis; all other tissue moves along the same directions by amounts that tell nothing, so that
    the mean of a bag hides what its tumour patches show. Immune infiltration and necrosis are also in the shares of
    their classes (`tissue_shares`), the subtype in the class of the tumour.

    Args:
        patient: The patient's number in the cohort.
        slide: The slide's number within the patient.
    """
    rng = generator(seed, patient, SLIDES, slide)
    classes, coords = _places(factors, patches, rng)
    means, directions = _directions(embedding_dim)
    of_patient = generator(seed, patient, SLIDES)  # what the slides of a patient share
    told = np.array(TUMOUR_STEPS) * (factors.proliferation, factors.immune, factors.necrosis)
    untold = OTHERS_STEP * of_patient.standard_normal(len(TUMOUR_STEPS))
    movement = np.where((classes == factors.tumour)[:, None], told, untold).astype(np.float32)  # (N, 3)
    shift = SITE_SHIFT * generator(seed, COHORT, SLIDES, site).standard_normal(embedding_dim)
    shift = shift + PATIENT_SHIFT * of_patient.standard_normal(embedding_dim)
    features = rng.standard_normal((patches, embedding_dim), dtype=np.float32)
    features += means[classes] + shift.astype(np.float32) + movement @ directions
    return EmbeddedSlide(features.astype(np.float16), coords, classes)


def _places(
    factors: Factors, patches: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, "N 2"]]:
    side = int(np.ceil(np.sqrt(patches / 0.6)))
    y, x = np.divmod(np.arange(side * side), side)
    on_tissue = np.argsort(-tissue_outline((side, side), 0.6, rng).ravel(), kind="stable")[:patches]
    inside = np.zeros(side * side, np.float32)
    inside[on_tissue] = 1
    shares = tissue_shares(factors, rng, tumour=TUMOUR_SHARE)
    labels = place_classes(inside.reshape(side, side), shares, rng, roughness=0.3).ravel()
    order = rng.permutation(on_tissue)
    return labels[order], np.stack([x[order], y[order]], axis=1).astype(np.int64) * PATCH_PX


def _directions(embedding_dim: int) -> tuple[Float[np.ndarray, "C D"], Float[np.ndarray, "3 D"]]:
    """The mean of each class, and the directions in which tumour moves: all at right angles."""
    rng = generator(_WORLD, embedding_dim)
    axes, _ = np.linalg.qr(rng.standard_normal((embedding_dim, FEWEST_DIMENSIONS)))
    means, directions = CLASS_DISTANCE * axes.T[: len(CLASSES)], axes.T[len(CLASSES) :]
    return means.astype(np.float32), directions.astype(np.float32)
