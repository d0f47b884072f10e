"""One fitted fold: a model, how its patients' data are prepared, and what it computes in."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset, prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.core.errors import ModelError, PrognoscopeError, TrainingError
from prognoscope.core.files import digest
from prognoscope.core.named import named
from prognoscope.core.seeded import seeded
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.base import SurvivalModel
from prognoscope.models.creation import create_model
from prognoscope.runs.card import ModelCard, edges_of, read_card
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import FoldFiles
from prognoscope.runs.manifest import damage, seal
from prognoscope.runs.tables import EPOCH_RISKS, HISTORY
from prognoscope.training.checkpoint import load_model, save_model, sizes_card
from prognoscope.training.fold_data import FoldData
from prognoscope.training.loop import Metric, fit
from prognoscope.training.method import Method
from prognoscope.training.parts import OnEpoch, join_members, teach, training_key
from prognoscope.training.predict import Predicted, predict
from prognoscope.training.progress import Progress, history_table, risk_table
from prognoscope.training.spec import TrainingSpec


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

        A method that has a teacher is taught by one that was trained before it, on the same patients; one that has
        members is made of such.

        Args:
            metric: The C-index, where it ranks the epochs or is to be recorded.
            files: Where an interrupted training is continued from, and what is trained before it kept; without, nothing
                is written.
            about: What else the card is to tell, such as the protocol.
            on_epoch: Epochs of a teacher and of members are counted with the method's own.

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
        is_chosen = spec.choose.startswith("validation")
        patients = data.train if is_chosen else data.learned
        once = partial(cls._once, metric=metric, about=about)
        if profile.members:
            told, on_epoch = join_members(once, model, method, data, spec, files, on_epoch)
            card = replace(card, members=told)
            if recipe is None:
                return cls(model, preparation, spec, replace(card, precision=spec.precision))
        if recipe is None:
            everybody = data.dataset(data.learned, profile.uses)
            edges = preparation.bins.edges.tolist()
            model.fit(everybody.target, edges, lambda patients: everybody.batch(patients).inputs)
            return cls(model, preparation, _closed_form(spec), card)
        if profile.teacher is not None:
            told, on_epoch = teach(once, model, method, data.only_with_genes(patients), spec, files, on_epoch)
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
            about=named(card),
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
        return cls(model, preparation, spec if card.recipe or card.members else _closed_form(spec), card)

    @classmethod
    def _once(
        cls,
        method: Method,
        data: FoldData,
        spec: TrainingSpec,
        files: FoldFiles | None,
        who: str,
        on_epoch: OnEpoch | None,
        *,
        metric: Metric | None,
        about: Mapping[str, Any] | None,
    ) -> "Trained":
        """A part that is trained before a method: a finished one of this same training is read, a begun one continued.

        Args:
            who: What a message calls it.

        Raises:
            TrainingError: It cannot be trained.
        """
        key = digest(training_key(method, data, spec))
        if files is not None and files.is_done and not damage(files.folder) and read_card(files.card).key == key:
            return cls.load(files, spec)
        if files is not None:
            files.manifest.unlink(missing_ok=True)  # it must not speak for other weights, were this one interrupted
        about = {**(about or {}), "key": key}
        try:
            part = cls.fit(method, data, spec, metric=metric, files=files, about=about, on_epoch=on_epoch)
        except TrainingError as cause:
            if files is not None:
                files.state.unlink(missing_ok=True)  # it would only fail again from there
            raise TrainingError(f"{who} cannot be trained. {cause}") from cause
        if files is not None:
            part.save(files)
            seal(files.folder, files.kept, Fingerprint({"training": key}))
            files.state.unlink(missing_ok=True)
        if on_epoch is not None and method.profile.recipe is None:
            on_epoch(method.epochs, method.epochs)
        return part

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

    One that starts as another method has that one's random weights, wherever it is the same network and a parameter
    has the same name and shape.

    Raises:
        ModelError: Nothing can be made with the method's options.
    """
    model = _drawn_model(method, method.seed(spec.seed, data.fold), data)
    if method.starts_as is not None:
        other = _drawn_model(method.starts_as, method.seed(spec.seed, data.fold), data)
        if type(other) is type(model):
            _copy_random(other, model)
    return model


def _drawn_model(method: Method, seed: int, data: FoldData) -> SurvivalModel:
    with seeded(seed):
        try:
            model = create_model(method.name, sizes=data.sizes, **method.options)
            model.take_causes(data.causes)
            return model
        except PrognoscopeError:
            raise
        except (TypeError, ValueError, RuntimeError) as cause:  # whatever a constructor makes of values that do not fit
            raise ModelError((str(cause).splitlines() or [type(cause).__name__])[0]) from cause


def _copy_random(source: nn.Module, target: nn.Module) -> None:
    """Parameters of one name and shape become those of the source, but for constants, which an option may have set."""
    known = dict(source.named_parameters())
    with torch.no_grad():
        for name, own in target.named_parameters():
            other = known.get(name)
            if other is not None and other.shape == own.shape and own.numel() and own.min() < own.max():
                own.copy_(other)


def _closed_form(spec: TrainingSpec) -> TrainingSpec:
    """What is solved at once predicts on the CPU in float32, whatever the spec says."""
    return replace(spec, device="cpu", precision="float32")
