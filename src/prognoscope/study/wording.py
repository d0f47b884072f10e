"""What is wrong with a study file, in words of its own: which key, what it must be, and which one was meant."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from prognoscope.core.errors import nearest

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
    "model_type": "a section of keys and values",
    "string_type": "text",
    "tuple_type": "one value or a list in [brackets]",
}
BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def in_sentences(errors: Sequence[Mapping], root: type[BaseModel]) -> str:
    """The faults that pydantic found in values for `root`, joined by semicolons and ended as a sentence."""
    places = [error["loc"] for error in errors]
    consequences = [  # a list is "too short" when its entries are wrong
        error["type"] == "too_short" and any(place[:-1][: len(error["loc"])] == error["loc"] for place in places)
        for error in errors
    ]
    told = [_sentence(error, root) for error, follows in zip(errors, consequences, strict=True) if not follows]
    more = [f"and {len(told) - MOST} more"] if len(told) > MOST else []
    text = "; ".join([*(each.rstrip(".") for each in told[:MOST]), *more])
    return text if text.endswith("?") else f"{text}."


def kind_of(value: object) -> str:
    """What a value of YAML is, as a person would call it."""
    if value is None:
        return "nothing"
    kinds = {dict: "keys and values", list: "a list", tuple: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")


def _sentence(error: Mapping, root: type[BaseModel]) -> str:
    kind, place, value = error["type"], _place(error["loc"]), error["input"]
    if kind == "extra_forbidden":
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
        words, bound = BOUNDS[kind]
        return f"{place} must be {words} {error['ctx'][bound]:g}, {shown}"
    if kind == "string_pattern_mismatch":
        return f"{place} must be of letters, digits, dots, dashes and underscores, {shown}"
    if kind in WANTED:
        quotes = "; put it in quotes" if kind == "string_type" and not isinstance(value, dict | list) else ""
        return f"{place} must be {WANTED[kind]}, {shown}{quotes}"
    return f"{place}: {error['msg']}, {shown}"


def _place(loc: Sequence[str | int]) -> str:
    """cohort.clinical.table; the entries of a list are counted from 1."""
    text = ""
    for part in loc:
        text += f" entry {part + 1}" if isinstance(part, int) else f".{part}" if text else part
    return text


def _unknown_key(loc: Sequence[str | int], root: type[BaseModel]) -> str:
    section, key = root, str(loc[-1])
    for part in loc[:-1]:
        section = _section_of(section, part) or section
    homes = sorted(
        (place for place in _all_keys(root) if place[-1] == key), key=lambda place: (len(place), place[0] == "methods")
    )
    home = f"it belongs to {'.'.join(homes[0][:-1]) or 'the top of the file'}" if homes else ""
    return f"there is no key {_place(loc)!r}; {home or nearest(key, section.model_fields)}"


def _all_keys(section: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in section.model_fields:
        yield (*above, name)
        inner = _section_of(section, name)
        if inner is not None:
            yield from _all_keys(inner, (*above, name))


def _section_of(section: type[BaseModel], part: str | int) -> type[BaseModel] | None:
    field = section.model_fields.get(str(part))
    if field is None:
        return None
    candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)
