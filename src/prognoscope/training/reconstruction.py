"""How well a model that tells genes from slides tells those of patients it has not seen."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.cohort.dataset import PatientDataset
from prognoscope.training.predict import Predicted

GeneMetric = Callable[[Float[np.ndarray, "P G"], Float[np.ndarray, "P G"]], Float[np.ndarray, " G"]]


def reconstruction_table(
    predicted: Predicted, dataset: PatientDataset, groups: Mapping[str, Sequence[str]], metric: GeneMetric
) -> pd.DataFrame:
    """How the genes that the model told agree with those measured, over the patients who have genes.

    Args:
        groups: Gene group -> genes, as the dataset has them.
        metric: metric(predicted, measured) of P patients x G genes gives a value a gene, such as Spearman's.

    Returns:
        group, gene, patients, spearman (NaN where it is not defined); no rows if the model tells no genes.
    """
    parts = []
    for i, (group, genes) in enumerate(groups.items()):
        if i not in predicted.genes:
            continue
        measured = dataset.omics[i].double().numpy()
        known = ~np.isnan(measured).any(axis=1)
        values = metric(predicted.genes[i][known], measured[known])
        parts.append(pd.DataFrame({"group": group, "gene": genes, "patients": int(known.sum()), "spearman": values}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
