"""What one process needs to train and test one method on one fold."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import open_bags
from prognoscope.cohort.splits import Split
from prognoscope.runs.fingerprint import PEOPLE, Fingerprint, sum_of
from prognoscope.runs.layout import FoldFiles
from prognoscope.training.fold_data import FoldData
from prognoscope.training.loop import Metric
from prognoscope.training.method import Method
from prognoscope.training.reconstruction import GeneMetric
from prognoscope.training.space import SearchSpec
from prognoscope.training.spec import TrainingSpec

FORM = 1  # of how folds are trained and tested; raised by whoever changes what numbers come out
PARTS = {  # what a method uses of patients -> parts of a cohort's fingerprint
    "bag": ("embeddings", "encoder"),
    "omics": ("genes", "gene groups"),
    "clinical": ("covariates",),
    "subtype": ("subtypes",),
}


@dataclass(frozen=True, slots=True)
class FoldJob:
    """A fold of a method, to be trained and tested wherever there is room."""

    files: FoldFiles
    method: Method
    cohort: Cohort
    split: Split
    spec: TrainingSpec
    pack: Path | None = None  # of the embeddings
    bins: Mapping[str, Any] = field(default_factory=dict)  # n_bins, bins_from, clip, scale: see Preparation.fit
    metric: Metric | None = None
    gene_metric: GeneMetric | None = None  # of genes that a method tells from slides
    notes: Mapping[str, Any] = field(default_factory=dict)  # go into the model card
    search: SearchSpec | None = None  # for settings, inside the training part, before the fold is trained
    content: Fingerprint = field(default_factory=Fingerprint)  # of the cohort and its bags
    drawn: Split | None = None  # the fold with those, too, who lack what the method predicts from; None: nobody does
    purpose: str = ""  # where it is none of the run's own folds, such as "outcomes permuted"

    @property
    def is_done(self) -> bool:
        """Whether the fold has its predictions."""
        return self.files.is_done

    @property
    def made_of(self) -> Fingerprint:
        """All that the numbers of this fold hang on, by content; of the cohort what the method uses."""
        method, split, recipe = self.method, self.split, self.method.changed_recipe
        whole = method.starts_as
        used = {PEOPLE, *(part for what in method.profile.uses for part in PARTS[what])}
        settings = asdict(self.spec)
        seed, device, precision = (settings.pop(name) for name in ("seed", "device", "precision"))
        del settings["save_every_s"]
        if self.spec.stop_after is None:
            del settings["stop_after"]
        parts = {
            "program": f"form {FORM}",
            "method": method.name if whole is None else f"{method.name} that starts as {whole.title}",
            "options": sum_of(method.options),
            "recipe": sum_of(None if recipe is None else asdict(recipe)),
            **_members_of(method),
            "search": sum_of(None if self.search is None else asdict(self.search)),
            "training settings": sum_of(settings),
            "seed": str(seed),
            "preparation": sum_of(self.bins),
            "folds": _sum_of_split(self.drawn or split),
        }
        if whole is not None:
            parts["start"] = sum_of([whole.name, whole.options])
        if self.drawn is not None:
            parts["patients"] = _sum_of_split(split)
        if not method.profile.is_solved:  # what is solved at once knows neither
            parts |= {"device": device.split(":")[0], "precision": precision}
        return self.content.only(used).brief.with_parts(parts)

    @property
    def n_epochs(self) -> int:
        """Epochs of its training at most, those of a search's trials included; a teacher's are not."""
        epochs, search = self.method.epochs, self.search
        return epochs if search is None else search.most_epochs(epochs) * (search.trials * search.folds + 1)

    @property
    def label(self) -> str:
        """What a message calls it."""
        return f"{self.method.title}, fold {self.split.fold}" + (f", {self.purpose}" if self.purpose else "")

    def data(self) -> FoldData:
        """What the fold's patients tell, prepared by its training part."""
        split = self.split
        return FoldData.prepare(
            split.fold,
            self.cohort,
            open_bags(self.pack),
            learned=(*split.train, *split.validation),
            train=split.train,
            validation=split.validation,
            test=split.test,
            bins=self.bins,
            selection=self.method.profile.gene_selection,
        )


def _members_of(method: Method) -> dict[str, str]:
    recipes = {label: each.changed_recipe for label, each in method.members.items()}
    told = {label: None if recipe is None else asdict(recipe) for label, recipe in recipes.items()}
    return {"members": sum_of(told)} if told else {}


def _sum_of_split(split: Split) -> str:
    return sum_of([split.fold, split.train, split.validation, split.test])
