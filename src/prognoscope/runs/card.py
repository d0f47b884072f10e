"""The card beside a model's weights: what the model is, what it was made of, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from prognoscope.core.errors import InputError, some
from prognoscope.core.files import read_json, write_json
from prognoscope.core.named import named
from prognoscope.core.outcome import TimeBins
from prognoscope.runs.layout import FINAL, FOLD, FoldFiles
from prognoscope.runs.manifest import checked

KINDS: dict[str, type] = {  # of what a card must tell, and of what may be None in it
    **dict.fromkeys(("name", "title", "protocol", "precision", "choose", "key"), str),
    **dict.fromkeys(("options", "sizes", "preparation", "recipe", "features", "embeddings"), dict),
    **dict.fromkeys(("gene_selection", "teacher", "search", "members"), dict),
    **dict.fromkeys(("fold", "chosen_epoch"), int),
}
VERSION = 2  # a card without a version is of version 1, whose fields are the same


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What stands in `model.json`; every value is JSON-able."""

    name: str  # of the method
    title: str  # in the tables of its run
    options: Mapping[str, Any]
    sizes: Mapping[str, Any]  # the lengths that the data decide
    fold: int
    bins: tuple[float | None, ...]  # K + 1 edges in months; None where the first or last one is open
    preparation: Mapping[str, Any]  # scalers and alike, fitted on the training patients
    recipe: Mapping[str, Any] = field(default_factory=dict)  # empty for what is solved at once
    choose: str | None = None  # the rule that chose the epoch
    chosen_epoch: int | None = None
    precision: str = "float32"  # of products
    protocol: str = ""
    features: Mapping[str, Any] = field(default_factory=dict)  # how slides became embeddings; empty if they were given
    embeddings: Mapping[str, Any] = field(default_factory=dict)  # their own account: encoder, weights, resolution
    gene_selection: Mapping[str, Any] | None = None  # with the notes of the fold's own selection
    teacher: Mapping[str, Any] | None = None
    members: Mapping[str, Any] | None = None  # label -> what the method is made of, and how that was trained
    search: Mapping[str, Any] | None = None  # where settings were searched: trials, failed, folds, loss, chosen
    key: str | None = None  # of a teacher: all that its numbers depend on
    version: int = VERSION

    @property
    def time_bins(self) -> TimeBins:
        """The bins whose hazards the model predicts."""
        edges = np.array([np.nan if edge is None else edge for edge in self.bins], dtype=np.float64)
        edges[0] = -np.inf if np.isnan(edges[0]) else edges[0]
        edges[-1] = np.inf if np.isnan(edges[-1]) else edges[-1]
        return TimeBins(edges)


def edges_of(bins: TimeBins) -> tuple[float | None, ...]:
    """The edges of bins as a card tells them."""
    return tuple(float(edge) if np.isfinite(edge) else None for edge in bins.edges)


def write_card(path: Path, card: ModelCard) -> None:
    """Write a card."""
    write_json(path, named(card))


def read_card(path: Path) -> ModelCard:
    """The card in a file.

    Raises:
        MissingFileError: There is none.
        InputError: It is not a card, or of a later version; says what to do.
    """
    found = read_json(checked(path), "The model card", "Train it again, with the command that made it.")
    if not isinstance(found, dict):
        raise InputError(f"{path} is not the card of a model. Remove its folder and run the study again.")
    if (version := found.get("version", 1)) not in range(1, VERSION + 1):
        raise InputError(f"{path} is a card of version {version}, this program reads up to {VERSION}. Update it.")
    needed = ("name", "options", "sizes", "fold", "bins", "preparation")
    if missing := [name for name in needed if found.get(name) is None]:
        raise InputError(f"{path} tells no {some(missing)} of its model. Remove its folder and run the study again.")
    for name, kind in KINDS.items():
        if not isinstance(found.get(name, kind()), kind) and found[name] is not None:
            raise InputError(f"{path} tells no usable {name!r}. Remove its folder and run the study again.")
    known = {each.name for each in fields(ModelCard)}
    optional = ("choose", "chosen_epoch", "gene_selection", "teacher", "members", "search", "key")
    given: dict[str, Any] = {
        name: value
        for name, value in found.items()
        if name in known and name != "version" and (value is not None or name in optional)
    }
    edges = given["bins"]
    if not isinstance(edges, list) or len(edges) < 2 or not all(e is None or isinstance(e, int | float) for e in edges):
        raise InputError(f"{path} tells no time bins. Remove its folder and run the study again.")
    return ModelCard(**{"title": given["name"], **given, "bins": tuple(edges)})


def need_own_card(files: FoldFiles) -> ModelCard:
    """The card of a fold, which is of that fold.

    Raises:
        MissingFileError: There is none.
        InputError: It is of another method or fold, as where one folder was copied over another; or no card.
    """
    card = read_card(files.card)
    places = (f"{FOLD}{card.fold}", files.permuted.folder.name, FINAL)
    if files.is_done and (card.title != files.folder.parent.name or files.folder.name not in places):
        raise InputError(
            f"{files.folder} holds fold {card.fold} of {card.title}, so it was copied or renamed. Put the folder back "
            "as it was, or start `prognoscope run` again, which makes it anew."
        )
    return card
