"""What is told of a method beside its code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prognoscope.models.profile import Profile


@dataclass(frozen=True, slots=True)
class Ablation:
    """A row of the paper's ablation table: the method with something taken away.

    A study runs it as `<method's title>-<label>`, with the method's options, these ones going first.
    """

    label: str  # short, for folders and tables: "no-alignment"
    row: str  # the row's name in the paper's table
    options: dict[str, object] = field(default_factory=dict)  # of the constructor
    method: str | None = None  # where the paper's row is another method, which then has only the options above


@dataclass(frozen=True, slots=True)
class Departure:
    """Where our default differs from paper or released code, unless options are as given here."""

    text: str
    unless: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sensitivity table or figure of the paper: the method at several values of one setting, all else its own."""

    label: str  # what the paper calls the setting: "tau"
    setting: str  # the option
    values: tuple[object, ...]  # in the order of the paper; the method's own among them
    rows: tuple[str, ...]  # what the paper calls them
    where: str  # it is in the paper: "Table IV"


@dataclass(frozen=True, slots=True)
class Card:
    """A method's paper, profile and history; its module imports no torch, so that telling of methods is light."""

    paper: str  # authors, title, venue, year
    profile: Profile | Callable[[Mapping[str, Any]], Profile]  # a function where options change it
    parameters: int | None = None  # that are learned, at the sizes of EXAMPLE; None: counted when it is asked for
    departures: tuple[str | Departure, ...] = ()  # where our defaults differ from paper or released code, and why
    as_published: Mapping[str, Any] = field(default_factory=dict)  # options that are the paper's where defaults are not
    found_wrong: tuple[str, ...] = ()  # in the published code or tables
    ablations: tuple[Ablation, ...] = ()  # in the order of the paper's table, without the whole method
    sweeps: tuple[Sweep, ...] = ()  # in the order of the paper
    whole_row: str = ""  # what that table calls the whole method; "": by its name
    branches: tuple[str, ...] = ()  # of a method of several modalities: methods that see one each as its branches do
    whole_is_first: bool = False  # whether that table begins with the whole method; else it ends with it

    def profile_with(self, options: Mapping[str, object]) -> Profile:
        """The profile with these options of the constructor, which may hold sizes too; others are the defaults.

        Raises:
            ModelError: An option that the profile depends on has a value that it cannot have.
        """
        return self.profile if isinstance(self.profile, Profile) else self.profile(options)

    def departures_with(self, options: Mapping[str, object]) -> tuple[str, ...]:
        """The departures of the method with these options of the constructor."""
        every = [each if isinstance(each, Departure) else Departure(each, {}) for each in self.departures]
        return tuple(each.text for each in every if not each.unless or not each.unless.items() <= options.items())
