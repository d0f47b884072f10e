"""What an option may be."""

from collections.abc import Iterable, Mapping

from prognoscope.core.errors import ModelError, nearest


def check_choices(method: str, given: Mapping[str, object], choices: Mapping[str, Iterable[object]]) -> None:
    """Refuse a value that is none of its option's choices, and name the nearest.

    Raises:
        ModelError: There is such a value.
    """
    for option, value in given.items():
        known = tuple(choices[option])
        if value not in known:
            raise ModelError(f"{method} has no {option} {value!r}; {nearest(str(value), map(str, known))}")


def check_numbers(method: str, *checks: tuple[str, object, bool, str]) -> None:
    """Refuse a number out of its range: each check is an option, its value, whether that fits, and what would.

    Raises:
        ModelError: A value does not fit.
    """
    for option, value, fits, wanted in checks:
        if not fits:
            raise ModelError(f"{method} cannot work with {option}={value!r}. Give a {wanted}.")
