"""Settings that keep their own bounds: each is written once, in the annotations of a frozen dataclass.

A study file is validated by the same annotations (`prognoscope.study.spec`), so that a file and a call from Python are
held to one truth. Bounds are those of `annotated_types`: `folds: Annotated[int, Interval(ge=2, le=50)] = 5`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeGuard, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import BaseMetadata, GroupedMetadata, Interval

from prognoscope.core.errors import InputError

Spec = TypeVar("Spec")
BOUND_WORDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
KNOWS_ITS_PLACE = "path"  # marks text that is a path, relative to the study's file


@dataclass(frozen=True, slots=True)
class NoPlace:
    """Marks text that is a path unless it fits a pattern: `weights: hub@0a1b2c`."""

    pattern: str


class OneOrMany:
    """Marks a tuple for which one value may stand."""

    @staticmethod
    def tuple_of(value: object) -> object:
        """The tuple of one value; anything else as it is."""
        return (value,) if isinstance(value, str | Path) else value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # only pydantic calls this

        return core_schema.no_info_before_validator_function(self.tuple_of, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        many = handler(schema)
        return {"anyOf": [many.get("items", {}), many]}


class TextOrNumbers(OneOrMany):
    """Marks a tuple of text whose entries may be written as numbers: `event_values: [2]` means the word 2.

    True and false are none, for nobody can tell which of their spellings a table has.
    """

    @staticmethod
    def tuple_of(value: object) -> object:
        """The tuple of one value or many, numbers as their text; anything else as it is."""
        value = (value,) if isinstance(value, str | int | float) and not isinstance(value, bool) else value
        return tuple(map(_as_text, value)) if isinstance(value, tuple | list) else value

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        many = handler(schema)
        many = many | {"items": {"anyOf": [many.get("items", {}), {"type": "number"}]}}
        return {"anyOf": [*many["items"]["anyOf"], many]}


def _as_text(value: object) -> object:
    """Of a number the text that tables are read with: 2.0 is 2."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return value
    return str(int(value)) if float(value).is_integer() else str(value)


FilePath = Annotated[str, KNOWS_ITS_PLACE]
FilePaths = Annotated[tuple[str, ...], OneOrMany(), KNOWS_ITS_PLACE]
Names = Annotated[tuple[str, ...], TextOrNumbers()]
Share = Annotated[float, Interval(ge=0, lt=1)]
Seed = Annotated[int, Interval(ge=0, lt=2**63)]


def settle(spec: Any, error: type[InputError] = InputError) -> None:
    """Hold a frozen dataclass to its annotations, for its `__post_init__`: bounds, literals, tuples of one.

    Types themselves are left to type checkers, but for numbers: true and false are none, nor is what is not finite.

    Raises:
        InputError: A value is out of bounds, or none of the literals; as the child that is given.
    """
    for name, hint in hints_of(type(spec)).items():
        value = before = getattr(spec, name)
        for mark in (each for each in _marks(hint) if isinstance(each, OneOrMany)):
            value = mark.tuple_of(tuple(value) if isinstance(value, list) else value)
        if KNOWS_ITS_PLACE in _marks(hint):
            value = tuple(map(str, value)) if isinstance(value, tuple) else None if value is None else str(value)
        if value is not before:
            object.__setattr__(spec, name, value)
        if wanted := _wanted(value, hint):
            raise error(f"{name} must be {wanted}, not {value!r}.")


def made_whole(spec: Spec, folder: Path) -> Spec:
    """The same settings, every path in them joined to a folder."""
    hints = hints_of(type(spec))
    whole: Any = spec  # a dataclass, which no type can say at run time
    return replace(whole, **{name: _whole(getattr(spec, name), hint, folder) for name, hint in hints.items()})


def paths_of(spec: Any) -> list[str]:
    """Every path in some settings, as it stands there."""
    found: list[str] = []
    for name, hint in hints_of(type(spec)).items():
        value = getattr(spec, name)
        if is_dataclass(value) and not isinstance(value, type):
            found += paths_of(value)
        elif _is_place(value, hint):
            found += [value] if isinstance(value, str) else [str(each) for each in value]
    return found


def without_places(spec: Spec) -> Spec:
    """The same settings with a word in the place of every path, to be compared whatever folder they are in."""
    hints = hints_of(type(spec))
    blank: Any = spec
    return replace(blank, **{name: _blank(getattr(spec, name), hint) for name, hint in hints.items()})


@cache
def hints_of(kind: type) -> Mapping[str, Any]:
    """The annotations of a dataclass's fields, with their bounds."""
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name] for each in fields(kind)}


def _blank(value: Any, hint: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return without_places(value)
    if not _is_place(value, hint):
        return value
    return value and (("given",) if isinstance(value, tuple) else "given")


def _whole(value: Any, hint: Any, folder: Path) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return made_whole(value, folder)
    if not _is_place(value, hint):
        return value
    return tuple(str(folder / each) for each in value) if isinstance(value, tuple) else str(folder / value)


def _is_place(value: Any, hint: Any) -> TypeGuard[str | tuple[str, ...]]:
    """Whether a value is a path, or several."""
    marks = _marks(hint)
    if not isinstance(value, str | tuple) or KNOWS_ITS_PLACE not in marks or value in _literals(hint):
        return False
    patterns = [mark.pattern for mark in marks if isinstance(mark, NoPlace)]
    return isinstance(value, tuple) or not any(re.fullmatch(pattern, value) for pattern in patterns)


@cache
def _marks(hint: Any) -> tuple[Any, ...]:
    """The metadata of an annotation, and of the members of a union."""
    own = getattr(hint, "__metadata__", ())
    inner = get_args(hint) if get_origin(hint) in (Union, UnionType) else get_args(hint)[:1] if own else ()
    return own + tuple(mark for each in inner for mark in _marks(each))


@cache
def _literals(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(value for each in get_args(hint) for value in _literals(each))


def _wanted(value: Any, hint: Any) -> str:
    """What a value must be by its annotation; "" if it is."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind is Annotated:
        return next(_broken(value, hint.__metadata__), "") or _wanted(value, inner[0])
    if kind in (Union, UnionType):
        found = [_wanted(value, each) for each in inner]
        return next((each for each in found if each != "nothing"), "") if all(found) else ""
    if hint is NoneType:
        return "" if value is None else "nothing"
    if hint in (int, float) and isinstance(value, bool):
        return "a whole number" if hint is int else "a number"
    if hint is float and isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if kind is Literal:
        return "" if value in inner else " or ".join(", ".join(map(str, inner)).rsplit(", ", 1))
    if kind is tuple and isinstance(value, tuple):
        of = [inner[0]] * len(value) if inner[-1:] == (...,) else inner
        return next(filter(None, map(_wanted, value, of)), "")
    if kind is dict and isinstance(value, dict):
        return next(filter(None, (_wanted(each, inner[1]) for each in value.values())), "")
    return ""


@cache
def _bounds(metadata: tuple[Any, ...]) -> tuple[tuple[str, float], ...]:
    return tuple(
        (name, bound)
        for mark in metadata
        if isinstance(mark, BaseMetadata | GroupedMetadata)
        for name in BOUND_WORDS
        if (bound := getattr(mark, name, None)) is not None
    )


def _broken(value: Any, metadata: tuple[Any, ...]) -> Iterator[str]:
    """Bounds that a number does not keep, in words."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    bounds = _bounds(metadata)
    if bounds and not math.isfinite(value):
        yield "a finite number"
    for name, bound in bounds:
        keeps = {"gt": value > bound, "ge": value >= bound, "lt": value < bound, "le": value <= bound}
        if not keeps[name]:
            yield f"{BOUND_WORDS[name]} {bound:g}"
