"""The table of methods, and what is told of each."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from prognoscope.core.errors import ModelError, nearest
from prognoscope.core.loading import load
from prognoscope.core.named import named
from prognoscope.models.balanced.profile import OPTION, RECIPES, balanced_profile, can_be_balanced, is_balanced
from prognoscope.models.card import Card
from prognoscope.models.options import check_choices
from prognoscope.models.profile import Profile
from prognoscope.models.sizes import Sizes

if TYPE_CHECKING:  # importing this table imports no torch
    from prognoscope.models.base import SurvivalModel

MODELS: dict[str, str | dict[str, str]] = {  # of several variants the default is the first
    "abmil": "prognoscope.models.abmil.network:ABMIL",
    "ccl": "prognoscope.models.ccl.network:CCL",
    "clam_mb": "prognoscope.models.clam_mb.network:CLAMMB",
    "clam_sb": "prognoscope.models.clam_sb.network:CLAMSB",
    "cmta": "prognoscope.models.cmta.network:CMTA",
    "coxnet": "prognoscope.models.coxnet.network:Coxnet",
    "coxph": "prognoscope.models.coxph.network:CoxPH",
    "deepattnmisl": "prognoscope.models.deepattnmisl.network:DeepAttnMISL",
    "dsmil": "prognoscope.models.dsmil.network:DSMIL",
    "dtfd_mil": "prognoscope.models.dtfd_mil.network:DTFDMIL",
    "dualtrans": "prognoscope.models.dualtrans.network:DualTrans",
    "ghanet": "prognoscope.models.ghanet.network:GHANet",
    "gpcox": "prognoscope.models.gpcox.network:GPCox",
    "gpdbn": "prognoscope.models.gpdbn.network:GPDBN",
    "hfbsurv": "prognoscope.models.hfbsurv.network:HFBSurv",
    "kd": "prognoscope.models.kd.network:KD",
    "late": "prognoscope.models.late.network:Late",
    "m3if": "prognoscope.models.m3if.network:M3IF",
    "maxmil": "prognoscope.models.maxmil.network:MaxMIL",
    "mcat": "prognoscope.models.mcat.network:MCAT",
    "mcti": {
        "paper": "prognoscope.models.mcti.paper:MCTIPaper",
        "released": "prognoscope.models.mcti.released:MCTIReleased",
    },
    "motcat": "prognoscope.models.motcat.network:MOTCat",
    "meanmil": "prognoscope.models.meanmil.network:MeanMIL",
    "porpoise": "prognoscope.models.porpoise.network:PORPOISE",
    "snn": "prognoscope.models.snn.network:SNN",
    "snntrans": "prognoscope.models.snntrans.network:SNNTrans",
    "surformer": "prognoscope.models.surformer.network:Surformer",
    "survpath": "prognoscope.models.survpath.network:SurvPath",
    "transmil": "prognoscope.models.transmil.network:TransMIL",
}


def list_models() -> list[str]:
    """The names that `create_model` knows, in alphabetical order."""
    return sorted(MODELS)


def card_of(name: str) -> Card:
    """What is told of a method beside its code.

    Raises:
        ModelError: There is no such method; the nearest name is suggested.
    """
    return load(f"{folder_of(name)}.card:CARD")


def profile_of(name: str, options: Mapping[str, object] | None = None, sizes: Sizes | None = None) -> Profile:
    """What a method with these options needs and how it is trained, as an instance's own `profile` has it.

    Args:
        sizes: What the data have, for a method that takes whatever there is.

    Raises:
        ModelError: There is no such method, or an option has a value that it cannot have.
    """
    options = options or {}
    profile = card_of(name).profile_with({**({} if sizes is None else named(sizes)), **options})
    return balanced_profile(name, profile) if is_balanced(name, options) else profile


def model_class(name: str, options: Mapping[str, object] | None = None) -> "type[SurvivalModel]":
    """The class of a method, of the variant that the options name.

    Raises:
        ModelError: There is no such method or variant; the nearest name is suggested.
    """
    return load(_place_of(name, options or {}))


def parameters_of(name: str, options: Mapping[str, object] | None = None) -> dict[str, inspect.Parameter]:
    """Sizes and options of a method, of the variant that the options name; `variant` and `recipe` are among them."""
    parameters = dict(inspect.signature(model_class(name, options)).parameters)
    if can_be_balanced(card_of(name).profile_with(options or {})):
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters[OPTION] = inspect.Parameter(OPTION, kind, default=RECIPES[0], annotation=str)
    if variants := variants_of(name):
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters["variant"] = inspect.Parameter("variant", kind, default=variants[0])
    return parameters


def variants_of(name: str) -> tuple[str, ...]:
    """The variants of a method that are classes of their own, the default first; () where one class has them all."""
    entry = _entry(name)
    return () if isinstance(entry, str) else tuple(entry)


def folder_of(name: str) -> str:
    """The package in which all of a method lies."""
    return _place_of(name, {}).split(":")[0].rpartition(".")[0]


def sizes_for(name: str, sizes: Sizes) -> Sizes:
    """The sizes without names of genes, which are long, for a method that has no use for them."""
    return sizes if "gene_names" in parameters_of(name) else replace(sizes, gene_names=())


def _entry(name: str) -> str | dict[str, str]:
    if name not in MODELS:
        raise ModelError(f"There is no method {name!r}; {nearest(name, MODELS)}")
    return MODELS[name]


def _place_of(name: str, options: Mapping[str, object]) -> str:
    entry = _entry(name)
    if isinstance(entry, str):
        return entry
    variant = options.get("variant", next(iter(entry)))
    check_choices(name, {"variant": variant}, {"variant": entry})
    return entry[str(variant)]
