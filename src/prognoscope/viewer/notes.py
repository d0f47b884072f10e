"""What people who look at slides write down, kept in the run as one file that is always whole."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from prognoscope.core.claims import CLAIM, ClaimedError, claimed
from prognoscope.core.errors import InputError
from prognoscope.core.files import read_json, write_fault, write_json

LONGEST = 4000  # letters of a note
MOST = 10_000  # notes of a run
PATIENCE_S = 5.0  # for which another process that writes is waited for
PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Note:
    """One note: on a patient, or on a place of a slide."""

    id: str
    patient: str
    text: str
    written: str  # UTC, ISO 8601
    by: str = ""
    slide: str = ""
    x: float | None = None  # level-0 pixels
    y: float | None = None


class Notes:
    """The notes of a run. Adding and removing are safe in several tabs, threads and processes at once."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()

    def read(self) -> list[Note]:
        """All of them, in the order in which they were written.

        Raises:
            InputError: The file is damaged; it is never written over then.
        """
        if not self.path.is_file():
            return []
        told = read_json(self.path, "The file of notes", "")
        known = {each.name for each in fields(Note)}
        try:
            notes = (told if isinstance(told, dict) else {})["notes"]  # a KeyError for any other JSON
            return [Note(**{name: value for name, value in each.items() if name in known}) for each in notes]
        except (KeyError, TypeError, AttributeError) as cause:
            raise InputError(
                f"{self.path} does not hold notes. Mend it or move it away; it is not written over."
            ) from cause

    def add(
        self, patient: str, text: str, *, by: str = "", slide: str = "", x: float | None = None, y: float | None = None
    ) -> Note:
        """Write a note down.

        Raises:
            InputError: It is empty or too long, or the file is damaged.
        """
        text, by = text.strip(), by.strip()[:80]
        if not text:
            raise InputError("The note is empty. Write something first.")
        if len(text) > LONGEST:
            raise InputError(f"The note has {len(text)} letters, and {LONGEST} is the most. Make two of it.")
        note = Note(uuid4().hex, patient, text, datetime.now(UTC).isoformat(timespec="seconds"), by, slide, x, y)
        with self._alone():
            notes = self.read()
            if len(notes) >= MOST:
                raise InputError(f"{self.path} holds {MOST} notes already. Remove some first.")
            self._write([*notes, note])
        return note

    def remove(self, id: str) -> bool:
        """Take a note away; whether it was there."""
        with self._alone():
            notes = self.read()
            left = [note for note in notes if note.id != id]
            if len(left) < len(notes):
                self._write(left)
        return len(left) < len(notes)

    def _write(self, notes: list[Note]) -> None:
        write_json(self.path, {"version": 1, "notes": [asdict(note) for note in notes]})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        until = time.monotonic() + PATIENCE_S
        with self._lock, ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(claimed(self.path.with_name(f".notes{CLAIM}"), "notes are written"))
                    break
                except ClaimedError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(PAUSE_S)
                except OSError as cause:
                    raise write_fault(self.path, cause) from cause
            yield
