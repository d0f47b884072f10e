"""What a result was made of, part by part, so that two can be told apart and the difference named."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from prognoscope.core.errors import some
from prognoscope.core.files import digest
from prognoscope.core.words import count

PEOPLE = "outcomes"  # the part whose patients are all there are
SUM = "sum "  # begins what stands for a content; anything else says it in words


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Name of a part -> what stands for its content: words, a sum, or a sum for each patient."""

    parts: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)

    @property
    def brief(self) -> "Fingerprint":
        """The same with one sum in the place of all patients' own."""
        return Fingerprint({name: _brief(part) for name, part in self.parts.items()})

    def only(self, names: Collection[str]) -> "Fingerprint":
        """These of its parts."""
        return Fingerprint({name: part for name, part in self.parts.items() if name in names})

    def with_parts(self, parts: Mapping[str, str | Mapping[str, str]]) -> "Fingerprint":
        """The same and these parts."""
        return Fingerprint({**self.parts, **parts})

    def detailed(self, by_patient: "Fingerprint") -> "Fingerprint":
        """The same with sums by patient where another one has them, and they are of the same content."""
        found = {n: p for n, p in by_patient.parts.items() if n in self.parts and _brief(p) == self.parts[n]}
        return Fingerprint({**self.parts, **found})

    def differences(self, then: "Fingerprint") -> list[str]:
        """What is not as it was then, of the parts that both have, in words; empty if nothing is."""
        said, new, gone = [], set(), set()
        people, before = self.parts.get(PEOPLE), then.parts.get(PEOPLE)
        if isinstance(people, Mapping) and isinstance(before, Mapping):
            new, gone = set(people) - set(before), set(before) - set(people)
        said += [f"{count(len(new), 'patient')} came in ({some(sorted(new))})"] if new else []
        said += [f"{count(len(gone), 'patient')} gone ({some(sorted(gone))})"] if gone else []
        for name, now in self.parts.items():
            if name in then.parts and _brief(now) != _brief(then.parts[name]):
                said += _difference(name, then.parts[name], now, new | gone)
        return said


def sum_of(value: object) -> str:
    """What stands for a JSON-able value in a fingerprint."""
    return SUM + digest(value)


def _brief(part: str | Mapping[str, str]) -> str:
    return part if isinstance(part, str) else sum_of(dict(part))


def _difference(name: str, then: str | Mapping[str, str], now: str | Mapping[str, str], moved: set[str]) -> list[str]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        changed = [patient for patient in {**then, **now} if then.get(patient) != now.get(patient)]
        named = [patient for patient in changed if patient not in moved]
        return [f"the {name} of {count(len(named), 'patient')} ({some(named)})"] if named else []
    if isinstance(then, str) and isinstance(now, str) and not any(each.startswith(SUM) for each in (then, now)):
        return [f"the {name} ({then or 'none'} then, {now or 'none'} now)"]
    return [] if moved else [f"the {name}"]
