"""The training part of a fold -> what is kept of it as a whole."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prognoscope.cohort.dataset import PatientDataset
from prognoscope.features.store import PackedEmbeddings
from prognoscope.runs.training_summary import PARTS, SHARES, Cloud, TrainingSummary

MOST_PATCHES = 1000  # of a bag, spread evenly over it, whose mean stands for it
FEWEST = 4 * PARTS  # patients of whom it can be said who is unlike them


def summary_of(learned: PatientDataset) -> TrainingSummary:
    """What the patients of a training part are like.

    Args:
        learned: Prepared by the fold, with what the method uses.
    """
    outcome = learned.outcome
    genes = gene_strays(learned)
    genes = genes[np.isfinite(genes)]
    bags = None
    if learned.embeddings is not None:
        vectors = mean_embeddings(learned.embeddings, learned.patients)
        vectors = vectors[np.isfinite(vectors).all(axis=1)]
        bags = Cloud.fit(vectors) if len(vectors) >= FEWEST else None
    return TrainingSummary(
        patients=len(learned),
        events=int(outcome.event.sum()),
        last_month=float(outcome.time.max()),
        genes=np.quantile(genes, SHARES) if len(genes) >= FEWEST else None,
        bags=bags,
    )


def gene_strays(dataset: PatientDataset) -> Float[np.ndarray, " P"]:
    """How far each patient's genes lie from training's means: the root mean square in its SDs; NaN without genes."""
    if not dataset.omics:
        return np.full(len(dataset), np.nan)
    values = np.concatenate([group.numpy() for group in dataset.omics], axis=1).astype(np.float64)
    return np.sqrt((values**2).mean(axis=1))


def mean_embeddings(embeddings: PackedEmbeddings, patients: tuple[str, ...]) -> Float[np.ndarray, "P D"]:
    """The mean embedding of each patient's bag; NaN without a patch."""
    known = _means(embeddings.path, embeddings.key)
    nobody = np.full(embeddings.embedding_dim, np.nan)
    return np.stack([known.get(patient, nobody) for patient in patients])


@lru_cache(maxsize=1)
def _means(path: Path, key: str) -> dict[str, Float[np.ndarray, " D"]]:
    """Of all patients of a pack, for every fold and method needs them."""
    embeddings = PackedEmbeddings.open(path)
    found = {}
    for patient in embeddings.patients:
        values = embeddings.bag(patient)[0]
        if len(values):
            found[patient] = values[:: -(-len(values) // MOST_PATCHES)].astype(np.float64).mean(axis=0)
    return found
