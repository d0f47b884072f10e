"""A study's YAML file -> checked settings. An unknown key is an error that names the nearest known one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from prognoscope.cohort.splits import SplitSpec
from prognoscope.core.errors import StudyError
from prognoscope.core.files import need_file
from prognoscope.features.encoders import GROUP, is_typed
from prognoscope.features.extract import FeatureSpec
from prognoscope.study.folder_name import FolderName
from prognoscope.study.method_groups import entries_of
from prognoscope.study.method_section import MethodSection
from prognoscope.study.protocols import Protocol, settled_by_protocol
from prognoscope.study.sections import CohortSpec, EvaluationSpec, TrainingSettings
from prognoscope.study.truths import truths_for_numbers
from prognoscope.study.wording import MOST, in_sentences, inner_kinds, keys_of, kind_of
from prognoscope.study.yaml_file import read_yaml, set_value


class StudySpec(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: FolderName
    cohort: CohortSpec
    features: FeatureSpec = FeatureSpec()
    splits: SplitSpec = SplitSpec()
    protocol: Protocol = "honest"
    methods: tuple[MethodSection, ...] = Field(min_length=1)
    seeds: Annotated[int, Interval(ge=1, le=100)] = 1  # trainings of everything: training.seed and what follows it
    keep_models: bool = True  # weights of folds; else they go once the run is done with them, and nothing predicts
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSpec = EvaluationSpec()

    def whole_of(self, method: MethodSection) -> MethodSection:
        """The method that an entry is an ablation or a sweep's point of, whose protocol it then shares; or itself."""
        return next((each for each in self.methods if each.title == method.part_of), method)

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
    def _with_sweeps(self):
        entries = tuple(entry for method in self.methods for entry in method.with_sweeps(self.training))
        has_none = not any(method.vary for method in self.methods)
        return self if has_none else self.model_copy(update={"methods": entries})

    @model_validator(mode="after")
    def _every_part_has_its_whole(self):
        titles = {method.title for method in self.methods}
        if alone := [method for method in self.methods if method.part_of not in {None, *titles}]:
            first = alone[0]
            what = "an ablation" if first.ablation_of else "a point of a sweep"
            raise ValueError(f"{first.title!r} is {what} of {first.part_of!r}, which is not in methods; add it")
        return self

    @model_validator(mode="after")
    def _files_run_no_code(self):
        if is_typed(name := self.features.encoder):
            raise ValueError(
                f"features.encoder: {name} names code, which no study file may. Let its package declare the entry "
                f'point [project.entry-points."{GROUP}"] mine = "{name}" and write features.encoder: mine; or extract '
                f"by `prognoscope extract SLIDES --encoder {name}`, and name that folder as cohort.features"
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
        return TypeAdapter(FeatureSpec).validate_python(dict(told)).decisive() == features.decisive()
    except ValidationError as cause:
        raise StudyError(f"In the model card: {in_sentences(cause.errors(), FeatureSpec)}") from cause
