"""What is trained before a method, inside its fold: the teacher it learns from, the members it is made of."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Protocol

import torch

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.cohort.splits import Split, SplitSpec, make_splits
from prognoscope.core.errors import CohortError, InputError
from prognoscope.models.base import SurvivalModel
from prognoscope.runs.card import ModelCard
from prognoscope.runs.layout import FoldFiles
from prognoscope.training.checkpoint import weights_digest
from prognoscope.training.fold_data import FoldData
from prognoscope.training.method import Method
from prognoscope.training.predict import Predicted
from prognoscope.training.spec import TrainingSpec

OnEpoch = Callable[[int, int], None]  # called with the number of finished and of all epochs


class Fitted(Protocol):
    """What a training of a part leaves."""

    @property
    def model(self) -> SurvivalModel:
        """The trained model."""
        ...

    @property
    def card(self) -> ModelCard:
        """How it was made."""
        ...

    def predict_prepared(self, dataset: PatientDataset) -> Predicted:
        """What it says of prepared patients."""
        ...


Once = Callable[[Method, FoldData, TrainingSpec, FoldFiles | None, str, OnEpoch | None], Fitted]
# trains; or reads what the same training left in these files. The fourth is how a message calls it.


def teach(
    once: Once,
    student: SurvivalModel,
    method: Method,
    data: FoldData,
    spec: TrainingSpec,
    files: FoldFiles | None,
    on_epoch: OnEpoch | None,
) -> tuple[dict[str, Any], OnEpoch | None]:
    """Train the teacher that a student wants to its last epoch on all of the data, and hand it over frozen.

    It is kept beside the student. Equal teachers of several students in one fold start alike. What the study changes of
    the student's recipe is changed for the teacher too, but for factors on parts of the student.

    Returns:
        What the student's card tells of it, and what to call with the student's own epochs.

    Raises:
        InputError: None of the patients has genes.
    """
    assert student.profile.teacher is not None
    name, options = student.profile.teacher
    if not data.learned:
        raise InputError(f"None of the patients to train on has genes, from which the teacher {name} predicts.")
    changes = {key: value for key, value in method.recipe.items() if key != "learning_rate_factors"}
    own = Method(name, f"teacher {name}", options, changes)
    before = after = on_epoch
    if on_epoch is not None:
        before = lambda done, of: on_epoch(done, of + method.epochs)  # noqa: E731
        after = lambda done, of: on_epoch(done + own.epochs, of + own.epochs)  # noqa: E731
    its_files = None if files is None else files.teacher
    teacher = once(own, data, _to_the_end(spec), its_files, f"The teacher {name}", before)
    student.learn_from(teacher.model.to(spec.device).eval().requires_grad_(False))
    told = {"name": name, "options": dict(options), "fold": data.fold, "patients": len(data.learned)}
    return told | {"sha256": weights_digest(teacher.model)}, after


def join_members(
    once: Once,
    model: SurvivalModel,
    method: Method,
    data: FoldData,
    spec: TrainingSpec,
    files: FoldFiles | None,
    on_epoch: OnEpoch | None,
) -> tuple[dict[str, Any], OnEpoch | None]:
    """Train the members of a method, each on those of the data who have what it needs, and have the model join them.

    Each is trained on all of them, and without each of some inner folds in turn, of whom it then tells the risk;
    scalers and bins of an inner fold are of its own training part. Epochs are chosen as the study wants, but never by
    the test part: then it is the last one that counts.

    Returns:
        What the model's card tells of them, and what to call with the model's own epochs.

    Raises:
        CohortError: The patients cannot be divided into inner folds.
    """
    spec = spec if spec.choose.startswith("validation") else _to_the_end(spec)
    told, trained, done = {}, {}, 0
    risks = torch.full((len(data.learned), len(method.members)), torch.nan)
    row_of = {patient: row for row, patient in enumerate(data.learned)}

    def tell(before: int) -> OnEpoch | None:
        if on_epoch is None:
            return None
        outer = on_epoch
        return lambda ended, _: outer(before + ended, method.epochs)

    for column, (label, member) in enumerate(method.members.items()):
        its_files = None if files is None else files.member(label)
        its_data = data.only_able(member.settled_profile(data.sizes).needs)
        parts = Split(data.fold, its_data.train, its_data.validation, ())
        for split in member_splits(method, data.cohort, parts, spec):
            inner = its_data.inner(split, member.profile.gene_selection)
            at = None if its_files is None else its_files.inner(split.fold)
            name = f"The member {label} in inner fold {split.fold}"
            fitted = once(member, replace(inner, test=()), spec, at, name, tell(done))
            predicted = fitted.predict_prepared(inner.dataset(inner.test, fitted.model.profile.uses)).prediction
            rows = [row_of[patient] for patient in predicted.patients]
            risks[rows, column] = torch.from_numpy(predicted.risk).float()
            done += member.epochs
        trained[label] = whole = once(member, its_data, spec, its_files, f"The member {label}", tell(done))
        done += member.epochs
        card, patients = whole.card, its_data.train if spec.choose.startswith("validation") else its_data.learned
        told[label] = {"name": member.name, "options": dict(member.options), "patients": len(patients)}
        told[label] |= {
            "recipe": dict(card.recipe),
            "chosen_epoch": card.chosen_epoch,
            "epochs": card.recipe.get("epochs", 0),
        }
    everybody = data.dataset(data.learned, model.profile.uses - {"bag"})
    assert everybody.patients == data.learned
    batch = everybody.batch(range(len(everybody)))
    edges = data.preparation.bins.edges.tolist()
    model.join({label: each.model for label, each in trained.items()}, risks, batch.inputs, batch.target, edges)
    return told, tell(done)


def member_splits(method: Method, cohort: Cohort, split: Split, spec: TrainingSpec) -> tuple[Split, ...]:
    """The inner folds of the training part of a member's patients, stratified by event and time.

    Raises:
        CohortError: A part would be without events, or the patients are too few.
    """
    learned = sorted((*split.train, *split.validation))
    share = len(split.validation) / len(learned) if spec.choose.startswith("validation") else 0.0
    folds = method.profile.inner_folds
    how = SplitSpec(folds=folds, validation=share, seed=method.seed(spec.seed, split.fold))
    try:
        return make_splits(cohort.take(learned), how)
    except CohortError as cause:
        raise CohortError(f"inner_folds is {folds}: {cause}") from cause


def _to_the_end(spec: TrainingSpec) -> TrainingSpec:
    """All epochs, of which the last one counts."""
    return replace(spec, choose="last", patience=None, warm_up=0, earliest_stop=0)


def training_key(method: Method, data: FoldData, spec: TrainingSpec) -> list[object]:
    """All that the numbers of a part's training depend on."""
    settings = {name: value for name, value in asdict(spec).items() if name != "save_every_s"}
    uses = method.settled_profile(data.sizes).uses
    seen = [data.dataset(part, uses).fingerprint for part in (data.learned, data.train, data.validation) if part]
    return [asdict(method), asdict(data.sizes), data.fold, settings, torch.__version__, *seen]
