"""By what embeddings were made, as far as their files say: never mixed in a cohort, never predicted with another."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from prognoscope.core.errors import FeatureError, some
from prognoscope.core.words import count
from prognoscope.features.embeddings import Embeddings

APART = 1.5  # ratio of two resolutions: scanners of one magnification differ by less, two magnifications by more
WORDS = {  # a field -> how slides of one value are called
    "encoder": "by the encoder {}",
    "weights": "by the weights {}",
    "um_per_px": "at {} um per pixel",
    "patch_px": "with patches of {} px",
}


IN_STAMP = {  # an encoder -> what STAMP calls it, where it has another name there
    "conch_v1": "conch",
    "conch_v15": "conch1_5",
    "hoptimus0": "h-optimus-0",
    "hoptimus1": "h-optimus-1",
    "uni_v1": "uni",
    "uni_v2": "uni2",
    "virchow": "virchow-full",  # its own virchow is the class token alone
}
OLDER = "mahmood-"  # how older versions of STAMP begin some of these
_OF_STAMP = {theirs: ours for ours, theirs in IN_STAMP.items()} | {"virchow_full": "virchow"}


def name_here(encoder: str | None) -> str | None:
    """An encoder as it is called here, which STAMP's files may call otherwise."""
    return encoder if encoder is None else _OF_STAMP.get(encoder.removeprefix(OLDER), encoder)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who encoded patches, and of which; None where nothing says."""

    encoder: str | None = None
    weights: str | None = None  # the hash of the encoder's weights
    um_per_px: float | None = None  # of a patch as the encoder saw it
    patch_px: int | None = None  # its side

    def __post_init__(self):
        object.__setattr__(self, "encoder", name_here(self.encoder))

    @classmethod
    def of(cls, embeddings: Embeddings) -> "Origin":
        """What one slide's embeddings say."""
        um, px = embeddings.patch_um, embeddings.patch_px
        resolution = round(um / px, 4) if um and px else None
        return cls(embeddings.encoder, embeddings.weights_hash, resolution, px)

    @classmethod
    def told(cls, values: Mapping[str, Any]) -> "Origin":
        """What a card or a pack tells; what it does not is unknown."""
        return cls(**{each.name: values.get(each.name) for each in fields(cls)})

    def __str__(self) -> str:
        weights = f" with weights {self.weights[:8]}" if self.weights else ""
        resolution = f" at {self.um_per_px:g} um per pixel" if self.um_per_px else ""
        patches = f", patches of {self.patch_px} px{resolution}" if self.patch_px else resolution
        return f"{self.encoder or 'unknown encoder'}{weights}{patches}"

    def contradicts(self, other: "Origin") -> bool:
        """Whether the two cannot be the same; what either does not say contradicts nothing."""
        alike = ("encoder", "weights", "patch_px")
        pairs = [(getattr(self, name), getattr(other, name)) for name in alike]
        return any(None not in pair and pair[0] != pair[1] for pair in pairs) or _are_apart(
            self.um_per_px, other.um_per_px
        )


def common_origin(origins: Mapping[str, Origin]) -> Origin:
    """What the embeddings of all slides were made by; what only some say is taken from these.

    Args:
        origins: Slide -> what its embeddings say.

    Raises:
        FeatureError: They contradict each other; names both with their slides.
    """
    common: dict[str, Any] = {}
    for name, what in WORDS.items():
        by_value: dict[Any, list[str]] = defaultdict(list)
        for slide, origin in origins.items():
            if (value := getattr(origin, name)) is not None:
                by_value[value].append(slide)
        values = sorted(by_value, key=lambda value: -len(by_value[value]))
        common[name] = values[0] if values else None
        if name == "um_per_px" and values and not _are_apart(min(values), max(values)):
            continue
        if len(values) > 1:
            both = [values[0], max(values, key=lambda v: abs(v - values[0])) if name == "um_per_px" else values[1]]
            told = [f"{count(len(by_value[v]), 'slide')} {what.format(v)} ({some(by_value[v], 3)})" for v in both]
            raise FeatureError(
                f"The embeddings of one cohort must be made alike, but found: {told[0]}; {told[1]}. Name one "
                "folder of embeddings, or extract these slides again."
            )
    return Origin(**common)


def _are_apart(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and max(a, b) > APART * min(a, b)
