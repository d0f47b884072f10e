"""One fitted fold: a model, how its patients' data are prepared, and what it computes in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset, prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.core.errors import InputError, ModelError, PrognoscopeError, TrainingError
from prognoscope.core.files import digest
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.base import SurvivalModel
from prognoscope.models.creation import create_model
from prognoscope.runs.card import ModelCard, edges_of, read_card
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import FoldFiles
from prognoscope.runs.manifest import damage, seal
from prognoscope.runs.tables import EPOCH_RISKS, HISTORY
from prognoscope.training.checkpoint import load_model, save_model, sizes_card, weights_digest
from prognoscope.training.fold_data import FoldData
from prognoscope.training.loop import Metric, fit
from prognoscope.training.method import Method
from prognoscope.training.predict import Predicted, predict
from prognoscope.training.progress import Progress, history_table, risk_table
from prognoscope.training.spec import TrainingSpec

OnEpoch = Callable[[int, int], None]  # called with the number of finished and of all epochs


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind, and all that predicting needs."""

    model: SurvivalModel
    preparation: Preparation  # of what the model uses alone
    spec: TrainingSpec
    card: ModelCard
    progress: Progress = field(default_factory=Progress, repr=False)  # empty without epochs, and when it was loaded

    @classmethod
    def fit(
        cls,
        method: Method,
        data: FoldData,
        spec: TrainingSpec,
        *,
        metric: Metric | None = None,
        files: FoldFiles | None = None,
        about: Mapping[str, Any] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> "Trained":
        """Train a new model of the method; its weights hang on the seed, the fold and the method's title alone.

        A method that has a teacher is taught by one that was trained before it, on the same patients.

        Args:
            metric: The C-index, where it ranks the epochs or is to be recorded.
            files: Where an interrupted training is continued from, and a teacher kept; without, nothing is written.
            about: What else the card is to tell, such as the protocol.
            on_epoch: A teacher's epochs are counted with the method's own.

        Raises:
            TrainingError: The training cannot go on.
            InputError: A method that has a teacher has no patient with genes.
        """
        model, recipe = new_model(method, data, spec), method.changed_recipe
        profile = model.profile
        preparation = data.preparation.limited(profile.uses)
        card = ModelCard(
            name=method.name,
            title=method.title,
            options=dict(method.options),
            sizes=sizes_card(method.name, data.sizes),
            fold=data.fold,
            bins=edges_of(preparation.bins),
            preparation=preparation.to_dict(),
            **(about or {}),
        )
        if profile.gene_selection is not None and preparation.genes is not None:
            chosen = asdict(profile.gene_selection) | {"notes": list(preparation.genes.notes)}
            card = replace(card, gene_selection=chosen)
        if recipe is None:
            everybody = data.dataset(data.learned, profile.uses)
            batch = everybody.batch(range(len(everybody)))
            model.fit(batch.inputs, batch.target, preparation.bins.edges.tolist())
            return cls(model, preparation, _closed_form(spec), card)
        is_chosen = spec.choose.startswith("validation")
        patients = data.train if is_chosen else data.learned
        if profile.teacher is not None:
            told, on_epoch = _teach(
                model, profile.teacher, method, data.only_with_genes(patients), spec, files, about, on_epoch
            )
            card = replace(card, teacher=told)
        progress = fit(
            model,
            data.dataset(patients, profile.uses),
            validation=data.dataset(data.validation, profile.uses) if is_chosen else None,
            test=data.dataset(data.test, profile.uses) if data.test else None,
            recipe=recipe,
            spec=replace(spec, seed=method.seed(spec.seed, data.fold)),
            metric=metric,
            state_file=None if files is None else files.state,
            about=asdict(card),
            on_epoch=on_epoch,
        )
        how = {"choose": spec.choose, "chosen_epoch": progress.best_epoch, "precision": spec.precision}
        return cls(model, preparation, spec, replace(card, recipe=asdict(recipe), **how), progress)

    def save(self, files: FoldFiles, test: Sequence[str] = ()) -> None:
        """Write weights, history and card; the card last, so that it speaks for all three.

        Args:
            test: Patients of the test part, whose risks at other epochs are written too.
        """
        if self.progress.history:
            HISTORY.write(files.history, history_table(self.progress))
        if (risks := risk_table(self.progress, test)) is not None:
            EPOCH_RISKS.write(files.epoch_risks, risks)
        save_model(files, self.model, self.card)

    @classmethod
    def load(cls, files: FoldFiles, spec: TrainingSpec) -> "Trained":
        """What `save` wrote, to be predicted with as the spec says.

        Raises:
            MissingFileError: The card or the weights are not there.
            ModelError: The weights are not whole, or do not fit the card.
        """
        model, card = load_model(files)
        preparation = Preparation.from_dict(card.preparation)
        return cls(model, preparation, spec if card.recipe else _closed_form(spec), card)

    def dataset(self, cohort: Cohort, patients: Sequence[str], embeddings: PackedEmbeddings | None) -> PatientDataset:
        """These patients with what the model predicts from; what it only learned from, they need not have."""
        needs = self.model.profile.needs
        bags = embeddings if "bag" in needs else None
        return prepared_dataset(cohort, patients, self.preparation.limited(needs), bags)

    def predict(
        self, cohort: Cohort, embeddings: PackedEmbeddings | None = None, patients: Sequence[str] | None = None
    ) -> Predicted:
        """What the model says of these patients of any cohort; of all by default.

        Args:
            embeddings: The bags, where the model needs them.

        Raises:
            CohortError: Somebody lacks what training had.
            ModelError: A risk is not a finite number.
        """
        return self.predict_prepared(self.dataset(cohort, patients or cohort.patients, embeddings))

    def predict_prepared(self, dataset: PatientDataset, *, alpha: float = 0.0) -> Predicted:
        """What the model says of prepared patients.

        Args:
            alpha: How much less censored patients weigh in the mean loss.
        """
        return predict(self.model, dataset, spec=self.spec, alpha=alpha)


def new_model(method: Method, data: FoldData, spec: TrainingSpec) -> SurvivalModel:
    """An untrained model of the method, its weights drawn from the seed, the fold and the method's title.

    Raises:
        ModelError: Nothing can be made with the method's options.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(method.seed(spec.seed, data.fold))
        try:
            return create_model(method.name, sizes=data.sizes, **method.options)
        except PrognoscopeError:
            raise
        except (TypeError, ValueError, RuntimeError) as cause:  # whatever a constructor makes of values that do not fit
            raise ModelError((str(cause).splitlines() or [type(cause).__name__])[0]) from cause


def _closed_form(spec: TrainingSpec) -> TrainingSpec:
    """What is solved at once predicts on the CPU in float32, whatever the spec says."""
    return replace(spec, device="cpu", precision="float32")


def _teach(
    student: SurvivalModel,
    wanted: tuple[str, Mapping[str, object]],
    method: Method,
    data: FoldData,
    spec: TrainingSpec,
    files: FoldFiles | None,
    about: Mapping[str, Any] | None,
    on_epoch: OnEpoch | None,
) -> tuple[dict[str, Any], OnEpoch | None]:
    """Train the teacher that a student wants to its last epoch on all of the data, and hand it over frozen.

    It is kept beside the student. A finished one of this same training is read instead, and an interrupted one
    continued. Equal teachers of several students in one fold start alike. What the study changes of the student's
    recipe is changed for the teacher too, but for factors on parts of the student.

    Returns:
        What the student's card tells of it, and what to call with the student's own epochs.
    """
    name, options = wanted
    if not data.learned:
        raise InputError(f"None of the patients to train on has genes, from which the teacher {name} predicts.")
    changes = {key: value for key, value in method.recipe.items() if key != "learning_rate_factors"}
    own = Method(name, f"teacher {name}", options, changes)
    spec = replace(spec, choose="last", patience=None, warm_up=0, earliest_stop=0)
    its_files = None if files is None else files.teacher
    settings = {name: value for name, value in asdict(spec).items() if name != "save_every_s"}
    seen = data.dataset(data.learned, own.settled_profile(data.sizes).uses).fingerprint
    key = digest([asdict(own), asdict(data.sizes), data.fold, settings, torch.__version__, seen])
    before = after = on_epoch
    if on_epoch is not None:
        before = lambda done, of: on_epoch(done, of + method.epochs)  # noqa: E731
        after = lambda done, of: on_epoch(done + own.epochs, of + own.epochs)  # noqa: E731
    if its_files is not None and _is_finished(its_files, key):
        teacher = Trained.load(its_files, spec)
    else:
        teacher = _trained_teacher(own, data, spec, its_files, {**(about or {}), "key": key}, before)
    student.learn_from(teacher.model.to(spec.device).eval().requires_grad_(False))
    told = {"name": name, "options": dict(options), "fold": data.fold, "patients": len(data.learned)}
    return told | {"sha256": weights_digest(teacher.model)}, after


def _trained_teacher(
    method: Method,
    data: FoldData,
    spec: TrainingSpec,
    files: FoldFiles | None,
    about: Mapping[str, Any],
    on_epoch: OnEpoch | None,
) -> Trained:
    if files is not None:
        files.manifest.unlink(missing_ok=True)  # it must not speak for other weights, were this training interrupted
    try:
        teacher = Trained.fit(method, data, spec, files=files, about=about, on_epoch=on_epoch)
    except TrainingError as cause:
        if files is not None:
            files.state.unlink(missing_ok=True)  # it would only fail again from there
        raise TrainingError(f"The teacher {method.name} cannot be trained. {cause}") from cause
    if files is not None:
        teacher.save(files)
        seal(files.folder, files.kept, Fingerprint({"training": str(about["key"])}))
        files.state.unlink(missing_ok=True)
    return teacher


def _is_finished(files: FoldFiles, key: str) -> bool:
    return files.is_done and not damage(files.folder) and read_card(files.card).key == key
