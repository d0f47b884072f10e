"""A teacher, trained on a fold's training patients before its student; one that is finished is used again."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch

from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.errors import InputError, TrainingError
from prognoscope.core.files import digest, read_json, sha256, write_table
from prognoscope.models.base import Recipe, SurvivalModel
from prognoscope.training.checkpoint import CARD, STATE, WEIGHTS, load_model, save_model
from prognoscope.training.loop import fit
from prognoscope.training.spec import TrainingSpec

FOLDER, HISTORY = "teacher", "history.csv"  # the folder lies in that of the student's fold


def teach(
    student: SurvivalModel,
    teacher: SurvivalModel,
    train: PatientDataset,
    *,
    folder: Path,
    recipe: Recipe,
    spec: TrainingSpec,
    card: Mapping[str, object],
    on_epoch: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Train the teacher to its last epoch on those of the student's patients who have genes, and hand it over frozen.

    It is left in `folder` with its card and history. A finished one of this same training is read instead, and an
    interrupted one continued.

    Args:
        teacher: New, of the method, options and sizes that the card tells.
        card: JSON-able; what `load_model` needs, and whatever else the numbers depend on.

    Returns:
        What the student's card tells of it: name, options, fold, patients, and the SHA-256 of its weights.

    Raises:
        TrainingError: Its training cannot go on.
        InputError: None of the patients has genes.
    """
    train = with_genes(train)
    if not len(train):
        raise InputError(f"None of the patients to train on has genes, from which the teacher {card['name']} predicts.")
    spec = replace(spec, choose="last", patience=None, warm_up=0, earliest_stop=0)
    settings = {name: value for name, value in asdict(spec).items() if name != "save_every_s"}
    card = {**card, "recipe": asdict(recipe), "choose": spec.choose, "precision": spec.precision}
    card["key"] = digest([card, settings, torch.__version__, train.fingerprint])
    if not _is_finished(folder, card["key"]):
        (folder / CARD).unlink(missing_ok=True)  # it must not speak for other weights, were this one interrupted
        try:
            progress = fit(
                teacher, train, spec=spec, recipe=recipe, state_file=folder / STATE, about=card, on_epoch=on_epoch
            )
        except TrainingError as cause:
            _remove_state(folder)  # it would only fail again from there
            raise TrainingError(f"The teacher {card['name']} cannot be trained. {cause}") from cause
        write_table(folder / HISTORY, pd.DataFrame(progress.history))
        save_model(folder, teacher, card | {"chosen_epoch": progress.best_epoch})  # the card last: it says finished
    _remove_state(folder)
    trained = load_model(folder)[0].to(spec.device)
    student.learn_from(trained.requires_grad_(False))
    about = {name: card[name] for name in ("name", "options", "fold")}
    return {**about, "patients": len(train), "sha256": sha256(folder / WEIGHTS)}


def with_genes(dataset: PatientDataset) -> PatientDataset:
    """The patients of a dataset who have genes."""
    lacking = torch.zeros(len(dataset), dtype=torch.bool)
    for group in dataset.omics:
        lacking |= group.isnan().any(dim=1)
    rows = (~lacking).nonzero()[:, 0]
    clinical = None if dataset.clinical is None else dataset.clinical[rows]
    return replace(
        dataset,
        outcome=dataset.outcome.take(rows.numpy()),
        target=dataset.target.take(rows),
        omics=tuple(group[rows] for group in dataset.omics),
        clinical=clinical,
    )


def _is_finished(folder: Path, key: str) -> bool:
    if not ((folder / CARD).is_file() and (folder / WEIGHTS).is_file()):
        return False
    card = read_json(folder / CARD, "The teacher's card", "Remove its folder and run the study again.")
    return isinstance(card, dict) and card.get("key") == key


def _remove_state(folder: Path) -> None:
    with suppress(FileNotFoundError):
        (folder / STATE).unlink()
