"""What tissue is made of, and how much of each a patient has."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from prognoscope.simulation.patients import SUBTYPES

CLASSES = ("background", "tumour_glandular", "tumour_solid", "stroma", "lymphocytes", "necrosis", "fat")
BACKGROUND, TUMOUR_GLANDULAR, TUMOUR_SOLID, STROMA, LYMPHOCYTES, NECROSIS, FAT = range(len(CLASSES))


TUMOUR = (TUMOUR_GLANDULAR, TUMOUR_SOLID)
PROGNOSTIC = (*TUMOUR, LYMPHOCYTES, NECROSIS)  # whose looks or shares tell of the hazard; stroma and fat tell nothing


def told_classes(classes: Int[np.ndarray, " N"]) -> dict[str, Int[np.ndarray, " N"]]:
    """Columns that say of each patch whether it `is_tumour`, and whether it `is_prognostic`; 0 or 1."""
    kinds = {"is_tumour": TUMOUR, "is_prognostic": PROGNOSTIC}
    return {name: np.isin(classes, kind).astype(np.int64) for name, kind in kinds.items()}


@dataclass(frozen=True, slots=True)
class Factors:
    """What a slide shows of a patient."""

    subtype: str
    proliferation: float  # standard normal, as the other two
    immune: float
    necrosis: float

    @property
    def tumour(self) -> int:
        """The class of this patient's tumour."""
        return TUMOUR_GLANDULAR if self.subtype == SUBTYPES[0] else TUMOUR_SOLID


def tissue_shares(factors: Factors, rng: np.random.Generator, *, tumour: tuple[float, float]) -> dict[int, float]:
    """The share of each class in a slide's tissue; adds up to 1.

    Lymphocytes take 0.09 exp(0.6 immune) of what is not tumour and necrosis 0.09 exp(0.7 necrosis), each at most 0.35,
    with a few percent of scatter between slides; fat 0.03 to 0.2, whoever the patient is; stroma the rest.

    Args:
        tumour: Least and greatest share of tumour, which tells nothing of the hazard.
    """
    of_tumour = rng.uniform(*tumour)
    scatter = np.exp(0.08 * rng.standard_normal(2))
    lymphocytes = min(0.09 * np.exp(0.6 * factors.immune) * scatter[0], 0.35)
    necrosis = min(0.09 * np.exp(0.7 * factors.necrosis) * scatter[1], 0.35)
    fat = rng.uniform(0.03, 0.2)
    others = {LYMPHOCYTES: lymphocytes, NECROSIS: necrosis, FAT: fat, STROMA: 1 - lymphocytes - necrosis - fat}
    return {factors.tumour: of_tumour, **{kind: (1 - of_tumour) * share for kind, share in others.items()}}
