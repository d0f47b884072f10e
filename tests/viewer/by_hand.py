"""Explanations written by hand into a run: maps whose every value is known."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

MAPS = [
    {"name": "attention", "meaning": "How much the model looks at a patch.", "unit": "share of attention"},
    {"name": "gradient", "meaning": "How a patch moves the risk.", "unit": "log risk", "is_signed": True},
]
MAPS = [{"is_signed": False, "source": "model", **each} for each in MAPS]


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
) -> Path:
    """Write one; the attention of the first patch of each slide is the highest, its gradient the lowest.

    Args:
        slides: Slide -> coordinates (N, 2); NaN where unknown.
    """
    rng, place = np.random.default_rng(seed), run / "explanations" / method / (folder or patient)
    place.mkdir(parents=True)
    parts = []
    for slide, coords in slides.items():
        n = len(coords)
        attention = rng.uniform(0, 0.9 / n, n)
        gradient = rng.normal(0, 0.1, n)
        if n:
            attention[0], gradient[0] = 0.5, -0.75
        part = {"slide_id": slide, "x": coords[:, 0], "y": coords[:, 1], "attention": attention, "gradient": gradient}
        parts.append(pd.DataFrame(part))
    patches = pd.concat(parts, ignore_index=True)
    patches.to_parquet(place / "patches.parquet")
    patches.to_csv(place / "patches.csv", index=False)
    groups = pd.DataFrame({"group": ["Oncogenes", "Protein Kinases"], "gradient": [0.31, -0.12]})
    groups.to_parquet(place / "gene_groups.parquet")
    genes = pd.DataFrame(
        {"group": "Oncogenes", "gene": ["TP53", "KRAS"], "value": [1.5, -0.5], "gradient": [0.2, -0.1]}
    )
    genes.to_parquet(place / "genes.parquet")
    pd.DataFrame({"modality": ["slides", "genes"], "shapley": [0.4, -0.1], "without": [0.2, 0.5]}).to_parquet(
        place / "modalities.parquet"
    )
    measures = [("attention", "deletion_area", 0.21), ("attention", "random_deletion_area", 0.08)]
    pd.DataFrame(measures, columns=["map", "measure", "value"]).to_csv(place / "faithfulness.csv", index=False)
    told = {
        "patient": patient,
        "method": method,
        "folds": [0],
        "risk": -1.25,
        "risk_by_fold": {"0": -1.25},
        "maps": MAPS,
        "slides": [
            {"slide": s, "side_px": side_px, "mpp": 0.5, "size_px": size_px, "patches": len(c)}
            for s, c in slides.items()
        ],
        "notes": [],
    }
    (place / "explanation.json").write_text(json.dumps(told))
    return place
