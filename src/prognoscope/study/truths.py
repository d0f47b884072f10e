"""Values of a study file that are true or false where a number must be, which Python would count as 1 and 0."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from prognoscope.study.wording import inner_kinds, keys_of


def truths_for_numbers(values: Any, hint: Any, place: str = "") -> Iterator[str]:
    """A half sentence for each, with its place.

    Args:
        hint: The section, or the annotation, that the values are for.
    """
    if isinstance(values, bool):
        if wanted := _number(hint):
            yield f"{place} must be {wanted}, not {values}"
    elif isinstance(values, list | tuple):
        for i, each in enumerate(values, start=1):
            yield from truths_for_numbers(each, hint, f"{place} entry {i}")
    elif isinstance(values, Mapping):
        of_keys = _of_values(hint)
        known = keys_of(next(iter(inner_kinds(hint)))) if of_keys is None and inner_kinds(hint) else {}
        for key, each in values.items():
            if of_keys is not None or key in known:
                inner = known[key] if of_keys is None else of_keys
                yield from truths_for_numbers(each, inner, f"{place}.{key}" if place else str(key))


def _of_values(hint: Any) -> Any:
    """The annotation of a dictionary's values; None where it is none."""
    if get_origin(hint) is dict:
        return get_args(hint)[1]
    if get_origin(hint) in (Annotated, Union, UnionType):
        return next((found for each in get_args(hint) if (found := _of_values(each)) is not None), None)
    return None


def _number(hint: Any) -> str:
    """What a number of this annotation is called; "" where it may be something else than one."""
    kinds = set(_leaves(hint))
    if kinds & {bool, Any} or not kinds & {int, float}:
        return ""
    return "a number" if float in kinds else "a whole number"


def _leaves(hint: Any) -> Iterator[Any]:
    inner = get_args(hint)
    if get_origin(hint) is Annotated:
        yield from _leaves(inner[0])
    elif inner:
        for each in inner:
            yield from _leaves(each)
    elif hint is Any or isinstance(hint, type):
        yield hint
