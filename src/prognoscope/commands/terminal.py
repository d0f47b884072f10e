"""What a terminal shows: tables that can be read at any width, bars that tell how far something is, a log."""

import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from prognoscope.study.clock import Standing

FOLD_AT, MOST_FOLDED = 24, 40  # characters that a column of text keeps in one line; the longest word it need not break
GAP = 2  # blanks between columns
BETWEEN_LINES_S = 60.0  # of progress where there is no screen
NUMBER = re.compile(r"[-+<\u2212\u2013\d.,%]*( \([-+\u2212\d.,]+ to [-+\u2212\d.,]+\))?( \u00b1 [\d.]+( \w+)?)?")


def print_table(console: Console, title: str, table) -> None:
    """Print a DataFrame so that it can be read at any width: text folds between words, numbers never do.

    Headers fold too where they must; what still does not fit is left out from the right, and said.
    """
    columns = {str(n): [_shown(value, 4 if str(n).startswith("p_") else 3) for value in table[n]] for n in table}
    numbers = {name for name, cells in columns.items() if all(map(NUMBER.fullmatch, cells))}
    widths = {name: max(map(len, cells), default=0) for name, cells in columns.items()}
    headers = {name: name for name in columns}
    if _total(max(len(name), width) for name, width in widths.items()) > console.width:
        headers = {name: _folded(name, min(width, MOST_FOLDED)) for name, width in widths.items()}
    least = {}
    for name, cells in columns.items():
        word = min(MOST_FOLDED, max((len(word) for cell in cells for word in cell.split()), default=0))
        body = widths[name] if name in numbers else min(widths[name], max(FOLD_AT, word))
        least[name] = max(body, *map(len, headers[name].split("\n")))
    left_out = []
    while len(least) > 2 and _total(least.values()) > console.width:
        left_out.insert(0, least.popitem()[0])
    shown = Table(header_style="bold", box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    is_cramped = _total(least.values()) > console.width  # so that text folds wherever it must
    for name, width in least.items():
        justify = "right" if name in numbers else "left"
        floor = None if is_cramped and name not in numbers else width
        is_whole = floor is not None and widths[name] <= floor
        shown.add_column(escape(headers[name]), justify=justify, no_wrap=is_whole, min_width=floor, overflow="fold")
    for row in zip(*(columns[name] for name in least), strict=True):
        shown.add_row(*map(escape, row))
    console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
    console.print(shown)
    if left_out:
        console.print(f"[dim]Too narrow to show: {escape(', '.join(left_out))}.[/]", highlight=False)
    console.print()


def _total(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + GAP * (len(widths) - 1)


def _shown(value: object, digits: int) -> str:
    if isinstance(value, float) and value == value:
        return f"{value:.{digits}f}"
    return "" if value is None or value != value else str(value)


def _folded(header: str, width: int) -> str:
    """The header on as few lines as possible of the width of its cells, or of its longest word."""
    lines, width = [""], max([width, *map(len, header.split())])
    for word in header.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


@contextmanager
def log_shown(level: int) -> Iterator[None]:
    """What the package logs from this level on, shown on stderr inside the block."""
    log, handler = logging.getLogger("prognoscope"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    before = log.level
    handler.setLevel(level)  # of its own, because a run keeps more of it in a file
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextmanager
def bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for things that take about as long as each other; a line a minute where nobody looks at a screen."""
    if not _is_screen(console):
        lines = _Lines(console, title)
        yield lambda done, total: lines.tell(f"{done} of {total}")
        return
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class RunBar:
    """A bar for a run, whose pieces differ in cost: it knows itself how far it is and what is left."""

    def __init__(self, console: Console):
        columns = [BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}")]
        columns.append(TextColumn("{task.description}", markup=False))
        self._progress = Progress(*columns, console=console, transient=True, disable=not _is_screen(console))
        self._task = self._progress.add_task("Preparing", total=None, left="")
        self._lines = _Lines(console, "Run")

    def __enter__(self) -> "RunBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, now: "Standing") -> None:
        """Show where the run stands."""
        left = "" if now.left_s is None else f"{_duration(now.left_s)} left"
        self._progress.update(self._task, completed=now.share, total=1.0, description=now.doing, left=left)
        if self._progress.disable:
            self._lines.tell(", ".join(each for each in (f"{now.share:.0%} done", left, now.doing) if each))

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nothing is shown inside the block, where there is another bar."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


def _is_screen(console: Console) -> bool:
    """Whether somebody may be looking; a log file is none, even if it was told to take colours."""
    return console.is_interactive and console.file.isatty()


class _Lines:
    """Progress as plain lines, one a minute at most, for log files; what is done within a minute needs none."""

    def __init__(self, console: Console, title: str):
        self.console, self.title, self.told_at = console, title, time.monotonic()

    def tell(self, text: str) -> None:
        """Write it, if a minute has gone by."""
        if time.monotonic() - self.told_at >= BETWEEN_LINES_S:
            self.told_at = time.monotonic()
            self.console.file.write(f"{time.strftime('%H:%M')} {self.title}: {text}\n")
            self.console.file.flush()


def _duration(seconds: float) -> str:
    """As precise as an estimate is."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def misuse_sentence(error: Any) -> str:
    """What was typed wrong, and where the right way is described."""
    message = error.format_message().strip().rstrip(".")
    context = getattr(error, "ctx", None)
    end = "" if message.endswith("?") else "."
    return f"{message}{end} See `{context.command_path if context else 'prognoscope'} --help`."
