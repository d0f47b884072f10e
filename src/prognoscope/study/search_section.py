"""The part of a study file that asks for a search for settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from prognoscope.study.section import Section
from prognoscope.study.wording import kind_of
from prognoscope.training.trials import text_of


class SettingSection(Section):
    """What one setting is chosen from: `{low: 1e-5, high: 1e-3, log: true}`, or a list."""

    low: float | None = None
    high: float | None = None
    log: bool = False  # alike in every order of magnitude
    choices: tuple[Any, ...] | None = None  # a list stands for this

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_of_choices(cls, values):
        if isinstance(values, list | tuple):
            return {"choices": values}
        if not isinstance(values, Mapping):
            raise ValueError(
                f"must be a range such as {{low: 1, high: 9}} or a [list] of values, not {kind_of(values)}"
            )
        return values

    @model_validator(mode="after")
    def _can_be_drawn_from(self):
        if self.choices is not None:
            texts = [text_of(value) for value in self.choices]
            if not texts or self.low is not None or self.high is not None:
                raise ValueError("give either low and high, or a [list] of one value or more")
            if twice := [text for text in texts if texts.count(text) > 1]:
                raise ValueError(f"{twice[0]} is listed twice; take one away")
            return self
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(f"a range needs low and a higher high, not {_shown(self.low)} and {_shown(self.high)}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be more than 0 with log, not {self.low:g}")
        return self


class SearchSection(Section):
    """A search for settings inside the training part of each fold."""

    trials: int = Field(default=30, ge=0, le=1000)  # 0: no search
    folds: int = Field(default=3, ge=1, le=20)  # inner ones; 1: the fold's own validation part judges
    space: dict[str, SettingSection] = Field(default_factory=dict)  # fields of the recipe, options of a method

    @model_validator(mode="after")
    def _has_a_space(self):
        if self.trials and not self.space:
            raise ValueError("space is empty; name at least one setting, such as learning_rate, or take 0 trials")
        return self


def _shown(number: float | None) -> str:
    return "nothing" if number is None else f"{number:g}"
