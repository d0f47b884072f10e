"""The embedding files of a cohort, each looked at before anything is done: what they say, and which cannot be used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import FeatureError, some
from prognoscope.core.words import count, listed
from prognoscope.features.origin import name_here
from prognoscope.features.store import BadFileError, Look, fault_sentences, look_at
from prognoscope.study.inputs import embedding_files
from prognoscope.study.left_out import too_many
from prognoscope.study.sections import CohortSpec

ALIKE = 1.5  # patches whose sides differ by less are of one resolution: scanners' magnifications are round numbers


@dataclass(frozen=True, slots=True)
class Looks:
    """What the embedding files of a cohort say."""

    heads: Mapping[str, Look] = field(default_factory=dict)  # slide -> what its file says
    faults: Mapping[str, BadFileError] = field(default_factory=dict)  # slide -> why its file cannot be used

    @property
    def sentences(self) -> tuple[str, ...]:
        """One for each kind of fault."""
        return tuple(fault_sentences(self.faults, len(self.heads) + len(self.faults)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not used of files that are: coordinates, which no method needs."""
        return tuple(
            f"The coordinates in {len(slides)} of {count(len(self.heads), 'embedding file')} are not used ({fault}): "
            f"{some(slides)}. Methods do without; maps of these slides cannot be drawn."
            for fault, slides in _by_value(self.heads, lambda look: look.coords_fault).items()
        )


def look_at_embeddings(where: CohortSpec, cohort: Cohort) -> Looks:
    """A look at each file of embeddings of these patients, as `run` reads it but for a sample of the values.

    Raises:
        FeatureError: More files than allowed cannot be used, or they are not all by one encoder and of one resolution;
            all faults are told at once.
    """
    features = where.features
    if features is None or features.folder is None:
        return Looks()
    files = embedding_files(where, None)
    heads: dict[str, Look] = {}
    faults: dict[str, BadFileError] = {}
    for slide in sorted(slide for slides in cohort.slides.values() for slide in slides if slide in files):
        try:
            heads[slide] = look_at(files[slide], features.layout, mpp=features.mpp)
        except BadFileError as cause:
            faults[slide] = cause
    looks = Looks(heads, faults)
    stops = _mixtures({slide: look for slide, look in heads.items() if look.patches})
    if faults and (stops or too_many(len(faults), len(heads) + len(faults), features.most_bad)):
        stops += looks.sentences
        if too_many(len(faults), len(heads) + len(faults), features.most_bad):
            stops.append(f"That is more than cohort.features.most_bad allows, {features.most_bad:g} of the files.")
    if stops:
        raise FeatureError(" ".join(stops))
    return looks


def _mixtures(heads: Mapping[str, Look]) -> list[str]:
    """A sentence for each thing in which embeddings differ that must be the same in a cohort."""
    said = []
    lengths = _by_value(heads, lambda look: look.embedding_dim)
    encoders = _by_value(heads, lambda look: name_here(look.encoder))
    for what, found in (("of length", lengths), ("by the encoder", encoders)):
        if len(found) > 1:
            said.append(
                f"{_shares(f'embeddings {what}', found)}; one cohort needs one encoder. Name one folder of "
                "embeddings, or extract these slides again."
            )
    sizes = _by_value(heads, lambda look: None if look.patch_um is None else float(f"{look.patch_um:.3g}"))
    if sizes and max(sizes) > ALIKE * min(sizes):
        ends = {f"{size:g} um": sizes[size] for size in (min(sizes), max(sizes))}
        said.append(
            f"{_shares('patches of', ends)}; one cohort needs one resolution. Name one folder of embeddings, or "
            "extract these slides again."
        )
    return said


def _shares(what: str, found: Mapping[Any, list[str]]) -> str:
    parts = [f"{count(len(slides), 'file')} with {what} {value} ({some(slides, 2)})" for value, slides in found.items()]
    return f"There are {listed(parts)}"


def _by_value(heads: Mapping[str, Look], value_of: Callable[[Look], Any]) -> dict[Any, list[str]]:
    """Value -> the slides that have it, where it is known."""
    found: dict[Any, list[str]] = {}
    for slide, look in heads.items():
        if (value := value_of(look)) is not None:
            found.setdefault(value, []).append(slide)
    return found
