"""Ending as after Ctrl-C when the system asks for it: what is begun is undone, what is finished stays."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ASKED = tuple(each for each in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")) if each is not None)


class Stopped(SystemExit):
    """The system asked this process to end; `code` is what it ends with, 128 and the number of the signal."""

    @property
    def signal(self) -> str:
        """The name of the signal."""
        return signal.Signals(int(self.code or 0) - 128).name


def _stop(number: int, _: object) -> None:
    for each in ASKED:  # asked again, while it undoes what is begun, it goes on with that
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(128 + number)


def _leave(number: int, _: object) -> None:
    os._exit(128 + number)


def leave_when_asked() -> None:
    """From now on SIGTERM and SIGHUP end this process at once and without a word, for it has begun nothing."""
    _answer(_leave)


def _answer(how: Callable[[int, object], None]) -> None:
    for each in ASKED:
        if signal.getsignal(each) is not signal.SIG_IGN:  # as by nohup
            signal.signal(each, how)


@contextmanager
def stopping_when_asked() -> Iterator[None]:
    """Inside the block SIGTERM and SIGHUP raise `Stopped`; one that is ignored, as by nohup, stays so.

    Only the main thread can be asked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in ASKED}
    _answer(_stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
