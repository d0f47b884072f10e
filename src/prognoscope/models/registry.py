"""The table of methods, and how to make one."""

import inspect
from dataclasses import asdict, fields
from importlib import import_module

from prognoscope.core.errors import ModelError, nearest
from prognoscope.models.base import Sizes, SurvivalModel

MODELS = {
    "abmil": "prognoscope.models.abmil:ABMIL",
    "coxph": "prognoscope.models.coxph:CoxPH",
    "mcti": "prognoscope.models.mcti:MCTI",
    "meanmil": "prognoscope.models.meanmil:MeanMIL",
    "snn": "prognoscope.models.snn:SNN",
}


def list_models() -> list[str]:
    """The names that `create_model` knows, in alphabetical order."""
    return sorted(MODELS)


def model_class(name: str) -> type[SurvivalModel]:
    """The class of a method.

    Raises:
        ModelError: There is no such method; the nearest name is suggested.
    """
    if name not in MODELS:
        raise ModelError(f"There is no method {name!r}; {nearest(name, MODELS)}")
    module, attribute = MODELS[name].split(":")
    return getattr(import_module(module), attribute)


def create_model(name: str, *, sizes: Sizes | None = None, **options) -> SurvivalModel:
    """A new model with random weights.

    Args:
        name: One of `list_models()`.
        sizes: The lengths that the data decide; those that the method has no use for are passed over.
        options: Sizes given one by one, and the method's own options.

    Raises:
        ModelError: No such method or option, or a size is missing.
    """
    kind = model_class(name)
    known = set(inspect.signature(kind).parameters)
    if strange := sorted(set(options) - known):
        raise ModelError(f"{name} has no option {strange[0]!r}; {nearest(strange[0], known)}")
    given = {} if sizes is None else {key: value for key, value in asdict(sizes).items() if key in known}
    arguments = {**given, **options}
    if missing := sorted({field.name for field in fields(Sizes)} & known - set(arguments) - _optional(kind)):
        raise ModelError(f"{name} also needs to be told {', '.join(missing)}.")
    return kind(**arguments)


def _optional(kind: type[SurvivalModel]) -> set[str]:
    parameters = inspect.signature(kind).parameters.values()
    return {each.name for each in parameters if each.default is not inspect.Parameter.empty}
