"""Where the numbers of a run come from, as its `provenance.json` tells it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from prognoscope.core.errors import InputError
from prognoscope.core.files import read_json, write_json
from prognoscope.runs.manifest import checked
from prognoscope.runs.tables import UNFINISHED


@dataclass(frozen=True, slots=True)
class FailedFold:
    """A fold that has no predictions, and why."""

    method: str
    fold: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a run says of itself; empty where it does not say. No times of day, so that equal runs have equal files."""

    name: str = ""  # of the study
    endpoint: str = ""  # of a study with several, the one that this run is of
    command: str = ""
    protocol: str = ""  # `honest`, `paper`, or that of a paper's table, such as `like-ghanet`
    rule: str = ""  # what that of a paper's table means
    ddof: int = 0  # of the SD over folds
    cut_from: str = ""  # where the cut between risk groups comes from: `train` or `pooled`
    split: str = ""  # by what patients are put into risk groups: `risk` or `survival`
    choose: str | None = None  # the rule for epochs, where the protocol leaves it open
    methods: tuple[str, ...] = ()  # titles of those with results
    papers: Mapping[str, str] = field(default_factory=dict)  # method -> whom to cite for it
    branches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # method -> of one modality each, by name
    failed: tuple[FailedFold, ...] = ()
    optimistic: Mapping[str, str] = field(default_factory=dict)  # method -> why its numbers flatter it
    other_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # method -> what is not its paper's
    departures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # method -> what its network does otherwise
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    draws: int | None = None  # of each bootstrap
    precision: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)  # file -> SHA-256 when it was read
    embeddings: str = ""  # by which encoder and at which resolution, as far as their files say
    store: str = ""  # the folder of the embeddings and of what they are packed into, from the run's
    covariates: tuple[Mapping[str, str], ...] = ()  # for each, what was read and what became of it
    warnings: tuple[str, ...] = ()  # of the inputs: what may spoil the numbers
    notes: tuple[str, ...] = ()


def write_provenance(path: Path, provenance: Provenance) -> None:
    """Write it."""
    write_json(path, asdict(provenance))


def read_provenance(path: Path) -> Provenance:
    """The provenance in a file; what an older one lacks is empty.

    Raises:
        MissingFileError: There is none.
        InputError: It is not one; names what cannot be.
    """
    found = read_json(checked(path), "The provenance", UNFINISHED)
    if not isinstance(found, dict):
        raise InputError(f"The provenance {path} is not a mapping. Remove it and run the study again.")
    known = {each.name for each in fields(Provenance)}
    values = {name: value for name, value in found.items() if name in known and value is not None}
    for name, value in values.items():
        if not _CHECKS[name](value):
            raise InputError(f"{path} tells no usable {name!r} ({value!r:.80}). Remove it and run the study again.")
    values |= {name: tuple(values[name]) for name in ("methods", "covariates", "warnings", "notes") if name in values}
    for name in {"other_settings", "departures", "branches"} & values.keys():
        values[name] = {method: tuple(told) for method, told in values[name].items()}
    failed = tuple(FailedFold(each["method"], each["fold"], each["sentence"]) for each in values.pop("failed", ()))
    return Provenance(**values, failed=failed)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are(is_one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_one, value))


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_mapping_of(is_one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(is_one, value.values()))


def _is_failure(value: Any) -> bool:
    kinds = {"method": str, "fold": int, "sentence": str}
    return isinstance(value, dict) and all(isinstance(value.get(name), kind) for name, kind in kinds.items())


_CHECKS = {
    **dict.fromkeys(("name", "endpoint", "command", "protocol", "rule", "cut_from", "split", "choose"), _is_text),
    **dict.fromkeys(("precision", "embeddings", "store"), _is_text),
    **dict.fromkeys(("methods", "notes", "warnings"), _are(_is_text)),
    **dict.fromkeys(("optimistic", "papers", "versions", "inputs"), _is_mapping),
    **dict.fromkeys(("other_settings", "departures", "branches"), _is_mapping_of(_are(_is_text))),
    "covariates": _are(_is_mapping),
    "failed": _are(_is_failure),
    **dict.fromkeys(("seed", "ddof"), lambda value: isinstance(value, int)),
    "draws": lambda value: type(value) is int and 0 < value <= 100_000,
}
