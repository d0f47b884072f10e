"""A model and patients -> what the model says of them."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.cohort.dataset import PatientDataset, cut_into_passes, loaded_ahead
from prognoscope.core.batch import Output
from prognoscope.core.errors import InputError, ModelError, some
from prognoscope.core.outcome import Prediction
from prognoscope.models.base import RECONSTRUCTION, SurvivalModel
from prognoscope.training.spec import TrainingSpec, autocast, fixed_threads

MOST_PATIENTS = 256  # at once, however few patches they have


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of the patients of a dataset."""

    prediction: Prediction
    loss: float  # mean survival loss per patient; means nothing without follow-up
    subtype: Float[np.ndarray, "P C"] | None  # probabilities of the subtypes
    genes: dict[int, Float[np.ndarray, "P _"]] = field(default_factory=dict)  # gene group -> scaled genes, if told
    components: dict[str, Float[np.ndarray, "P _"]] = field(
        default_factory=dict
    )  # of a method that splits what it sees


def predict(model: SurvivalModel, dataset: PatientDataset, *, spec: TrainingSpec, alpha: float = 0.0) -> Predicted:
    """Predict all patients of the dataset, in its order, without learning from them.

    Args:
        alpha: How much less censored patients weigh in the mean loss.

    Raises:
        InputError: There is nobody to predict.
        ModelError: A risk is not a finite number.
    """
    if not len(dataset):
        raise InputError("There are no patients to predict.")
    passes = list(cut_into_passes(range(len(dataset)), dataset.lengths, spec.most_patches, MOST_PATIENTS))
    said: list[tuple[Tensor, Tensor]] = []
    losses: list[Tensor] = []
    compared: list[Output] = []  # whose loss is of everybody at once, however many go through the model together
    subtypes: list[Tensor] = []
    told: dict[int, list[Tensor]] = {}
    split: list[Tensor] = []
    was_training = model.training
    model.to(spec.device).eval()
    batches = loaded_ahead(dataset, passes, spec.device)
    with closing(batches), fixed_threads(spec), torch.inference_mode():
        for batch in batches:
            with autocast(spec):
                output = model(batch.inputs)
            said.append((output.risk, output.survival))
            if model.profile.compares_patients:
                compared.append(Output(output.logits, output.log_hazard_ratio))
            else:
                losses.append(model.survival_loss(output, batch.target, alpha=alpha))
            if output.subtype_logits is not None:
                subtypes.append(output.subtype_logits.float().softmax(dim=1))
            if model.component_names:
                split.append(output.details["components"])
            for name, genes in output.details.items():
                if name.startswith(RECONSTRUCTION):
                    told.setdefault(int(name.removeprefix(RECONSTRUCTION)), []).append(genes)
        if compared:
            everybody = dataset.target.to(spec.device)
            losses.append(model.survival_loss(_joined(compared), everybody, alpha=alpha))
    model.train(was_training)
    risk, survival, loss = (_gathered(parts) for parts in (*zip(*said, strict=True), losses))
    if bad := [patient for patient, value in zip(dataset.patients, risk, strict=True) if not np.isfinite(value)]:
        raise ModelError(
            f"The risk of {len(bad)} of {len(dataset)} patients is not a finite number: {some(bad)}. "
            "Check their embeddings, genes and covariates for missing and extreme values."
        )
    genes = {group: _gathered(parts) for group, parts in told.items()}
    parts = _gathered(split) if split else np.empty((0, 0, 0))
    components = {name: parts[:, i] for i, name in enumerate(model.component_names)}
    prediction = Prediction(dataset.patients, risk, survival)
    return Predicted(prediction, float(loss.mean()), _gathered(subtypes) if subtypes else None, genes, components)


def _joined(outputs: Sequence[Output]) -> Output:
    ratios = [each.log_hazard_ratio for each in outputs if each.log_hazard_ratio is not None]
    return Output(torch.cat([each.logits for each in outputs]), torch.cat(ratios) if ratios else None)


def _gathered(parts: Sequence[Tensor]) -> Float[np.ndarray, "P *rest"]:
    return torch.cat(list(parts)).double().cpu().numpy()
