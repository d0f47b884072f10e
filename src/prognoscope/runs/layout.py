"""Every path of a run folder, and of a fold's folder in it; nowhere else is one of these names written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prognoscope.core.claims import CLAIM
from prognoscope.core.file_names import safe_name
from prognoscope.runs.explanation_files import MANIFEST, ExplanationFiles

FOLD, FINAL = "fold_", "final"


@dataclass(frozen=True, slots=True)
class FoldFiles:
    """The files of one method in one fold; of a teacher or a permuted training, too, where they exist."""

    folder: Path

    @property
    def weights(self) -> Path:
        """What was learned."""
        return self.folder / "model.safetensors"

    @property
    def card(self) -> Path:
        """What the weights are of, and how they were made."""
        return self.folder / "model.json"

    @property
    def predictions(self) -> Path:
        """Of the test patients."""
        return self.folder / "predictions.csv"

    @property
    def training_risks(self) -> Path:
        """What the model says of the patients of the training part, to take cuts from."""
        return self.folder / "training_risks.csv"

    @property
    def summary(self) -> Path:
        """What the training part is like as a whole, so that somebody unlike it is noticed."""
        return self.folder / "training_summary.safetensors"

    @property
    def history(self) -> Path:
        """A row an epoch."""
        return self.folder / "history.csv"

    @property
    def epoch_risks(self) -> Path:
        """Of the test patients at the last epoch, and at that of their greatest C-index."""
        return self.folder / "epoch_risks.csv"

    @property
    def genes(self) -> Path:
        """Which genes the fold chose, of a method that selects them."""
        return self.folder / "genes.csv"

    @property
    def reconstruction(self) -> Path:
        """How well a method that tells genes from slides told them."""
        return self.folder / "reconstruction.csv"

    @property
    def reconstruction_patients(self) -> Path:
        """How well it told each patient's."""
        return self.folder / "reconstruction_patients.csv"

    @property
    def components(self) -> Path:
        """What a method that splits its input into components made of the test patients."""
        return self.folder / "components.safetensors"

    @property
    def trials(self) -> Path:
        """Of a search for settings."""
        return self.folder / "search.csv"

    @property
    def searched(self) -> Path:
        """A folder of what the trials of a search share while it goes on."""
        return self.folder / "search"

    def inner(self, number: int) -> "FoldFiles":
        """Of one inner fold of a search, while it goes on."""
        return FoldFiles(self.searched / f"{FOLD}{number}")

    @property
    def surgery(self) -> Path:
        """Risks with genes and bags of other patients."""
        return self.folder / "surgery.csv"

    @property
    def state(self) -> Path:
        """What an interrupted training continues from."""
        return self.folder / "state.safetensors"

    @property
    def cost(self) -> Path:
        """What it took; another time it takes something else, so no manifest tells of it."""
        return self.folder / "cost.csv"

    @property
    def failure(self) -> Path:
        """Why the fold has no predictions."""
        return self.folder / "failure.json"

    @property
    def epochs(self) -> Path:
        """Finished and all epochs, while another process works on the fold."""
        return self.folder / "epochs.txt"

    @property
    def claim(self) -> Path:
        """Which process works on the fold, where several share a run."""
        return self.folder / f".fold{CLAIM}"

    @property
    def permuted(self) -> "FoldFiles":
        """Of the same method trained on outcomes that patients have exchanged, beside its folds."""
        return FoldFiles(self.folder.parent / "permuted")

    @property
    def final(self) -> "FoldFiles":
        """Of the same method trained on all patients, beside its folds."""
        return FoldFiles(self.folder.parent / FINAL)

    @property
    def teacher(self) -> "FoldFiles":
        """Of the model that taught this one."""
        return FoldFiles(self.folder / "teacher")

    @property
    def members(self) -> Path:
        """A folder of the members of a method, while they are trained."""
        return self.folder / "members"

    def member(self, label: str) -> "FoldFiles":
        """Of one of them; its inner folds lie in it."""
        return FoldFiles(self.members / safe_name(label))

    @property
    def manifest(self) -> Path:
        """Which files there are, and what they were made of; written last, so that it says finished."""
        return self.folder / MANIFEST

    @property
    def kept(self) -> tuple[Path, ...]:
        """All that a finished fold may leave behind, but for the manifest, which tells of them."""
        of_fold = (self.weights, self.card, self.predictions, self.training_risks, self.epoch_risks, self.history)
        told = (self.summary, self.genes, self.reconstruction, self.reconstruction_patients, self.components)
        taught = self.teacher
        of_teacher = (taught.weights, taught.card, taught.history, taught.manifest)
        return (*of_fold, *told, self.trials, self.surgery, *of_teacher)

    @property
    def only_to_predict(self) -> tuple[Path, ...]:
        """What a finished fold can do without, unless its model is to predict; a teacher's weights, too."""
        return (self.weights, self.teacher.weights, self.teacher.manifest)

    @property
    def is_done(self) -> bool:
        """Whether the fold is finished."""
        return self.manifest.is_file()

    @property
    def is_tested(self) -> bool:
        """Whether there are predictions to be read: finished, or of a run from before there were manifests."""
        run = RunFiles(self.folder.parent.parent)
        return self.is_done or (self.predictions.is_file() and not run.manifest.is_file())

    @property
    def number(self) -> int:
        """Which fold it is."""
        return int(self.folder.name.removeprefix(FOLD))


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of a run, apart from what the live report draws."""

    folder: Path

    @property
    def study(self) -> Path:
        """The study with every default written out."""
        return self.folder / "study.yaml"

    @property
    def provenance(self) -> Path:
        """Where the numbers come from."""
        return self.folder / "provenance.json"

    @property
    def manifest(self) -> Path:
        """Which tables there are, and what the run is made of, patient by patient."""
        return self.folder / MANIFEST

    @property
    def before_training(self) -> tuple[Path, ...]:
        """What is written before anything is trained, for the manifest."""
        return (self.study, self.splits, self.account, self.outcomes, self.patients, self.covariates, self.lacking)

    @property
    def tables(self) -> tuple[Path, ...]:
        """What is computed from the folds, and where from, for the manifest."""
        measured = (
            self.metrics,
            self.common_metrics,
            self.by_modality,
            self.gene_lengths,
            self.comparison,
            self.ablations,
            self.sweeps,
            self.optimism,
            self.search,
            self.surgery,
        )
        return (*measured, self.provenance)

    @property
    def account(self) -> Path:
        """Who was left out at which step."""
        return self.folder / "account.csv"

    @property
    def splits(self) -> Path:
        """Who was in which part of which fold."""
        return self.folder / "splits.csv"

    @property
    def outcomes(self) -> Path:
        """The follow-up of everybody."""
        return self.folder / "outcomes.csv"

    @property
    def patients(self) -> Path:
        """Where everybody was treated, and how many slides and patches there are of each."""
        return self.folder / "patients.csv"

    @property
    def covariates(self) -> Path:
        """The clinical covariates of everybody, as they were read."""
        return self.folder / "covariates.csv"

    @property
    def lacking(self) -> Path:
        """Which patients lack what a method predicts or learns from, where another method can do without it."""
        return self.folder / "lacking.csv"

    @property
    def gene_lengths(self) -> Path:
        """How many genes each group had before and after methods chose among them."""
        return self.folder / "gene_lengths.csv"

    @property
    def common_metrics(self) -> Path:
        """The metrics on the patients whom all methods were tested on, where some were tested on more."""
        return self.folder / "common_metrics.csv"

    @property
    def by_modality(self) -> Path:
        """The C-index of each method among patients who lack the same."""
        return self.folder / "by_modality.csv"

    @property
    def metrics(self) -> Path:
        """Every metric of every method and fold."""
        return self.folder / "metrics.csv"

    @property
    def comparison(self) -> Path:
        """Paired differences."""
        return self.folder / "comparison.csv"

    @property
    def ablations(self) -> Path:
        """The rows of published ablation tables."""
        return self.folder / "ablations.csv"

    @property
    def sweeps(self) -> Path:
        """Methods at several values of their settings."""
        return self.folder / "sweeps.csv"

    @property
    def optimism(self) -> Path:
        """What choosing the best epoch on the reported patients would have added."""
        return self.folder / "optimism.csv"

    @property
    def search(self) -> Path:
        """What searches for settings chose, fold by fold."""
        return self.folder / "search.csv"

    @property
    def surgery(self) -> Path:
        """What each modality is worth."""
        return self.folder / "surgery.csv"

    @property
    def costs(self) -> Path:
        """What every method took; with its parts in the folds, and the log, all in which equal runs differ."""
        return self.folder / "costs.csv"

    @property
    def figures(self) -> Path:
        """A folder of pictures and their data."""
        return self.folder / "figures"

    @property
    def previews(self) -> Path:
        """A folder of pictures of slides, and `previews.csv`, which says of what."""
        return self.folder / "previews"

    @property
    def explanations(self) -> Path:
        """A folder of what predictions rest on, a folder in it for each method, and in that one for each patient."""
        return self.folder / "explanations"

    def explanation(self, method: str, patient: str) -> ExplanationFiles:
        """Of the prediction of one patient by one method."""
        return ExplanationFiles(self.explanations / method / safe_name(patient))

    @property
    def patient_pages(self) -> Path:
        """A folder of pages, one of each patient who was explained."""
        return self.folder / "patients"

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    @property
    def tripod(self) -> Path:
        """The checklist of TRIPOD+AI."""
        return self.folder / "tripod_ai.md"

    @property
    def model_card(self) -> Path:
        """What the models are, for whoever may use them."""
        return self.folder / "model_card.md"

    @property
    def log(self) -> Path:
        """What was begun, ended, warned of and failed, and when."""
        return self.folder / "log.txt"

    @property
    def claim(self) -> Path:
        """Which process works on the run, while one does."""
        return self.folder / CLAIM

    def sharer(self, mark: str) -> Path:
        """That the process with this mark shares the run with others, while it does."""
        return self.folder / f"{CLAIM}.{mark}{CLAIM}"

    @property
    def notes(self) -> Path:
        """What people who looked at slides wrote down."""
        return self.folder / "notes.json"

    @property
    def embeddings(self) -> Path:
        """A folder of embeddings, for a study whose own folder cannot be written to."""
        return self.folder / "embeddings"

    def fold(self, method: str, number: int) -> FoldFiles:
        """Of one method in one fold."""
        return FoldFiles(self.folder / method / f"{FOLD}{number}")

    def permuted(self, method: str) -> FoldFiles:
        """Of the method trained on outcomes that patients have exchanged."""
        return self.fold(method, 0).permuted

    def final(self, method: str) -> FoldFiles:
        """Of the method trained on all patients."""
        return self.fold(method, 0).final

    def folds(self, method: str) -> Iterator[FoldFiles]:
        """Those of a method that are there, in the order of their numbers."""
        found = (FoldFiles(path) for path in (self.folder / method).glob(f"{FOLD}*"))
        yield from sorted((each for each in found if each.folder.name[len(FOLD) :].isdecimal()), key=lambda f: f.number)

    def methods(self) -> list[str]:
        """The titles of all that has a fold here, in alphabetical order."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir() and any(self.folds(path.name)))


def names_in_run() -> frozenset[str]:
    """What the files and folders of a run are called, so that no method may be; in small letters."""
    files = RunFiles(Path())
    told = (getattr(files, name) for name, each in vars(RunFiles).items() if isinstance(each, property))
    return frozenset(path.name.lower() for path in told if isinstance(path, Path))
