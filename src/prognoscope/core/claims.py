"""Claims: a file beside what is worked on says who works on it, so that two processes never do one thing at once."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from prognoscope.core.errors import InputError
from prognoscope.core.files import remove_leftovers, write_fault
from prognoscope.core.processes import age_s, is_gone, is_mark, mark_of_this_process

CLAIM = ".claim"  # the ending of a claim's name; the whole name, of a folder's
BEAT_S = 20.0  # between signs of life, which processes of other machines go by
WRITTEN_S = 10.0  # in which a claim that was begun is written
PAUSE_S = 0.02
LOOK_S = 0.5  # between two looks whether another has ended


class ClaimedError(InputError):
    """Another process works on it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works on something, and since when."""

    doing: str
    mark: str = field(default_factory=mark_of_this_process)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    since: float = field(default_factory=time.time)
    token: str = field(default_factory=lambda: uuid4().hex)

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since).strftime("%Y-%m-%d %H:%M")
        return f"{self.doing}, by process {self.pid} on {self.host} since {since}"


@contextmanager
def claimed(path: Path, doing: str, cure: str = "Wait until it has ended.", *, in_turn: bool = False) -> Iterator[None]:
    """Nobody else is inside this block with the same path, on this machine or on another that shares the folder.

    A claim whose process was killed is taken over: at once on the same machine, and when it has given no sign of life
    for ten minutes on another.

    Args:
        path: The claim's file; its folder is made.
        doing: What is done, for whoever is refused.
        in_turn: Wait while somebody does the same there.

    Raises:
        ClaimedError: Somebody is; tells who, since when, and the cure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = Claim(doing)
    while not _taken(path, mine):
        other = holder_of(path)
        if other is not None and not (in_turn and other.doing == doing):
            raise ClaimedError(f"{path.parent} is in use: {other}. {cure}")
        time.sleep(PAUSE_S if other is None else LOOK_S)
    ended = threading.Event()
    threading.Thread(target=_beat, args=(path, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        if _read(path) == mine:
            path.unlink(missing_ok=True)


def holder_of(path: Path) -> Claim | None:
    """Whose claim it is; None if it is nobody's, and then it is away or soon will be."""
    found = _read(path)
    if found is None:
        if age_s(path) > WRITTEN_S:  # whoever made it was killed before a word was written
            _remove(path, None)
        return None
    if not is_gone(found.mark, path):
        return found
    _remove(path, found)
    return None


def wait_for_one(claims: Sequence[Collection[Path]], on_wait: Callable[[], None] = lambda: None) -> None:
    """Wait until all claims of one of these are free.

    Args:
        on_wait: Called about twice a second.
    """
    while claims and all(any(map(holder_of, each)) for each in claims):
        time.sleep(LOOK_S)
        on_wait()


def tidy(folder: Path) -> None:
    """Delete what killed processes left in a folder: claims, and partial files in it and below."""
    remove_leftovers(folder)
    for path in folder.rglob(f".*{CLAIM}"):
        holder_of(path)


def _taken(path: Path, mine: Claim) -> bool:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(mine)))
    except OSError as cause:
        path.unlink(missing_ok=True)
        raise write_fault(path, cause) from cause
    return True


def _remove(path: Path, stale: Claim | None) -> None:
    """Delete a claim if it is still this one; one process at a time looks and deletes."""
    guard = path.with_name(f"{path.name}.guard")
    try:
        os.close(os.open(guard, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        if age_s(guard) > WRITTEN_S:  # whoever made it was killed in between
            guard.unlink(missing_ok=True)
        return
    try:
        if _read(path) == stale and (stale is not None or age_s(path) > WRITTEN_S):
            path.unlink(missing_ok=True)
    finally:
        guard.unlink(missing_ok=True)


def _read(path: Path) -> Claim | None:
    try:
        found = Claim(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if is_mark(found.mark) else None


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        with suppress(OSError):
            os.utime(path)
