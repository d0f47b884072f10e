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
        if i in predicted.genes:
            told, measured, patients = _known(predicted, dataset, i)
            each = {"group": group, "gene": genes, "patients": len(patients), "spearman": metric(told, measured)}
            parts.append(pd.DataFrame(each))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def reconstruction_by_patient(
    predicted: Predicted, dataset: PatientDataset, groups: Mapping[str, Sequence[str]], metric: GeneMetric
) -> pd.DataFrame:
    """The same by patient: how the genes of each group agree with those measured, over the genes.

    Returns:
        group, patient_id, genes (how many), spearman (NaN where it is not defined).
    """
    parts = []
    for i, (group, genes) in enumerate(groups.items()):
        if i in predicted.genes:
            told, measured, patients = _known(predicted, dataset, i)
            each = {"group": group, "patient_id": patients, "genes": len(genes), "spearman": metric(told.T, measured.T)}
            parts.append(pd.DataFrame(each))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _known(
    predicted: Predicted, dataset: PatientDataset, group: int
) -> tuple[Float[np.ndarray, "P G"], Float[np.ndarray, "P G"], list[str]]:
    """Predicted and measured genes of a group, and the patients, who have genes."""
    measured = dataset.omics[group].double().numpy()
    known = ~np.isnan(measured).any(axis=1)
    patients = [dataset.patients[i] for i in np.flatnonzero(known)]
    return predicted.genes[group][known], measured[known], patients
