"""What is wrong with a file of weights, and whose it seems to be: several encoders have one width, some one network."""

from collections.abc import Mapping

from torch import Tensor

from prognoscope.core.errors import some
from prognoscope.features.encoders.catalogue import CATALOGUE, Description
from prognoscope.features.encoders.networks import network_of
from prognoscope.features.encoders.renaming import names_of
from prognoscope.features.encoders.weights import advice

WHOSE = {"timm": "timm", "dinov2": "DINOv2", "transformers": "transformers"}
SHOWN = 3  # names of each kind


def misfit(
    told: Description, given: Mapping[str, Tensor], state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> str | None:
    """Why a file is not that of an encoder, as the end of a sentence, with a cure; None if it is.

    Args:
        given: The parameters as the file names them.
        state: The same by timm's names.
        wanted: The parameters of the encoder's network.
    """
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    other = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    faults = [f"lacks {len(missing)} of its {len(wanted)} parameters ({some(missing, SHOWN)})"] if missing else []
    faults += [f"has {len(unknown)} that it does not have ({some(unknown, SHOWN)})"] if unknown else []
    shapes = (f"{name} {tuple(state[name].shape)} for {tuple(wanted[name].shape)}" for name in other)
    faults += [f"has {len(other)} of another shape ({some(shapes, SHOWN)})"] if other else []
    if not faults and not _are_named(told, given):
        faults = [
            f"names them as {WHOSE[names_of(given)]} does, while the published file has {WHOSE[told.names]}'s names"
        ]
    if not faults:
        return None
    like = "" if told.tokens == "own" else _seems(told, given, state)
    return f"is not the file of {told.name}: it {', '.join(faults)}.{like} {advice(told)}"


def _are_named(told: Description, given: Mapping[str, Tensor]) -> bool:
    """Whether names are whose they should be; some of DINOv2's are timm's."""
    found = names_of(given)
    return told.tokens in ("own", "map") or found == told.names or (told.names, found) == ("dinov2", "timm")


def _seems(told: Description, given: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """A sentence on whose file it may be, by the names and the shapes of all parameters."""
    token = state.get("cls_token")
    if token is None:
        return ""
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    like = [
        each.name
        for each in CATALOGUE.values()
        if each.name != told.name
        and each.tokens != "map"
        and each.embedding_dim == token.shape[-1] * (2 if each.tokens == "class+mean" else 1)
        and _are_named(each, given)
        and {name: tuple(value.shape) for name, value in network_of(each).state_dict().items()} == shapes
    ]
    if not like:
        return ""
    one = "whose" if len(like) == 1 else "which have one network, and it may be any one's"
    return f" It has the names and shapes of {some(like)}{', ' + one if len(like) > 1 else ''}."
