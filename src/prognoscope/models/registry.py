"""The table of methods, and how to make one."""

import inspect
from dataclasses import asdict, fields, replace
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path

from prognoscope.core.errors import ModelError, nearest
from prognoscope.models.base import Sizes, SurvivalModel

MODELS = {
    "abmil": "prognoscope.models.abmil:ABMIL",
    "ccl": "prognoscope.models.ccl:CCL",
    "clam_mb": "prognoscope.models.clam_mb:CLAMMB",
    "clam_sb": "prognoscope.models.clam_sb:CLAMSB",
    "cmta": "prognoscope.models.cmta:CMTA",
    "coxph": "prognoscope.models.coxph:CoxPH",
    "deepattnmisl": "prognoscope.models.deepattnmisl:DeepAttnMISL",
    "dsmil": "prognoscope.models.dsmil:DSMIL",
    "dtfd_mil": "prognoscope.models.dtfd_mil:DTFDMIL",
    "dualtrans": "prognoscope.models.dualtrans:DualTrans",
    "ghanet": "prognoscope.models.ghanet:GHANet",
    "gpdbn": "prognoscope.models.gpdbn:GPDBN",
    "hfbsurv": "prognoscope.models.hfbsurv:HFBSurv",
    "kd": "prognoscope.models.kd:KD",
    "m3if": "prognoscope.models.m3if:M3IF",
    "maxmil": "prognoscope.models.maxmil:MaxMIL",
    "mcat": "prognoscope.models.mcat:MCAT",
    "mcti": "prognoscope.models.mcti:MCTI",
    "motcat": "prognoscope.models.motcat:MOTCat",
    "meanmil": "prognoscope.models.meanmil:MeanMIL",
    "porpoise": "prognoscope.models.porpoise:PORPOISE",
    "snn": "prognoscope.models.snn:SNN",
    "snntrans": "prognoscope.models.snntrans:SNNTrans",
    "surformer": "prognoscope.models.surformer:Surformer",
    "survpath": "prognoscope.models.survpath:SurvPath",
    "transmil": "prognoscope.models.transmil:TransMIL",
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


def create_model(
    name: str, *, sizes: Sizes | None = None, weights: Path | str | None = None, **options
) -> SurvivalModel:
    """A new model, its weights random or read from a published checkpoint.

    Args:
        name: One of `list_models()`.
        sizes: The lengths that the data decide; those that the method has no use for are passed over.
        weights: A checkpoint with published parameter names, `.pt` or `.safetensors`. Its shapes tell the sizes, and
            the model is in evaluation mode.
        options: Sizes given one by one, and the method's own options.

    Raises:
        ModelError: No such method or option, a value that no network can have, a size is missing, or the checkpoint
            does not fit.
    """
    kind = model_class(name)
    known = set(inspect.signature(kind).parameters)
    if strange := sorted(set(options) - known):
        raise ModelError(f"{name} has no option {strange[0]!r}; {nearest(strange[0], known)}")
    _refuse_impossible(name, kind, options)
    if weights is not None:
        from prognoscope.models.released.loading import load_released, read_weights

        try:
            return load_released(name, read_weights(weights), **options)
        except ModelError as cause:
            raise ModelError(f"{cause} (Read from {weights}.)") from cause
    given = {} if sizes is None else {key: value for key, value in asdict(sizes).items() if key in known}
    arguments = {**given, **options}
    if missing := sorted({field.name for field in fields(Sizes)} & known - set(arguments) - _optional(kind)):
        raise ModelError(f"{name} also needs to be told {', '.join(missing)}.")
    return kind(**arguments)


def sizes_for(name: str, sizes: Sizes) -> Sizes:
    """The sizes without names of genes, which are long, for a method that has no use for them."""
    return sizes if "gene_names" in inspect.signature(model_class(name)).parameters else replace(sizes, gene_names=())


def _refuse_impossible(name: str, kind: type[SurvivalModel], options: dict[str, object]) -> None:
    """Refuse rates of dropout that are none, and counts and widths that are not whole or too small."""
    for option, value in options.items():
        default = inspect.signature(kind).parameters[option].default
        if option.startswith("drop") or option.endswith("dropout"):
            rates = value if isinstance(value, list | tuple) else [value]  # of gpdbn one a layer
            fits = value is None or all(isinstance(rate, Real) and 0 <= rate < 1 for rate in rates)
            wanted = "number from 0 to below 1"
        elif type(default) is int:  # of widths and counts; that of a switch is a bool
            least = min(default, 1)
            fits = value is None or (isinstance(value, Integral) and not isinstance(value, bool) and value >= least)
            wanted = f"whole number from {least} on"
        else:
            continue
        if not fits:
            raise ModelError(f"{name} cannot work with {option}={value!r}. Give a {wanted}.")


def _optional(kind: type[SurvivalModel]) -> set[str]:
    parameters = inspect.signature(kind).parameters.values()
    return {each.name for each in parameters if each.default is not inspect.Parameter.empty}
