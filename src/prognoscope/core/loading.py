"""What a registry names as "module:name", imported when it is asked for."""

from importlib import import_module
from typing import Any


def load(place: str) -> Any:
    """The object at a place such as "prognoscope.models.abmil:ABMIL"."""
    module, name = place.split(":")
    return getattr(import_module(module), name)
