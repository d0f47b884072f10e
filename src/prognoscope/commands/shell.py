"""How every command ends: in what it was asked for, or in one sentence and an exit code."""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from io import TextIOWrapper

import typer
from rich.console import Console
from rich.markup import escape

from prognoscope.commands.terminal import log_shown, misuse_sentence
from prognoscope.core.errors import PrognoscopeError
from prognoscope.core.faults import BAD_INPUT, describe
from prognoscope.core.file_names import need_utf8
from prognoscope.core.stopping import Stopped, stopping_when_asked

PIPED = 160  # columns where nobody looks at a screen
STOPPED = 130  # the exit code after Ctrl-C
# what Typer raises for wrong arguments; its module depends on Typer's version
Misuse: type[Exception] = typer.BadParameter.__mro__[2]
is_seen = sys.stdout is not None and sys.stdout.isatty()  # a process without a terminal may have been given no output
out = Console(width=None if is_seen or "COLUMNS" in os.environ else PIPED)
err = Console(stderr=True)
is_debugging: ContextVar[bool] = ContextVar("is_debugging", default=False)


def run_command(app: typer.Typer, arguments: Sequence[str] | None) -> None:
    """Run a command and end the process.

    Errors are one sentence on stderr, exit code 2 for bad input and 1 for a failure.

    Args:
        app: All commands.
        arguments: What follows `prognoscope`; by default what was typed.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debugs, is_verbose = "--debug" in arguments, "--verbose" in arguments
    is_debugging.set(debugs)
    arguments = [each for each in arguments if each not in ("--debug", "--verbose")] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without dashes shows a question mark instead
    by = ""
    level = logging.DEBUG if debugs else logging.INFO if is_verbose else logging.WARNING
    try:
        with log_shown(level), stopping_when_asked():
            for each in (*arguments, _here()):
                need_utf8(each)
            code = app(arguments, prog_name="prognoscope", standalone_mode=False)
    except Misuse as error:
        code = _complain(misuse_sentence(error), BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except Stopped as stopped:
        code, by = int(stopped.code or STOPPED), f" by {stopped.signal}"
    except Exception as error:  # noqa: BLE001 - the outermost place: whatever reaches it gets a sentence and a code
        if debugs:
            traceback.print_exception(error)
        for note in getattr(error, "__notes__", ()) if isinstance(error, PrognoscopeError) else ():
            out.print(f"  {escape(note)}", highlight=False, soft_wrap=True)
        code = _complain(*describe(error))
    if code == STOPPED or by:
        err.print(f"Stopped{by}. What was finished is kept; the same command continues.", soft_wrap=True)
    sys.exit(code if isinstance(code, int) else 0)


def _here() -> str:
    with suppress(OSError):  # it was removed
        return os.getcwd()
    return ""


def _complain(sentence: str, code: int) -> int:
    err.print(f"[bold red]error:[/] {escape(sentence)}", highlight=False, soft_wrap=True)
    return code
