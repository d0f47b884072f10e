"""An entry of a study's methods, and the entries that its ablations and sweeps add."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prognoscope.core.errors import nearest
from prognoscope.core.settings import Names
from prognoscope.models.card import Ablation
from prognoscope.models.registry import MODELS, card_of
from prognoscope.runs.layout import names_in_run
from prognoscope.runs.tables import ORACLES
from prognoscope.study.folder_name import FolderName
from prognoscope.study.sections import MethodTraining, TrainingSettings
from prognoscope.study.vary import (
    Point,
    SweepSection,
    Vary,
    is_option,
    own_value,
    recipe_value,
    same_value,
    sweeps_of,
    word_of,
)

TAKEN = names_in_run() | frozenset(ORACLES)  # in a run folder and its tables


class MethodSection(BaseModel):
    """A method with options of its own; `label` tells two variants of one method apart.

    `ablations`, "all" or labels, adds an entry for each row of the method's published ablation table. `vary` adds one
    for each value of a sweep that is not the method's own.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str
    label: FolderName | None = None
    training: MethodTraining = MethodTraining()
    ablations: Names = Field(default=(), exclude=True)  # of a study file; a run's file has their entries instead
    vary: Vary = Field(default=(), exclude=True)  # settings with their values, "paper", or names of its sweeps
    sweeps: tuple[SweepSection, ...] = ()  # in a run's file: what `vary` meant; it has their entries too
    sweep_of: str | None = None  # in a run's file: the title of the method that this is a point of a sweep of
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

    @property
    def part_of(self) -> str | None:
        """The title of the method that this is an ablation or a point of a sweep of; None of a method itself."""
        return self.ablation_of or self.sweep_of

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

    def with_sweeps(self, general: TrainingSettings) -> tuple["MethodSection", ...]:
        """The method itself, which is the point of its own values, then an entry for every other point.

        Args:
            general: What the study asks of all trainings, which may say what the method's own values are.

        Raises:
            ValueError: A setting or a value cannot be.
        """
        if not self.vary:
            return (self,)
        try:
            sweeps = sweeps_of(self.name, self.options, self.vary)
            points = [self._own_apart(point, general) for sweep in sweeps for point in sweep.points]
            entries = {self.title_at(point, general): self._at(point) for point in points if point}
        except ValueError as cause:
            raise ValueError(f"methods, {self.title}: vary: {cause}") from cause
        return (self.model_copy(update={"vary": (), "sweeps": (*self.sweeps, *sweeps)}), *entries.values())

    def title_at(self, point: Point, general: TrainingSettings) -> str:
        """The title of the entry with these values of settings; the method's own title where they are its own."""
        apart = self._own_apart(point, general)
        return "-".join([self.title, *(f"{key}-{word_of(value)}" for key, value in apart.items())])

    def own_point(self, settings: tuple[str, ...], general: TrainingSettings) -> Point:
        """The method's own values of these settings."""
        return {key: own_value(self.name, key, self.options, self.training, general) for key in settings}

    def _own_apart(self, point: Point, general: TrainingSettings) -> Point:
        own = self.own_point(tuple(point), general)
        return {key: value for key, value in point.items() if not same_value(value, own[key])}

    def _at(self, apart: Point) -> "MethodSection":
        options = {key: value for key, value in apart.items() if is_option(self.name, self.options, key)}
        recipe = {key: recipe_value(key, value) for key, value in apart.items() if key not in options}
        label = "-".join([self.title, *(f"{key}-{word_of(value)}" for key, value in apart.items())])
        entry = {"name": self.name, "label": label, "sweep_of": self.title}
        entry["training"] = replace(self.training, **recipe)
        return MethodSection.model_validate(self.options | options | entry)
