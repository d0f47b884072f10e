"""A study's YAML file -> checked settings. An unknown key is an error that names the nearest known one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from prognoscope.cohort.splits import SplitSpec
from prognoscope.core.errors import StudyError, nearest
from prognoscope.core.files import need_file
from prognoscope.core.settings import Names
from prognoscope.features.extract import FeatureSpec
from prognoscope.models.card import Ablation
from prognoscope.models.registry import MODELS, card_of
from prognoscope.runs.layout import names_in_run
from prognoscope.runs.tables import ORACLES
from prognoscope.study.method_groups import entries_of
from prognoscope.study.protocols import Protocol, settled_by_protocol
from prognoscope.study.sections import CohortSpec, EvaluationSpec, MethodTraining, TrainingSettings
from prognoscope.study.truths import truths_for_numbers
from prognoscope.study.wording import MOST, in_sentences, inner_kinds, keys_of, kind_of
from prognoscope.study.yaml_file import read_yaml, set_value

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"  # of what becomes the name of a folder
TAKEN = names_in_run() | frozenset(ORACLES)  # in a run folder and its tables
DEVICES = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)})
LONGEST = 100  # letters of a name; systems allow 255 bytes, of which a file that is being written needs some


def _fits_everywhere(name: str | None) -> str | None:
    """A name that any system takes for a folder, so that a run can be carried from one to another."""
    if name is None:
        return name
    if name.split(".")[0].lower() in DEVICES:
        raise ValueError(f"{name!r} is the name of a device on Windows, where no folder may have it; choose another")
    if name.endswith("."):
        raise ValueError(f"{name!r} ends in a dot, which Windows drops from the name of a folder; take it away")
    if len(name) > LONGEST:
        raise ValueError(f"{name[:20]!r}... has {len(name)} letters; {LONGEST} are the most")
    return name


FolderName = Annotated[str, Field(pattern=NAME), AfterValidator(_fits_everywhere)]


class MethodSection(BaseModel):
    """A method with options of its own; `label` tells two variants of one method apart.

    `ablations`, "all" or labels, adds an entry for each row of the method's published ablation table.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str
    label: FolderName | None = None
    training: MethodTraining = MethodTraining()
    ablations: Names = Field(default=(), exclude=True)  # of a study file; a run's file has their entries instead
    ablation_of: str | None = None  # in a run's file: the title of the whole method
    row: str | None = None  # in a run's file: the entry's name in the published ablation table
    of: str | None = Field(default=None, exclude=True)  # what stood for it in the list: "all", "all:genes", ...

    @model_validator(mode="after")
    def _known(self):
        if self.name not in MODELS:
            raise ValueError(f"there is no method {self.name!r}; {nearest(self.name, MODELS)}")
        if self.title.lower() in TAKEN:
            raise ValueError(f"the label {self.title!r} is the name of something else in a run; choose another")
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
        known = {ablation.label: ablation for ablation in card_of(self.name).ablations}
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
            options, training = {}, replace(training, learning_rate_factors=None, search=None)
        entry = {"name": ablation.method or self.name, "label": f"{self.title}-{ablation.label}"}
        entry |= {"training": training, "ablation_of": self.title, "row": ablation.row}
        return MethodSection.model_validate(options | ablation.options | entry)


class StudySpec(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: FolderName
    cohort: CohortSpec
    features: FeatureSpec = FeatureSpec()
    splits: SplitSpec = SplitSpec()
    protocol: Protocol = "honest"
    methods: tuple[MethodSection, ...] = Field(min_length=1)
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSpec = EvaluationSpec()

    def whole_of(self, method: MethodSection) -> MethodSection:
        """The method that an entry is an ablation of, whose protocol it then shares; any other entry itself."""
        return next((each for each in self.methods if each.title == method.ablation_of), method)

    @model_validator(mode="before")
    @classmethod
    def _entries_and_protocol_are_settled(cls, values):
        if not isinstance(values, Mapping) or values.get("methods") is None:
            return values
        methods = values["methods"]
        listed = methods if isinstance(methods, list | tuple) else [methods]
        return settled_by_protocol({**values, "methods": entries_of(listed)})

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
        seen: dict[str, str] = {}
        for title in titles:
            if (other := seen.setdefault(title.lower(), title)) != title:
                raise ValueError(
                    f"the labels {other!r} and {title!r} differ in case only, which some systems take for one folder; "
                    "choose another for one of them"
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
    if truths := list(truths_for_numbers(values, StudySpec)):
        raise StudyError(f"In {source}: {'; '.join(truths[:MOST])}.")
    try:
        return StudySpec.model_validate(without_empty(values, StudySpec))
    except ValidationError as cause:
        raise StudyError(f"In {source}: {in_sentences(cause.errors(), StudySpec)}") from cause


def without_empty(values: Any, kind: Any) -> Any:
    """The values of a section, or of several, without known keys that have none: they are as good as absent."""
    if isinstance(values, list | tuple):
        return [without_empty(each, kind) for each in values]
    if not isinstance(values, Mapping):
        return values
    known = keys_of(kind)
    kept = {key: value for key, value in values.items() if value is not None or key not in known}
    inner = {key: next(iter(inner_kinds(known[key])), None) for key in kept if key in known}
    return {key: without_empty(value, inner[key]) if inner.get(key) else value for key, value in kept.items()}


def plain(settings: Any) -> Any:
    """Settings as values that JSON and YAML have."""
    return TypeAdapter(type(settings)).dump_python(settings, mode="json")


def is_made_by(told: Mapping[str, Any], features: FeatureSpec) -> bool:
    """Whether a model card tells of embeddings that are made by these settings; what it does not tell has its default.

    Raises:
        StudyError: It tells what no settings are.
    """
    try:
        return TypeAdapter(FeatureSpec).validate_python(dict(told)) == features
    except ValidationError as cause:
        raise StudyError(f"In the model card: {in_sentences(cause.errors(), FeatureSpec)}") from cause
