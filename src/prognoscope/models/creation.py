"""A method's name and options, or a published checkpoint -> a model."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prognoscope.core.errors import ModelError, nearest
from prognoscope.core.named import named
from prognoscope.models.balanced.profile import OPTION, RECIPES, balanced_profile, is_balanced
from prognoscope.models.options import check_numbers
from prognoscope.models.registry import model_class, parameters_of, profile_of, variants_of
from prognoscope.models.sizes import Sizes

if TYPE_CHECKING:
    from prognoscope.models.base import SurvivalModel

FROM_ZERO = frozenset({"min_genes"})  # of a group that may keep none


def create_model(
    name: str, *, sizes: Sizes | None = None, weights: Path | str | None = None, **options
) -> "SurvivalModel":
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
    known = parameters_of(name, options)
    tells_variant = weights is not None and "variant" not in options  # the checkpoint does
    _refuse_strange(name, options, known, any_variant=tells_variant)
    _refuse_impossible(name, options, known)
    if weights is not None:
        if is_balanced(name, options):
            raise ModelError(f"{name} has no published checkpoint of recipe: balanced; take recipe off, or weights.")
        from prognoscope.models.checkpoints.loading import load_released, read_weights

        try:
            return load_released(name, read_weights(weights), **options)
        except ModelError as cause:
            raise ModelError(f"{cause} (Read from {weights}.)") from cause
    given = {} if sizes is None else {key: value for key, value in named(sizes).items() if key in known}
    arguments = {**given, **options}
    needed = {each for each, parameter in known.items() if parameter.default is inspect.Parameter.empty}
    if missing := sorted({field.name for field in fields(Sizes)} & needed - set(arguments)):
        raise ModelError(f"{name} also needs to be told {', '.join(missing)}.")
    if variants_of(name):
        arguments.pop("variant", None)
    arguments.pop(OPTION, None)
    if is_balanced(name, options):
        return _balanced(name, options, arguments)
    return model_class(name, options)(**arguments)


def _balanced(name: str, options: Mapping[str, object], arguments: Mapping[str, Any]) -> "SurvivalModel":
    """A model that sees the components of gene groups, which have no names."""
    from prognoscope.models.balanced.network import Balanced, GroupComponents

    balanced_profile(name, profile_of(name, {**options, OPTION: RECIPES[0]}))  # refuses before anything is made
    components = GroupComponents(arguments.get("group_sizes", ()))
    own = {**arguments, "group_sizes": components.widths, "gene_names": ()}
    model = model_class(name, options)(**{key: value for key, value in own.items() if key in arguments})
    return Balanced(name, model, components, arguments.get("embedding_dim", 0))


def _refuse_strange(
    name: str, options: Mapping[str, object], known: Mapping[str, object], *, any_variant: bool
) -> None:
    """Refuse options that the method, or the variant that the options name, does not have."""
    elsewhere = {
        each: v for v in variants_of(name) for each in parameters_of(name, {"variant": v}) if each not in known
    }
    if strange := sorted(set(options) - {*known, *elsewhere}):
        raise ModelError(f"{name} has no option {strange[0]!r}; {nearest(strange[0], {*known, *elsewhere})}")
    if not any_variant and (strange := [each for each in elsewhere if each in options]):
        variant, other = options.get("variant", variants_of(name)[0]), elsewhere[strange[0]]
        raise ModelError(f"{name}'s {variant} variant has no {strange[0]}; leave it out, or set variant: {other}.")


def _refuse_impossible(name: str, options: Mapping[str, object], known: Mapping[str, inspect.Parameter]) -> None:
    """Refuse rates of dropout that are none, counts and widths that are not whole or too small, and no numbers."""
    for option, value in options.items():
        default = known[option].default if option in known else None
        annotation = str(known[option].annotation) if option in known else "Any"
        parts = value if isinstance(value, list | tuple) else [value]
        if not {"bool", "Any"} & set(re.findall(r"\w+", annotation)):  # which are 1 and 0 to Python
            are_none = any(isinstance(part, bool) for part in parts)
            check_numbers(name, (option, value, not are_none, "value that is neither true nor false"))
        is_finite = all(isfinite(part) for part in parts if isinstance(part, float))
        check_numbers(name, (option, value, is_finite, "finite number"))
        if option.startswith("drop") or option.endswith("dropout"):
            rates = value if isinstance(value, list | tuple) else [value]  # of gpdbn one a layer
            fits = value is None or all(isinstance(rate, Real) and 0 <= float(rate) < 1 for rate in rates)
            wanted = "number from 0 to below 1"
        elif type(default) is int:  # of widths and counts; that of a switch is a bool
            least = 0 if option in FROM_ZERO else min(default, 1)
            fits = value is None or (
                isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
            )
            wanted = f"whole number from {least} on"
        else:
            continue
        check_numbers(name, (option, value, fits, wanted))
