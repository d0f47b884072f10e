"""Commands in processes of their own, which can be killed: forked from a server that has imported all they need."""

import os
from collections.abc import Callable
from contextlib import redirect_stdout
from multiprocessing import get_context
from multiprocessing.process import BaseProcess


def begin(function: Callable[..., object], *arguments: object) -> BaseProcess:
    """A process that calls a function, which it finds by name; its id is also that of its group of processes."""
    process = get_context("forkserver").Process(target=_call, args=(function, arguments))
    process.start()
    return process


def _call(function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    os.setsid()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        function(*arguments)


def run_bare(*arguments: str) -> None:
    """`prognoscope` with these arguments, whose pages have no section."""
    from prognoscope import cli
    from tests.sketches import bare_pages

    with bare_pages():
        cli.main(list(arguments))
