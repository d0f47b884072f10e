"""The methods that another is made of, as an option names them; imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from prognoscope.core.errors import ModelError
from prognoscope.models.profile import Profile
from prognoscope.models.registry import profile_of
from prognoscope.models.sizes import Sizes

Members = dict[str, tuple[str, Mapping[str, object]]]  # label -> method, its options
SIZES = frozenset(each.name for each in fields(Sizes))
MOST = 6  # of one method


@dataclass(frozen=True, slots=True)
class Joined:
    """What members need and learn from, together."""

    members: Members
    profiles: Mapping[str, Profile]  # label -> the member's own

    @property
    def needs(self) -> frozenset[str]:
        """All that any of them predicts from."""
        return frozenset[str]().union(*(each.needs for each in self.profiles.values()))

    @property
    def takes(self) -> frozenset[str]:
        """What they also predict from where there is any."""
        return frozenset[str]().union(*(each.takes for each in self.profiles.values())) - self.needs

    @property
    def learns_from(self) -> frozenset[str]:
        """What they train on besides."""
        return frozenset[str]().union(*(each.learns_from for each in self.profiles.values())) - self.needs

    @property
    def alternatives(self) -> tuple[frozenset[str], ...]:
        """What each of them needs; () where all need the same."""
        asked = {each.needs for each in self.profiles.values()}
        return tuple(sorted(asked, key=sorted)) if len(asked) > 1 else ()


def joined_members(method: str, given: object, options: Mapping[str, object]) -> Joined:
    """The members that an option names, each as a study names a method: by its name, or with options and a label.

    Args:
        method: Whose members they are; for messages.
        given: The option's value, a list.
        options: The method's, of which sizes are told to members, if they are there.

    Raises:
        ModelError: There are none or too many, two of one label, a method that cannot be one, or with such options.
    """
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise ModelError(
            f"{method} cannot work with members={given!r}. Give a list of methods, such as [coxph, abmil]."
        )
    if len(given) > MOST:
        raise ModelError(f"{method} cannot have {len(given)} members. Name at most {MOST}.")
    sizes = {name: value for name, value in options.items() if name in SIZES}
    members: Members = {}
    profiles: dict[str, Profile] = {}
    for each in given:
        label, name, own = _entry(method, each)
        if label in members:
            raise ModelError(f"{method} has two members {label!r}. Give one of them a label of its own.")
        members[label] = (name, own)
        profiles[label] = profile = profile_of(name, {**sizes, **own})
        if profile.members:
            raise ModelError(f"{method} cannot have {name} as a member, which has members itself. Name these instead.")
    chosen = {label: each.gene_selection for label, each in profiles.items() if "omics" in each.uses | each.takes}
    if len(set(chosen.values())) > 1:
        raise ModelError(
            f"{method} cannot have {' and '.join(chosen)} as members, which choose genes each in another way. Take "
            "members that choose alike."
        )
    return Joined(members, profiles)


def _entry(method: str, given: object) -> tuple[str, str, dict[str, object]]:
    """Label, method and options."""
    if isinstance(given, str):
        return given, given, {}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ModelError(f"{method} has a member {given!r}. Give a method's name, or {{name: ..., option: value}}.")
    own = {str(key): value for key, value in given.items() if key not in ("name", "label")}
    if strange := sorted(SIZES & set(own) | {"training"} & set(own)):
        raise ModelError(f"{method} cannot change {strange[0]} of its member {given['name']}. Take it out.")
    return str(given.get("label") or given["name"]), given["name"], own
