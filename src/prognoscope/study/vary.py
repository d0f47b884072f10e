"""`vary` in an entry of methods: a method at several values of its settings, one sweep a table and a figure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError, WithJsonSchema

from prognoscope.core.errors import nearest
from prognoscope.models.card import Sweep
from prognoscope.models.registry import card_of, parameters_of, profile_of
from prognoscope.models.sizes import Sizes
from prognoscope.study.sections import CHANGED, MethodTraining, TrainingSettings, changes
from prognoscope.study.truths import truths_for_numbers
from prognoscope.study.wording import in_sentences, kind_of

WORD = re.compile(r"[A-Za-z0-9_.-]+")
PAPER = "paper"  # stands for all sweeps of the method's card
Point = dict[str, Any]  # setting -> value


@dataclass(frozen=True)
class SweepSection:
    """A sweep as a run's file keeps it: all combinations of these values, in this order."""

    label: str  # what the paper calls the setting, or its own name
    values: dict[str, tuple[Any, ...]]  # option of the method, or field of its recipe -> values
    rows: tuple[str, ...] = ()  # what the paper calls them; else by their values

    @property
    def points(self) -> list[Point]:
        """Every combination of the values, the first setting's slowest."""
        return [dict(zip(self.values, each, strict=True)) for each in product(*self.values.values())]


def _asked(value: object) -> object:
    listed = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(listed, list | tuple) or not listed:
        raise ValueError(f"must be settings with a [list] of values each, or the paper's sweeps by name, not {value!r}")
    for each in listed:
        if isinstance(each, str):
            continue
        if not isinstance(each, Mapping) or not each:
            raise ValueError(f"an entry must be settings with values, or the name of a sweep, not {kind_of(each)}")
        for name, values in each.items():
            if not isinstance(values, list | tuple) or not values:
                raise ValueError(f"{name} must be a [list] of one value or more, not {values!r}")
    return tuple(listed)


VALUES = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "array", "minItems": 1}}
ONE = {"anyOf": [{"type": "string"}, VALUES]}
Vary = Annotated[
    tuple[Any, ...],
    BeforeValidator(_asked),
    WithJsonSchema({"anyOf": [*ONE["anyOf"], {"type": "array", "items": ONE, "minItems": 1}]}),
]


def sweeps_of(name: str, options: Point, asked: Sequence[Any]) -> tuple[SweepSection, ...]:
    """What `vary` of a method means.

    Args:
        options: Of the method's entry.

    Raises:
        ValueError: A name is that of no sweep, a setting or a value cannot be, or two sweeps have one label.
    """
    known = {sweep.label: sweep for sweep in card_of(name).sweeps}
    found: list[SweepSection] = []
    for each in asked:
        if isinstance(each, Mapping):
            values = {str(key): tuple(of) for key, of in each.items()}
            found.append(SweepSection("-".join(values), values))
        elif each == PAPER and known:
            found += map(_of_card, known.values())
        elif each in known:
            found.append(_of_card(known[each]))
        elif known:
            raise ValueError(f"{name} has no sweep {each!r}; {nearest(each, [*known, PAPER])}")
        else:
            raise ValueError(f"the paper of {name} has no sweep; give settings with values, such as {{k: [4, 6]}}")
    labels = [sweep.label for sweep in found]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise ValueError(f"{twice[0]} is varied twice; put all its values into one list")
    for sweep in found:
        for key, values in sweep.values.items():
            _check_values(name, options, key, values)
    return tuple(found)


def _of_card(sweep: Sweep) -> SweepSection:
    return SweepSection(sweep.label, {sweep.setting: sweep.values}, sweep.rows)


def _check_values(name: str, options: Point, key: str, values: Sequence[Any]) -> None:
    words = [word_of(value) for value in values]
    if twice := [word for word in words if words.count(word) > 1]:
        raise ValueError(f"{key} has the value {twice[0]} twice; take one away")
    if not is_option(name, options, key):
        for value in values:
            recipe_value(key, value)


def is_option(name: str, given: Point, key: str) -> bool:
    """Whether a setting is an option of the method, with the options that are given; else it is one of its recipe.

    Raises:
        ValueError: It is neither; the nearest one is named.
    """
    sizes = {each.name for each in fields(Sizes)}
    options = {option for option in parameters_of(name, given) if option not in sizes}
    recipe = set() if profile_of(name, given).recipe is None else set(CHANGED)
    if key not in options | recipe:
        raise ValueError(f"{name} has no setting {key!r} to vary; {nearest(key, options | recipe)}")
    return key in options


def recipe_value(key: str, value: object) -> Any:
    """A value of a field of a recipe, as a study's settings have it.

    Raises:
        ValueError: It cannot be one.
    """
    if found := next(truths_for_numbers({key: value}, MethodTraining), None):
        raise ValueError(found)
    try:
        return getattr(TypeAdapter(MethodTraining).validate_python({key: value}), key)
    except ValidationError as cause:
        raise ValueError(in_sentences(cause.errors(), MethodTraining).rstrip(".")) from cause


def own_value(name: str, key: str, options: Point, training: MethodTraining, general: TrainingSettings) -> Any:
    """What a setting of a method is where it is not varied.

    Args:
        options, training: Of the method's entry.
        general: Of the study.
    """
    if is_option(name, options, key):
        return options.get(key, parameters_of(name, options)[key].default)
    changed = {**changes(general), **changes(training)}
    value = changed.get(key, getattr(profile_of(name, options).recipe, key))
    return "all" if key == "patch_draw" and value is None else value


def word_of(value: object) -> str:
    """A value as part of a label: 6, 0.05, kl, none, 256-64.

    Raises:
        ValueError: It is nothing that a label can tell.
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple) and value:
        return "-".join(map(word_of, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    word = str(value).replace("+", "") if isinstance(value, int | float | str) else ""
    if not WORD.fullmatch(word):
        raise ValueError(f"the value {value!r} cannot be part of a label; give it an entry of its own with a label")
    return word


def same_value(a: object, b: object) -> bool:
    """Whether two values are one, whatever kind of list or number holds them."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same_value, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b
