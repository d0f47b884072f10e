"""Who was left out, at which step and why: the numbers of a CONSORT diagram."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pandas as pd

from prognoscope.core.errors import PrognoscopeError, some
from prognoscope.core.outcome import Outcome
from prognoscope.core.words import count


@dataclass(frozen=True, slots=True)
class Step:
    """How many patients there are after a step, and whom it left out."""

    name: str
    patients: int
    events: int
    dropped: Mapping[str, str] = field(default_factory=dict)  # patient -> reason; "" where the step's name says it


@dataclass(frozen=True, slots=True)
class Account:
    """Steps in order, with remarks on what was noticed without anybody being left out."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()  # remarks on what may spoil a result

    @property
    def dropped(self) -> dict[str, str]:
        """All patients who were left out -> the step and the reason."""
        steps = ((step, p, why) for step in self.steps for p, why in step.dropped.items())
        return {patient: f"{step.name}: {why}" if why else step.name for step, patient, why in steps}

    def then(
        self,
        name: str,
        outcome: Outcome,
        dropped: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
        warnings: Sequence[str] = (),
    ) -> "Account":
        """With one more step, after which these patients are left."""
        step = Step(name, len(outcome), int(outcome.event.sum()), dict(dropped or {}))
        return Account((*self.steps, step), (*self.notes, *notes), (*self.warnings, *warnings))

    @contextmanager
    def told_first(self) -> Iterator[None]:
        """Errors inside the block bring this account along as notes, for they often follow from who is left."""
        try:
            yield
        except PrognoscopeError as cause:
            for step in self.steps:
                lost = f"; {len(step.dropped)} left out: {some(step.dropped)}" if step.dropped else ""
                cause.add_note(f"{step.name}: {count(step.patients, 'patient')}, {count(step.events, 'event')}{lost}")
            for note in (*self.notes, *self.warnings):
                cause.add_note(note)
            raise

    def to_table(self) -> pd.DataFrame:
        """A row a step: step, patients, events, dropped (how many), who (names, joined by "; ")."""
        rows = [
            {
                "step": step.name,
                "patients": step.patients,
                "events": step.events,
                "dropped": len(step.dropped),
                "who": "; ".join(f"{p} ({why})" if why else p for p, why in step.dropped.items()),
            }
            for step in self.steps
        ]
        return pd.DataFrame(rows, columns=["step", "patients", "events", "dropped", "who"])
