"""Explanations written by hand into a run: maps whose every value is known."""

from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.runs.explanations import About, ToldMap, ToldSlide, keep
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import ExplanationFiles, RunFiles

MAPS = (
    ToldMap("attention", "How much the model looks at a patch.", "share of attention", "model"),
    ToldMap("gradient", "How a patch moves the risk.", "log risk", "gradient x input", is_signed=True),
)


def write_explanation(
    run: Path,
    method: str,
    patient: str,
    slides: dict[str, np.ndarray],
    *,
    side_px: float = 256.0,
    size_px: tuple[int, int] | None = None,
    seed: int = 0,
    folder: str | None = None,
    maps: tuple[ToldMap, ...] = MAPS,
) -> Path:
    """Write one; the attention of the first patch of each slide is the highest, its gradient the lowest.

    Args:
        slides: Slide -> coordinates (N, 2); NaN where unknown.
    """
    rng, files = np.random.default_rng(seed), RunFiles(run).explanation(method, patient)
    if folder is not None:
        files = ExplanationFiles(files.folder.parent / folder)
    parts = []
    for slide, coords in slides.items():
        n = len(coords)
        attention = rng.uniform(0, 0.9 / max(n, 1), n)
        gradient = rng.normal(0, 0.1, n)
        if n:
            attention[0], gradient[0] = 0.5, -0.75
        part = {"slide_id": slide, "x": coords[:, 0], "y": coords[:, 1], "attention": attention, "gradient": gradient}
        parts.append(pd.DataFrame(part))
    measures = [("attention", "deletion_area", 0.21), ("attention", "random_deletion_area", 0.08)]
    tables = {
        "patches": pd.concat(parts, ignore_index=True),
        "gene_groups": pd.DataFrame({"group": ["Oncogenes", "Protein Kinases"], "integrated_gradients": [0.31, -0.12]}),
        "genes": pd.DataFrame(
            {"group": "Oncogenes", "gene": ["TP53", "KRAS"], "value": [1.5, -0.5], "integrated_gradients": [0.2, -0.1]}
        ),
        "modalities": pd.DataFrame({"modality": ["slides", "genes"], "shapley": [0.4, -0.1], "without": [0.2, 0.5]}),
        "faithfulness": pd.DataFrame(measures, columns=["map", "measure", "value"]),
    }
    told = tuple(ToldSlide(slide, len(coords), side_px, 0.5, size_px) for slide, coords in slides.items())
    keep(files, About(patient, method, (0,), -1.25, maps, told), tables, [], Fingerprint({}))
    return files.folder
