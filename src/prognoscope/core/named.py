"""The fields of a dataclass by their names."""

from dataclasses import fields
from typing import Any


def named(value: Any) -> dict[str, Any]:
    """The fields of a dataclass as they are, where `dataclasses.asdict` copies all that they hold, to the last gene."""
    return {each.name: getattr(value, each.name) for each in fields(value)}
