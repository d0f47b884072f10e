"""Parts of a study file that no other package asks for: where the inputs are, what is asked of all trainings.

The other parts are the settings of what they steer: `ClinicalSpec`, `FeatureSpec`, `SplitSpec`, and `Recipe`, of which
a study changes what it likes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Interval
from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag, WithJsonSchema

from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.cohort.preparation import BinsFrom
from prognoscope.core.resolution import Mpp
from prognoscope.core.settings import FilePath, FilePaths, Names, hints_of, settle
from prognoscope.features.layouts import Layout as EmbeddingsLayout
from prognoscope.models.recipe import RateFactors, Recipe
from prognoscope.omics.scaling import Scale
from prognoscope.omics.tables import Layout as OmicsLayout
from prognoscope.omics.tables import Unsuffixed
from prognoscope.study.wording import kind_of
from prognoscope.training.space import InnerFolds, Range, Trials
from prognoscope.training.spec import AskedPrecision, TrainingBasics
from prognoscope.training.trials import text_of


@dataclass(frozen=True, slots=True)
class SlidesSpec:
    """Whole-slide images, and the table that says whose they are."""

    folder: FilePath
    table: FilePath | None = None
    slide: str | None = None  # the table's column of slides; by default one that is named like it
    patient: str | None = None  # its column of patients; likewise
    mpp: Mpp | None = None  # um per pixel of level 0, where the files do not say it
    sample_types: Names | None = None  # of TCGA barcodes, such as 01Z; by default all
    most_bad: Annotated[float, Interval(ge=0, le=1)] = 0.5  # share of slides that may be left out as unusable


@dataclass(frozen=True, slots=True)
class EmbeddingsSpec:
    """Embeddings that were made elsewhere."""

    folder: FilePath | None = None
    layout: EmbeddingsLayout = "auto"
    table: FilePath | None = None  # slide -> patient; without a folder: one row of values a patient
    slide: str | None = None  # the table's column of slides; by default one that is named like it
    patient: str = "patient_id"
    mpp: Mpp | None = None  # um per pixel of level 0, where the files do not say it
    sample_types: Names | None = None  # of TCGA barcodes, such as 01Z; by default all
    most_bad: Annotated[float, Interval(ge=0, le=1)] = 0.5  # share of slides that may be left out as unusable

    def __post_init__(self):
        if self.folder is None and self.table is None:
            raise ValueError("give the folder of the embeddings, or a table with one row of values a patient")


@dataclass(frozen=True, slots=True)
class OmicsSpec:
    """Gene tables and groups of genes."""

    table: FilePaths
    layout: OmicsLayout = "auto"
    patient: str | None = None  # the column of patients; by default one that is named like it
    groups: FilePath | None = None  # a table with a column of genes for each group; by default all are one group
    min_coverage: Annotated[float, Interval(ge=0, le=1)] = 0.0  # of its genes, or a group is left out; SurvPath: 0.9
    kinds: Names | None = None  # of rnaseq, cnv, mut; by default all
    unsuffixed: Unsuffixed = "ignore"  # what columns of an MCAT table are that name no kind
    clip: Annotated[float, Gt(0)] | None = None  # values are cut at plus and minus this
    scale: Scale = "zscore"  # "none" leaves values as they are, but for clipping and filling

    def __post_init__(self):
        if self.min_coverage and self.groups is None:
            raise ValueError("min_coverage leaves out gene groups, so give their file as groups, or take it away")


@dataclass(frozen=True, slots=True)
class SubtypeSpec:
    """A class for every patient, for methods that learn it beside survival."""

    table: FilePath
    column: str
    patient: str = "patient_id"


@dataclass(frozen=True, slots=True)
class CohortSpec:
    """Where everything is."""

    clinical: ClinicalSpec
    slides: SlidesSpec | None = None
    features: EmbeddingsSpec | None = None
    omics: OmicsSpec | None = None
    subtype: SubtypeSpec | None = None
    truth: FilePath | None = None  # of a simulated cohort: the oracle risks

    def __post_init__(self):
        if self.slides is not None and self.features is not None:
            raise ValueError("give slides, or features that were made of them, not both")


@dataclass(frozen=True, slots=True)
class EvaluationSpec:
    """How results are measured."""

    draws: Annotated[int, Interval(ge=10, le=100_000)] = 1000  # of the bootstrap
    split: Literal["risk", "survival"] = "risk"  # risk groups by the predicted risk, or by survival at the middle time
    cut_from: Literal["train", "pooled"] | None = None  # by default train; under the paper protocol pooled
    surgery: bool = True  # where there are slides and genes: what each is worth to every method


def _kind_of_values(value: object) -> str:
    return RANGE if isinstance(value, Range | Mapping) else LIST


def _range_or_list(value: object) -> object:
    """Whatever may be drawn from; the form in which files of runs kept it until version 0.1, too."""
    if isinstance(value, Mapping):
        given = {name: each for name, each in value.items() if each is not None}
        return given["choices"] if set(given) in ({"choices"}, {"choices", "log"}) else given
    if not isinstance(value, list | tuple | Range):
        raise ValueError(f"must be a range such as {{low: 1, high: 9}} or a [list] of values, not {kind_of(value)}")
    return value


def _differ(values: tuple[Any, ...]) -> tuple[Any, ...]:
    texts = [text_of(value) for value in values]
    if not texts:
        raise ValueError("give a range with low and high, or a [list] of one value or more")
    if twice := [text for text in texts if texts.count(text) > 1]:
        raise ValueError(f"{twice[0]} is listed twice; take one away")
    return values


RANGE, LIST = "{range}", "[list]"  # how pydantic's errors name the two, which `wording` leaves out
Choices = Annotated[tuple[Any, ...], AfterValidator(_differ)]
AskedValues = Annotated[
    Annotated[Range, Tag(RANGE)] | Annotated[Choices, Tag(LIST)],
    Discriminator(_kind_of_values),
    BeforeValidator(_range_or_list),
]


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """A search for settings inside the training part of each fold."""

    trials: Trials = 30
    folds: InnerFolds = 3
    space: dict[str, AskedValues] = field(default_factory=dict)  # fields of the recipe, options of a method

    def __post_init__(self):
        if self.trials and not self.space:
            raise ValueError("space is empty; name at least one setting, such as learning_rate, or take 0 trials")


def _draw(value: object) -> object:
    """What a recipe understands: a pair of shares, or a number; "all" stands for its None."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    numbers = list(value) if isinstance(value, list | tuple) else []
    if len(numbers) == 2 and all(isinstance(share, int | float) and not isinstance(share, bool) for share in numbers):
        low, high = map(float, numbers)
        if 0 <= low <= high <= 1 and high > 0:
            return low, high
    if value is None or value == "all":
        return value
    raise ValueError(f"must be a number of patches, two shares such as [0.8, 1.0], or all, not {value!r}")


def _norms(value: object) -> object:
    """A number is the largest norm of the whole gradient."""
    return {"": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


PUBLISHED = {"published_epoch", "published_stop"}  # what the authors did is no setting
CHANGED: dict[str, Any] = {name: hint for name, hint in hints_of(Recipe).items() if name not in PUBLISHED}
NORM = {"type": "number", "exclusiveMinimum": 0}
NORMS = {"anyOf": [NORM, {"type": "object", "additionalProperties": NORM}]}
SHARES = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
DRAWS = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "all"}, SHARES]}
CHANGED["clip_norm"] = Annotated[CHANGED["clip_norm"], BeforeValidator(_norms), WithJsonSchema(NORMS)]
CHANGED["patch_draw"] = Annotated[Any, BeforeValidator(_draw), WithJsonSchema(DRAWS)]
GENERAL = [(name, hint | None, None) for name, hint in CHANGED.items() if name != "learning_rate_factors"]
RecipeChanges: Any = make_dataclass("RecipeChanges", GENERAL, frozen=True, kw_only=True)


def changes(settings: Any) -> dict[str, Any]:
    """What settings change of a recipe, by the names of its fields."""
    given = {name: value for name in CHANGED if (value := getattr(settings, name, None)) is not None}
    return given | ({"patch_draw": None} if given.get("patch_draw") == "all" else {})


@dataclass(frozen=True, kw_only=True)
class MethodTraining(RecipeChanges):
    """What replaces parts of one method's recipe."""

    learning_rate_factors: RateFactors | None = None  # part of the network -> factor
    search: SearchSettings | None = None  # in the place of the general one

    # of an entry of methods it would inherit that any other key is an option
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(TrainingBasics, RecipeChanges):
    """How all methods are trained: what replaces parts of every recipe, and what is no part of one."""

    n_bins: Annotated[int, Interval(ge=2, le=50)] = 4  # of time
    bins_from: BinsFrom = "train"
    choose: Literal["validation_loss", "last"] | None = "validation_loss"  # the epoch; None: as a paper's protocol says
    precision: AskedPrecision | None = None  # by default float32 on a CPU, auto on a GPU
    device: str = "auto"
    search: SearchSettings | None = None

    def __post_init__(self):
        settle(self)
