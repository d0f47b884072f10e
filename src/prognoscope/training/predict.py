"""A model and patients -> what the model says of them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from prognoscope.cohort.dataset import PatientDataset, cut_into_passes, loaded_ahead
from prognoscope.core.outcome import Prediction
from prognoscope.models.base import Recipe, SurvivalModel
from prognoscope.training.spec import TrainingSpec, autocast


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of the patients of a dataset."""

    prediction: Prediction
    loss: float  # mean survival loss per patient; NaN without outcomes
    subtype: Float[np.ndarray, "P C"] | None  # probabilities of the subtypes


def predict(model: SurvivalModel, dataset: PatientDataset, *, recipe: Recipe, spec: TrainingSpec) -> Predicted:
    """Predict all patients of the dataset, in its order, without learning from them."""
    was_training = model.training
    model.eval()
    passes = list(cut_into_passes(range(len(dataset)), dataset.lengths, spec.patches_per_pass))
    passes = [part[i : i + 256] for part in passes for i in range(0, len(part), 256)]
    risk, survival, subtype, loss = [], [], [], []
    with torch.inference_mode():
        for batch in loaded_ahead(dataset, passes, spec.device):
            with autocast(spec):
                output = model(batch.inputs)
            risk.append(output.risk.float().cpu())
            survival.append(output.survival.float().cpu())
            loss.append(model.survival_loss(output, batch.target, alpha=recipe.nll_alpha).float().cpu())
            if output.subtype_logits is not None:
                subtype.append(output.subtype_logits.float().softmax(dim=1).cpu())
    model.train(was_training)
    prediction = Prediction(
        dataset.patients, torch.cat(risk).numpy().astype(np.float64), torch.cat(survival).numpy().astype(np.float64)
    )
    return Predicted(
        prediction,
        float(torch.cat(loss).double().mean()),
        torch.cat(subtype).numpy().astype(np.float64) if subtype else None,
    )
