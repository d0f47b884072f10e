"""A study's YAML file -> checked settings. An unknown key is an error that names the nearest known one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from prognoscope.core.errors import StudyError, nearest
from prognoscope.core.files import need_file
from prognoscope.features.encoders import ENCODERS
from prognoscope.models.base import Ablation
from prognoscope.models.registry import MODELS, model_class
from prognoscope.study.method_groups import entries_of
from prognoscope.study.search_section import SearchSection
from prognoscope.study.section import Section
from prognoscope.study.wording import in_sentences, kind_of
from prognoscope.study.yaml_file import read_yaml, set_value

Names = Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"  # of what becomes the name of a folder
TAKEN = frozenset({"figures", "oracle", "oracle_slides", "oracle_genes"})  # in a run folder and its tables


class ClinicalSection(Section):
    """Follow-up and covariates, one row a patient, or MCAT's table with one row a slide."""

    table: Names
    patient: str = "patient_id"
    time: str | None = None
    time_unit: Literal["months", "days", "years"] | None = None
    event: str | None = None
    censored: str | None = None
    event_values: Names | None = None  # words that mean "observed", where it is not 1 or true
    censored_values: Names | None = None  # words that mean "censored"; by default the only other word
    covariates: Names = ()
    site: str | None = None
    bad_time: Literal["refuse", "drop"] = "refuse"

    @model_validator(mode="after")
    def _one_status(self):
        if self.event is not None and self.censored is not None:
            raise ValueError("give either event (1 = observed) or censored (1 = censored), not both")
        return self


class SlidesSection(Section):
    """Whole-slide images, and the table that says whose they are."""

    folder: str
    table: str | None = None
    mpp: float | None = Field(default=None, gt=0, le=10)
    sample_types: Names | None = None  # of TCGA barcodes, such as 01Z; None keeps all


class EmbeddingsSection(Section):
    """Embeddings that were made elsewhere."""

    folder: str | None = None
    layout: Literal["auto", "prognoscope", "trident", "clam", "stamp"] = "auto"
    table: str | None = None  # slide -> patient; without a folder: one row of values a patient
    patient: str = "patient_id"
    mpp: float | None = Field(default=None, gt=0, le=10)
    sample_types: Names | None = None

    @model_validator(mode="after")
    def _somewhere(self):
        if self.folder is None and self.table is None:
            raise ValueError("give the folder of the embeddings, or a table with one row of values a patient")
        return self


class OmicsSection(Section):
    """Gene tables and groups of genes."""

    table: Names
    layout: Literal["auto", "mcat", "wide", "anndata"] = "auto"
    patient: str | None = None
    groups: str | None = None
    min_coverage: float = Field(default=0, ge=0, le=1)  # groups with fewer of their genes are left out; SurvPath: 0.9
    kinds: Names | None = None  # of rnaseq, cnv, mut; None keeps all
    unsuffixed: Literal["refuse", "mutation", "ignore"] = "ignore"
    clip: float | None = Field(default=None, gt=0)
    scale: Literal["zscore", "none"] = "zscore"  # none leaves values as they are, but for clipping and filling

    @model_validator(mode="after")
    def _groups_to_cover(self):
        if self.min_coverage and self.groups is None:
            raise ValueError("min_coverage leaves out gene groups, so give their file as groups, or take it away")
        return self


class SubtypeSection(Section):
    """A class for every patient, for methods that learn it beside survival."""

    table: str
    patient: str = "patient_id"
    column: str


class CohortSection(Section):
    """Where everything is."""

    clinical: ClinicalSection
    slides: SlidesSection | None = None
    features: EmbeddingsSection | None = None
    omics: OmicsSection | None = None
    subtype: SubtypeSection | None = None
    truth: str | None = None  # of a simulated cohort: the oracle risks

    @model_validator(mode="after")
    def _one_kind_of_bags(self):
        if self.slides is not None and self.features is not None:
            raise ValueError("give slides, or features that were made of them, not both")
        return self


class FeaturesSection(Section):
    """How slides become embeddings."""

    encoder: str = "stain"
    patch_px: int = Field(default=256, ge=16, le=4096)
    mpp: float = Field(default=0.5, gt=0, le=10)
    overlap_px: int = Field(default=0, ge=0)
    min_tissue: float = Field(default=0.5, ge=0, le=1)
    weights: str | None = None

    @model_validator(mode="after")
    def _known_encoder(self):
        if self.encoder not in ENCODERS:
            raise ValueError(f"there is no encoder {self.encoder!r}; {nearest(self.encoder, ENCODERS)}")
        if self.overlap_px >= self.patch_px:
            raise ValueError(f"overlap_px is {self.overlap_px}, but must be less than patch_px, {self.patch_px}")
        return self


class SplitsSection(Section):
    """Folds: drawn, or read from files."""

    folds: int = Field(default=5, ge=2, le=50)
    stratify: Names = ("event", "time")
    group: Literal["site"] | None = None
    seed: int = 0
    files: Names = ()  # splits/splits_{fold}.csv; several patterns for a cohort of several tables
    table: str | None = None  # patient_id, fold
    validation: float = Field(default=0.15, gt=0, lt=0.5)


def _norms(value: object) -> object:
    """A number is the largest norm of the whole gradient."""
    return {"": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


def _draw(value: object) -> object:
    """What a recipe understands: a pair of shares, or a number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    numbers = list(value) if isinstance(value, list | tuple) else []
    if len(numbers) == 2 and all(isinstance(share, int | float) for share in numbers):
        low, high = map(float, numbers)
        if 0 <= low <= high <= 1 and high > 0:
            return low, high
    if value is None or value == "all":
        return value
    raise ValueError(f"must be a number of patches, two shares such as [0.8, 1.0], or all, not {value!r}")


class RecipeSection(Section):
    """What replaces parts of a method's own recipe."""

    epochs: int | None = Field(default=None, ge=1)
    patients_per_step: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float | None = Field(default=None, ge=0)
    momentum: float | None = Field(default=None, ge=0, lt=1)  # of sgd
    betas: tuple[Share, Share] | None = None  # of the other optimisers
    optimizer: Literal["adam", "adamw", "radam", "sgd"] | None = None
    schedule: Literal["constant", "cosine", "step", "linear"] | None = None
    step_epochs: int | None = Field(default=None, ge=1)
    warm_up_epochs: int | None = Field(default=None, ge=0)
    clip_norm: Annotated[dict[str, Positive], BeforeValidator(_norms)] | None = None  # part of the network -> norm
    l1: float | None = Field(default=None, ge=0)
    patch_draw: Annotated[int | tuple[float, float] | Literal["all"] | None, BeforeValidator(_draw)] = None
    sampler: Literal["balanced", "shuffled"] | None = None
    nll_alpha: float | None = Field(default=None, ge=0, le=1)

    @property
    def recipe(self) -> dict[str, Any]:
        """What was given."""
        given = {name: value for name in RecipeSection.model_fields if (value := getattr(self, name)) is not None}
        return given | ({"patch_draw": None} if given.get("patch_draw") == "all" else {})


class MethodRecipeSection(RecipeSection):
    """What replaces parts of one method's recipe."""

    learning_rate_factors: dict[str, Annotated[float, Field(ge=0)]] | None = None  # part of the network -> factor
    search: SearchSection | None = None  # in the place of the general one

    @property
    def recipe(self) -> dict[str, Any]:
        """What was given."""
        factors = self.learning_rate_factors
        return super().recipe | ({} if factors is None else {"learning_rate_factors": factors})


class TrainingSection(RecipeSection):
    """How all methods are trained."""

    n_bins: int = Field(default=4, ge=2, le=50)
    bins_from: Literal["train", "cohort"] = "train"
    choose: Literal["validation_loss", "last"] = "validation_loss"
    patience: int | None = Field(default=None, ge=1)
    precision: Literal["auto", "float32", "bf16"] | None = None  # None: float32 on a CPU, auto on a GPU
    device: str = "auto"
    threads: int = Field(default=1, ge=1)
    patches_per_pass: int | None = Field(default=None, ge=1)  # None: what suits the device
    save_every_s: float = Field(default=30.0, ge=0)
    seed: int = 0
    search: SearchSection | None = None


class MethodSection(Section):
    """A method with options of its own; `label` tells two variants of one method apart.

    `ablations`, "all" or labels, adds an entry for each row of the method's published ablation table.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    label: str | None = Field(default=None, pattern=NAME)
    training: MethodRecipeSection = MethodRecipeSection()
    ablations: Names = Field(default=(), exclude=True)  # of a study file; a run's file has their entries instead
    ablation_of: str | None = None  # in a run's file: the title of the whole method
    row: str | None = None  # in a run's file: the entry's name in the published ablation table
    of: str | None = Field(default=None, exclude=True)  # what stood for it in the list: "all", "all:genes", ...

    @model_validator(mode="after")
    def _known(self):
        if self.name not in MODELS:
            raise ValueError(f"there is no method {self.name!r}; {nearest(self.name, MODELS)}")
        if self.title in TAKEN:
            raise ValueError(f"the label {self.title!r} is taken by something else in a run; choose another")
        return self

    @property
    def title(self) -> str:
        """The method's name in tables and folders."""
        return self.label or self.name

    @property
    def options(self) -> dict[str, Any]:
        """Of the method's constructor."""
        return dict(self.model_extra or {})

    def with_ablations(self) -> tuple["MethodSection", ...]:
        """The method itself, then an entry for each ablation asked for, in the order of the published table.

        An ablation keeps the method's options, where it is not another method, and its training.

        Raises:
            ValueError: The method has no ablations, or none of that label.
        """
        if not self.ablations:
            return (self,)
        known = {ablation.label: ablation for ablation in model_class(self.name).ablations}
        if not known:
            raise ValueError(f"{self.name} has no ablations; take `ablations` out of its entry")
        if strange := [label for label in self.ablations if label not in {*known, "all"}]:
            raise ValueError(f"{self.name} has no ablation {strange[0]!r}; {nearest(strange[0], [*known, 'all'])}")
        wanted = known if "all" in self.ablations else self.ablations
        entries = [self._ablated(known[label]) for label in known if label in wanted]
        return (self.model_copy(update={"ablations": ()}), *entries)

    def _ablated(self, ablation: Ablation) -> "MethodSection":
        options, training = self.options, self.training
        if ablation.method is not None:  # another network, with other options and parts
            options, training = {}, training.model_copy(update={"learning_rate_factors": None, "search": None})
        entry = {"name": ablation.method or self.name, "label": f"{self.title}-{ablation.label}"}
        entry |= {"training": training, "ablation_of": self.title, "row": ablation.row}
        return MethodSection.model_validate(options | ablation.options | entry)


class EvaluationSection(Section):
    """How results are measured."""

    draws: int = Field(default=1000, ge=10)  # of the bootstrap
    surgery: bool = True  # where there are slides and genes: what each is worth to every method


class StudySpec(Section):
    """The whole file."""

    name: str = Field(pattern=NAME)
    cohort: CohortSection
    features: FeaturesSection = FeaturesSection()
    splits: SplitsSection = SplitsSection()
    protocol: Literal["honest", "paper"] = "honest"
    methods: tuple[MethodSection, ...] = Field(min_length=1)
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()

    def whole_of(self, method: MethodSection) -> MethodSection:
        """The method that an entry is an ablation of, whose protocol it then shares; any other entry itself."""
        return next((each for each in self.methods if each.title == method.ablation_of), method)

    @model_validator(mode="before")
    @classmethod
    def _names_are_methods(cls, values):
        if not isinstance(values, Mapping) or values.get("methods") is None:
            return values
        methods = values["methods"]
        listed = methods if isinstance(methods, list | tuple) else [methods]
        return {**values, "methods": entries_of(listed)}

    @field_validator("methods")
    @classmethod
    def _with_ablations(cls, methods):
        return tuple(entry for method in methods for entry in method.with_ablations())

    @model_validator(mode="after")
    def _every_ablation_has_its_whole(self):
        titles = {method.title for method in self.methods}
        if alone := [method for method in self.methods if method.ablation_of not in {None, *titles}]:
            first = alone[0]
            raise ValueError(
                f"{first.title!r} is an ablation of {first.ablation_of!r}, which is not in methods; add it"
            )
        return self

    @model_validator(mode="after")
    def _titles_differ(self):
        titles = [method.title for method in self.methods]
        if twice := sorted({title for title in titles if titles.count(title) > 1}):
            raise ValueError(
                f"the method {twice[0]!r} is listed twice; give each a label of its own, such as {twice[0]}-2"
            )
        return self


def read_study(path: Path | str, overrides: Sequence[str] = ()) -> StudySpec:
    """The settings in a study file.

    Args:
        overrides: `section.key=value`, the value in YAML.

    Raises:
        MissingFileError: There is no such file.
        StudyError: The file is not YAML, or a key or value is wrong; says which, and the nearest known key.
    """
    path = need_file(path, "The study file", "Correct the path, or begin with `prognoscope init`.")
    values = read_yaml(path)
    if not isinstance(values, dict):
        found = "is empty" if values is None else f"holds {kind_of(values)} instead of keys and values"
        raise StudyError(f"{path} {found}, so it is no study. Begin with `prognoscope init`.")
    for override in overrides:
        set_value(values, override)
    return parse_study(values, str(path))


def parse_study(values: Mapping[str, Any], source: str = "the study") -> StudySpec:
    """The settings in a mapping, such as a YAML file gives. A key without a value is as good as absent.

    Raises:
        StudyError: A key or value is wrong.
    """
    try:
        return StudySpec.model_validate(values)
    except ValidationError as cause:
        raise StudyError(f"In {source}: {in_sentences(cause.errors(), StudySpec)}") from cause
