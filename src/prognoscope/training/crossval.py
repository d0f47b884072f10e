"""All folds of all methods: each a job of its own, done when its predictions are written."""

import zlib
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PackedEmbeddings, PatientDataset, open_bags, prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.cohort.splits import Split
from prognoscope.core.errors import PrognoscopeError, TrainingError
from prognoscope.core.files import write_table
from prognoscope.models.base import Recipe, Sizes, SurvivalModel
from prognoscope.models.registry import create_model, model_class, sizes_for
from prognoscope.training.checkpoint import STATE, save_model, sizes_card
from prognoscope.training.loop import Metric, fit
from prognoscope.training.predict import Predicted, predict
from prognoscope.training.progress import Progress
from prognoscope.training.reconstruction import GeneMetric, reconstruction_table
from prognoscope.training.space import SearchSpec
from prognoscope.training.spec import TrainingSpec, fixed_threads
from prognoscope.training.teacher import FOLDER as TEACHER
from prognoscope.training.teacher import teach

PREDICTIONS, HISTORY = "predictions.csv", "history.csv"
GENES, RECONSTRUCTED = "genes.csv", "reconstruction.csv"  # of methods that learn to tell genes


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the comparison: a method with its options and what it changes of its recipe."""

    name: str
    title: str
    options: dict[str, object] = field(default_factory=dict)
    recipe: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoldJob:
    """All that a process needs to train and test one method on one fold."""

    folder: Path
    method: Method
    cohort: Cohort
    split: Split
    spec: TrainingSpec
    pack: Path | None = None  # of the embeddings
    bins: Mapping[str, object] = field(default_factory=dict)  # n_bins, bins_from, clip, scale: see Preparation.fit
    metric: Metric | None = None
    gene_metric: GeneMetric | None = None  # of genes that a method tells from slides
    notes: Mapping[str, object] = field(default_factory=dict)  # go into the model card
    search: SearchSpec | None = None  # for settings, inside the training part, before the fold is trained
    purpose: str = ""  # where it is none of the run's own folds, such as "outcomes permuted"

    @property
    def is_done(self) -> bool:
        """Whether the fold has its predictions."""
        return (self.folder / PREDICTIONS).is_file()

    @property
    def n_epochs(self) -> int:
        """Epochs of its training at most, those of a search's trials included; a teacher's are not."""
        kind = model_class(self.method.name)
        epochs = 1 if kind.fits_at_once else int(self.method.recipe.get("epochs", kind.recipe.epochs))
        search = self.search
        return epochs if search is None else search.most_epochs(epochs) * (search.trials * search.folds + 1)

    @property
    def label(self) -> str:
        """What a message calls it."""
        return f"{self.method.title}, fold {self.split.fold}" + (f", {self.purpose}" if self.purpose else "")


def run_fold(job: FoldJob, on_epoch: Callable[[int, int], None] | None = None) -> Path:
    """Train on the fold's training part, choose on its validation part, test once; writes the fold's files.

    Raises:
        PrognoscopeError: The training cannot go on; the message names the method and the fold, and no file is left.
    """
    if job.is_done:
        return job.folder
    try:
        with fixed_threads(job.spec):
            _train_and_test(job, on_epoch)
    except PrognoscopeError as cause:
        if isinstance(cause, TrainingError):  # it would only fail again from there
            _remove(job.folder / STATE)
        raise type(cause)(f"{job.label}: {cause}") from cause
    _remove(job.folder / STATE)
    return job.folder


def _train_and_test(job: FoldJob, on_epoch: Callable[[int, int], None] | None) -> None:
    if job.search is not None:
        from prognoscope.training.search import chosen_job  # it imports this file

        job, on_epoch = chosen_job(job, on_epoch)
    split = job.split
    outer_train = (*split.train, *split.validation)
    selection = model_class(job.method.name).gene_selection(job.method.options)
    preparation = Preparation.fit(job.cohort, outer_train, **job.bins, selection=selection)
    embeddings = open_bags(job.pack)
    sizes = sizes_of(preparation, embeddings)
    model = make_model(job, sizes)
    uses = model.needs | model.learns_from
    preparation = limited(preparation, uses)

    def dataset(patients: Sequence[str]) -> PatientDataset:
        return prepared_dataset(job.cohort, patients, preparation, embeddings if "bag" in uses else None)

    recipe = replace(model.recipe, **job.method.recipe)
    test = dataset(split.test)
    card = {
        "name": job.method.name,
        "title": job.method.title,
        "options": job.method.options,
        "sizes": sizes_card(sizes_for(job.method.name, sizes)),
        "fold": split.fold,
        "bins": [float(edge) if np.isfinite(edge) else None for edge in preparation.bins.edges],
        "preparation": preparation.to_dict(),
        **job.notes,
    }
    if selection is not None and preparation.genes is not None:
        card["gene_selection"] = asdict(selection) | {"notes": list(preparation.genes.notes)}
    progress = Progress()
    if model.fits_at_once:
        everybody = dataset(outer_train)
        batch = everybody.batch(range(len(everybody)))
        model.fit(batch.inputs, batch.target, preparation.bins.edges.tolist())
        card |= {"recipe": {}, "choose": None, "chosen_epoch": None, "precision": "float32"}
    else:
        chooses = job.spec.choose.startswith("validation")
        train = dataset(split.train if chooses else outer_train)
        if model.teacher(job.method.options) is not None:
            card["teacher"], on_epoch = taught(job, model, train, sizes, card, recipe, on_epoch)
        progress = fit(
            model,
            train,
            validation=dataset(split.validation) if chooses else None,
            test=test,
            recipe=recipe,
            spec=replace(job.spec, seed=fold_seed(job)),
            metric=job.metric,
            state_file=job.folder / STATE,
            about=card,
            on_epoch=on_epoch,
        )
        card |= {"recipe": asdict(recipe), "choose": job.spec.choose, "chosen_epoch": progress.best_epoch}
        card["precision"] = job.spec.precision
    predicted = predict(model, test, recipe=recipe, spec=job.spec)
    save_model(job.folder, model, card)
    if progress.history:
        write_table(job.folder / HISTORY, history_table(progress))
    if preparation.genes is not None:
        write_table(job.folder / GENES, preparation.genes.table)
    if predicted.genes and job.gene_metric is not None:
        table = reconstruction_table(predicted, test, preparation.gene_groups, job.gene_metric)
        write_table(job.folder / RECONSTRUCTED, table)
    write_table(job.folder / PREDICTIONS, prediction_table(predicted, test, split.fold))


def taught(
    job: FoldJob,
    model: SurvivalModel,
    train: PatientDataset,
    sizes: Sizes,
    card: Mapping[str, object],
    recipe: Recipe,
    on_epoch: Callable[[int, int], None] | None,
) -> tuple[dict[str, object], Callable[[int, int], None]]:
    """Train the model's teacher, or read it; what the card tells of it, and what to call with the model's own epochs.

    Equal teachers of several students in one fold start alike. What the study changes of the recipe is changed for the
    teacher too, but for factors on parts of the student.
    """
    name, options = model.teacher(job.method.options)
    changes = {key: value for key, value in job.method.recipe.items() if key != "learning_rate_factors"}
    own = replace(job, folder=job.folder / TEACHER, method=Method(name, f"teacher {name}", dict(options), changes))
    teacher = make_model(own, sizes)
    its_recipe = replace(teacher.recipe, **changes)
    its_card = {**card, "name": name, "title": own.method.title, "options": own.method.options}
    its_card["sizes"] = sizes_card(sizes_for(name, sizes))

    def before(done: int, of: int) -> None:
        if on_epoch is not None:
            on_epoch(done, of + recipe.epochs)

    def after(done: int, of: int) -> None:
        if on_epoch is not None:
            on_epoch(done + its_recipe.epochs, of + its_recipe.epochs)

    told = teach(
        model,
        teacher,
        train,
        folder=own.folder,
        recipe=its_recipe,
        spec=replace(job.spec, seed=fold_seed(own)),
        card=its_card,
        on_epoch=before,
    )
    return told, after


def limited(preparation: Preparation, uses: Set[str]) -> Preparation:
    """Without what the model does not use, so that its card is short and new patients need not have it."""
    return replace(
        preparation,
        omics=preparation.omics if "omics" in uses else None,
        covariates=preparation.covariates if "clinical" in uses else None,
        subtypes=preparation.subtypes if "subtype" in uses else (),
    )


def make_model(job: FoldJob, sizes: Sizes) -> SurvivalModel:
    """A new model of the job's method, its weights drawn from the study's seed, the fold and the method's title."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(fold_seed(job))
        return create_model(job.method.name, sizes=sizes, **job.method.options)


def fold_seed(job: FoldJob) -> int:
    """A seed for this fold of this method, whatever else runs."""
    words = [job.spec.seed, job.split.fold, zlib.crc32(job.method.title.encode())]
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def sizes_of(preparation: Preparation, embeddings: PackedEmbeddings | None) -> Sizes:
    """The lengths that the data decide."""
    return Sizes(
        n_bins=len(preparation.bins),
        embedding_dim=0 if embeddings is None else embeddings.embedding_dim,
        group_sizes=preparation.group_sizes,
        gene_names=tuple(preparation.gene_groups.values()),
        n_clinical=preparation.n_clinical,
        n_subtypes=len(preparation.subtypes),
    )


def history_table(progress: Progress) -> pd.DataFrame:
    """One row an epoch; `chosen` marks the epoch whose weights were kept."""
    table = pd.DataFrame(progress.history)
    for column in ("validation_loss", "validation_c_index", "test_c_index"):
        if column not in table:
            table[column] = np.nan
    table["chosen"] = (table["epoch"] == progress.best_epoch).astype(int)
    return table


def prediction_table(predicted: Predicted, dataset: PatientDataset, fold: int) -> pd.DataFrame:
    """One row a patient: risk, outcome, survival at the end of each bin, and subtype probabilities if there are any."""
    outcome, prediction = dataset.outcome, predicted.prediction
    table = pd.DataFrame({"patient_id": prediction.patients, "fold": fold, "risk": prediction.risk})
    table["time"], table["event"] = outcome.time, outcome.event.astype(int)
    for k in range(prediction.survival.shape[1]):
        table[f"S_{k}"] = prediction.survival[:, k]
    if predicted.subtype is not None and dataset.target.subtype is not None:
        table["subtype"] = dataset.target.subtype.numpy()  # -1 where unknown
        for c in range(predicted.subtype.shape[1]):
            table[f"subtype_{c}"] = predicted.subtype[:, c]
    return table


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
