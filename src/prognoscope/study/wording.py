"""What is wrong with a study file, in words of its own: which key, what it must be, and which one was meant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, get_args

from pydantic import BaseModel

from prognoscope.core.errors import nearest
from prognoscope.core.settings import BOUND_WORDS, hints_of

UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")  # kinds of error for a key that is not known
MOST = 3  # faults that are told at once
WANTED = {  # by the kinds of error that pydantic tells apart
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "dataclass_type": "a section of keys and values",
    "model_type": "a section of keys and values",
    "string_type": "text",
    "tuple_type": "one value or a list in [brackets]",
}
NOT_SUPPORTED: dict[str, str] = dict.fromkeys(  # keys of cohort.clinical that people look for
    (
        *("entry", "entry_time", "time_entry", "delayed_entry", "late_entry", "entry_col", "truncation"),
        *("left_truncation", "left_truncated", "start", "start_time", "time_start", "tstart", "time0", "t0"),
    ),
    "left truncation (delayed entry) is not supported: losses and measures take everybody as followed from time 0. "
    "Measure time from each patient's entry, and give what was known by then, such as age at entry, as a covariate",
)
BOUNDS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
NO_KEYS = ("{range}", "[list]", "{word}", "{keys}")  # what pydantic calls the forms that a search and a protocol take


def in_sentences(errors: Sequence[Mapping], root: type) -> str:
    """The faults that pydantic found in values for `root`, joined by semicolons and ended as a sentence."""
    places = [error["loc"] for error in errors]
    consequences = [  # a list is "too short" when its entries are wrong
        error["type"] == "too_short" and any(place[:-1][: len(error["loc"])] == error["loc"] for place in places)
        for error in errors
    ]
    told = [
        _sentence(error, root)
        for error, follows in zip(errors, consequences, strict=True)
        if not follows and not (error["type"] == "missing" and _is_misspelt(error["loc"], errors))
    ]
    more = [f"and {len(told) - MOST} more"] if len(told) > MOST else []
    text = "; ".join([*(each.rstrip(".") for each in told[:MOST]), *more])
    return text if text.endswith("?") else f"{text}."


def _is_misspelt(missing: tuple[str | int, ...], errors: Sequence[Mapping]) -> bool:
    """Whether a key is only missing because it is there with a letter wrong, which is told already."""
    beside = [e["loc"][-1] for e in errors if e["type"] in UNKNOWN and e["loc"][:-1] == missing[:-1]]
    return any(nearest(key, [str(missing[-1])]).startswith("did") for key in beside)


def kind_of(value: object) -> str:
    """What a value of YAML is, as a person would call it."""
    if value is None:
        return "nothing"
    kinds = {dict: "keys and values", list: "a list", tuple: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")


def _sentence(error: Mapping, root: type) -> str:
    kind, place, value = error["type"], _place(error["loc"]), error["input"]
    if kind in UNKNOWN:
        return _unknown_key(error["loc"], root)
    if kind == "missing":
        return f"{place} is missing; add it"
    if kind == "too_short":
        return f"{place} is empty; name at least one"
    if kind == "value_error":
        message = error["msg"].removeprefix("Value error, ")
        return f"{place}: {message}" if place else message
    shown = f"not {value!r}" if isinstance(value, str | int | float) else f"not {kind_of(value)}"
    if kind == "literal_error":
        known = [word.strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        guess = nearest(value, known) if isinstance(value, str) else ""
        wanted = f"{', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else known[0]
        return f"{place} must be {wanted}, {shown}" + (f"; {guess}" if guess.startswith("did") else "")
    if kind in BOUNDS:
        bound = BOUNDS[kind]
        return f"{place} must be {BOUND_WORDS[bound]} {error['ctx'][bound]:g}, {shown}"
    if kind == "string_pattern_mismatch":
        return f"{place} must be of letters, digits, dots, dashes and underscores, {shown}"
    if kind in WANTED:
        quotes = "; put it in quotes" if kind == "string_type" and not isinstance(value, dict | list) else ""
        return f"{place} must be {WANTED[kind]}, {shown}{quotes}"
    return f"{place}: {error['msg']}, {shown}"


def _place(loc: Sequence[str | int]) -> str:
    """cohort.clinical.table; the entries of a list are counted from 1."""
    text = ""
    for part in (each for each in loc if each not in NO_KEYS):
        text += f" entry {part + 1}" if isinstance(part, int) else f".{part}" if text else part
    return text


def _unknown_key(loc: Sequence[str | int], root: type) -> str:
    section, key = root, str(loc[-1])
    for part in loc[:-1]:
        section = next(iter(inner_kinds(keys_of(section).get(str(part)))), section)
    if tuple(loc[:-1]) == ("cohort", "clinical") and key.lower() in NOT_SUPPORTED:
        return f"there is no key {_place(loc)!r}: {NOT_SUPPORTED[key.lower()]}"
    homes = sorted(
        (place for place in _all_keys(root) if place[-1] == key), key=lambda place: (len(place), place[0] == "methods")
    )
    home = f"it belongs to {'.'.join(homes[0][:-1]) or 'the top of the file'}" if homes else ""
    return f"there is no key {_place(loc)!r}; {home or nearest(key, keys_of(section))}"


def _all_keys(section: type, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, hint in keys_of(section).items():
        yield (*above, name)
        for inner in inner_kinds(hint)[:1]:
            yield from _all_keys(inner, (*above, name))


def keys_of(section: Any) -> Mapping[str, Any]:
    """The keys of a section with their annotations, whether it is a dataclass or one of pydantic's models."""
    if issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    return hints_of(section)


def inner_kinds(hint: Any) -> list[type]:
    """The sections that a value of this annotation may be, or hold."""
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, BaseModel)):
        return [hint]
    return [kind for each in get_args(hint) for kind in inner_kinds(each)]
