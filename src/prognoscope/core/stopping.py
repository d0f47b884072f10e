"""Ending as after Ctrl-C when the system asks for it: what is begun is undone, what is finished stays."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ASKED = tuple(each for each in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")) if each is not None)


class Stopped(SystemExit):
    """The system asked this process to end; `code` is what it ends with, 128 and the number of the signal."""

    @property
    def signal(self) -> str:
        """The name of the signal."""
        return signal.Signals(int(self.code or 0) - 128).name


def _stop(number: int, _: object) -> None:
    raise Stopped(128 + number)


def stop_when_asked() -> None:
    """From now on SIGTERM and SIGHUP raise `Stopped`; one that is ignored, as by nohup, stays so."""
    for each in ASKED:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _stop)


@contextmanager
def stopping_when_asked() -> Iterator[None]:
    """The same inside the block; only the main thread can be asked."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in ASKED}
    stop_when_asked()
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
