"""The table of encoders, and how to make one."""

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from prognoscope.core.errors import FeatureError, nearest
from prognoscope.core.loading import load
from prognoscope.features.encoders.base import AskedPrecision, Encoder
from prognoscope.features.encoders.catalogue import ALIASES, CATALOGUE, ELSEWHERE, TIMM

ENCODERS = {"stain": "prognoscope.features.encoders.stain:StainEncoder"}
ENCODERS |= dict.fromkeys(CATALOGUE, "prognoscope.features.encoders.timm_encoder:TimmEncoder")
GROUP = "prognoscope.encoders"  # of entry points, by which other packages bring encoders


def encoder_name(name: str) -> str:
    """The name that an encoder has here: of the table, of an installed package, "timm:<network>" or "module:Class".

    Raises:
        FeatureError: There is no such encoder; names the nearest, or says why it is not computed here.
    """
    plain = name.lower().replace("-", "_")
    plain = ALIASES.get(plain, plain)
    if plain in ENCODERS:
        return plain
    if name in installed_encoders() or ":" in name:
        return name
    if plain in ELSEWHERE:
        raise FeatureError(
            f"the encoder {plain} is not computed here: {ELSEWHERE[plain]}. Extract with TRIDENT, CLAM or STAMP, and "
            "name the folder of their files as cohort.features"
        )
    raise FeatureError(f"there is no encoder {name!r}; {nearest(name, [*ENCODERS, *installed_encoders()])}")


def is_typed(name: str) -> bool:
    """Whether an encoder is named as "module:Class", which only who sits at the keyboard may: importing runs code."""
    return ":" in name and not name.startswith(TIMM) and name not in installed_encoders()


def has_precision(name: str) -> bool:
    """Whether the precision of an encoder can be asked for: of networks that timm builds it can."""
    return name in CATALOGUE or name.startswith(TIMM)


def create_encoder(
    name: str,
    *,
    weights: Path | str | None = None,
    device: str = "cpu",
    precision: AskedPrecision | None = None,
) -> Encoder:
    """An encoder ready for use.

    Args:
        name: One of `ENCODERS`, one that an installed package brings, "timm:" and a network of timm, or "module:Class".
        weights: The file of its weights, a folder that holds it, or "hub" or "hub@REVISION" to fetch it;
            without, what lies on disk.
        device: Where it computes, such as "cpu" or "cuda".
        precision: Of a network that timm builds; by default as published on a GPU and float32 on a CPU.

    Raises:
        FeatureError: There is no such encoder, its package is not installed, or its weights do not fit.
        MissingFileError: Its weights are not on disk; says which file to put where.
    """
    name = encoder_name(name)
    if name in CATALOGUE:
        return load(ENCODERS[name])(CATALOGUE[name], weights=weights, device=device, precision=precision)
    if name in ENCODERS:
        return load(ENCODERS[name])(weights=weights, device=device)
    if name.startswith(TIMM):
        from prognoscope.features.encoders.networks import any_description
        from prognoscope.features.encoders.timm_encoder import TimmEncoder

        return TimmEncoder(any_description(name), weights=weights, device=device, precision=precision)
    return _own(name, weights, device)


def _own(name: str, weights: Path | str | None, device: str) -> Encoder:
    """An encoder of an installed package, or of a module that can be imported."""
    place = installed_encoders().get(name, name)
    try:
        module, _, attribute = place.partition(":")
        made = getattr(import_module(module), attribute)(weights=weights, device=device)
    except (ImportError, AttributeError, ValueError, TypeError) as cause:
        raise FeatureError(
            f"The encoder {name!r} cannot be made of {place}: {cause}. It has to be a class that can be imported and "
            "made with weights=..., device=..."
        ) from cause
    if not isinstance(made, Encoder):
        raise FeatureError(
            f"The encoder {name!r} lacks some of what an encoder has: name, embedding_dim, weights_hash and encode."
        )
    return made


def installed_encoders() -> dict[str, str]:
    """Encoders that installed packages bring, by name, and where each is."""
    return {each.name: each.value for each in entry_points(group=GROUP)}
