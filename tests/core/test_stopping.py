"""A process that is asked to end undoes what it has begun, however often it is asked."""

import os
import signal
import sys
import time

import pytest

from prognoscope.core.stopping import Stopped, stopping_when_asked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals end a process there")


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.01)


def test_what_is_begun_is_undone_though_it_is_asked_again_meanwhile():
    before, undone = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(Stopped) as stopped, stopping_when_asked():
        try:
            ask()
        finally:
            ask()
            undone.append("all")
    assert undone == ["all"] and stopped.value.signal == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before
