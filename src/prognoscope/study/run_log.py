"""The log of a run, kept in its folder: what was begun, ended, warned of and failed, and when."""

import logging
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

from prognoscope.core.claims import Claim, ClaimedError, claimed, holder_of
from prognoscope.core.errors import InputError
from prognoscope.core.faults import describe
from prognoscope.core.processes import mark_of_this_process
from prognoscope.core.stopping import Stopped
from prognoscope.runs.layout import RunFiles

FIRST_LINE = "The log of a run of Prognoscope"
CURE = "Wait until it has ended, end it (what is finished is kept), or choose another folder with --out."
log = logging.getLogger(__name__)


class _Keeper(logging.FileHandler):
    """Writes to the file, and says nothing where it cannot: whoever writes results will."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


Turns = Callable[[], AbstractContextManager[None]]


@contextmanager
def at_work(folder: Path, *, shares: bool = False) -> Iterator[Turns]:
    """Nobody else works on the run inside this block, and what the package logs goes to the run's `log.txt` too.

    A run whose input is refused before it has begun leaves nothing behind.

    Args:
        shares: Others that share the run may work on it as well.

    Yields:
        What gives the blocks that only one of those who share the run is in at a time.

    Raises:
        ClaimedError: Another process works on it.
    """
    files, was_there = RunFiles(folder), folder.is_dir()
    try:
        with _shared(files) if shares else _alone(files) as turn:
            try:
                with _kept(files.log), _ending_told():
                    yield turn
            except InputError:
                if not files.study.is_file():
                    files.log.unlink(missing_ok=True)
                raise
    finally:
        if not was_there:
            with suppress(OSError):  # something is in it
                folder.rmdir()


@contextmanager
def _alone(files: RunFiles) -> Iterator[Turns]:
    with claimed(files.claim, "`prognoscope run`", CURE):
        if others := sharers(files):
            raise ClaimedError(
                f"{files.folder} is in use: {others[0]}. Join it with --share, or wait until all of these have ended."
            )
        yield nullcontext


@contextmanager
def _shared(files: RunFiles) -> Iterator[Turns]:
    doing = "`prognoscope run --share`"
    with claimed(files.sharer(mark_of_this_process()), doing):
        yield partial(claimed, files.claim, doing, CURE, in_turn=True)


def sharers(files: RunFiles) -> list[Claim]:
    """Who shares the folds of a run, this process too if it does."""
    found = (holder_of(path) for path in sorted(files.folder.glob(files.sharer("*").name)))
    return [claim for claim in found if claim is not None]


@contextmanager
def _ending_told() -> Iterator[None]:
    log.info("begun by prognoscope %s, process %d on %s", version("prognoscope"), os.getpid(), platform.node())
    try:
        yield
    except (KeyboardInterrupt, Stopped) as stopped:
        log.info("stopped by %s", stopped.signal if isinstance(stopped, Stopped) else "Ctrl-C")
        raise
    except Exception as error:  # whatever it is, it is only told here, and goes on
        log.info("ended by an error: %s", describe(error)[0])
        raise
    log.info("finished")


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    if not path.is_file() or not path.stat().st_size:
        path.write_text(f"{FIRST_LINE}; times are local.\n", encoding="utf-8")
    ours, handler = logging.getLogger("prognoscope"), _Keeper(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.INFO)
    before = ours.level
    ours.addHandler(handler)
    ours.setLevel(min(ours.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(before)
        handler.close()
