"""Numbers, lists and commands in sentences."""

import os
import shlex
import subprocess
from collections.abc import Sequence

WITH_FOLLOW_UP = "with usable follow-up"  # the step of an account at which patients without it are left out


def count(n: int, singular: str, plural: str | None = None) -> str:
    """`1 patient`, `2 patients`."""
    return f"{n} {singular if n == 1 else plural or singular + 's'}"


def listed(items: Sequence[str], most: int = 5) -> str:
    """`a`, `a and b`, `a, b and c`, and beyond the most `a, b, c, d and 7 more`."""
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} more"]
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)


def typed(word: object) -> str:
    """A path or a name as it is typed into a shell: in quotes where it needs them."""
    return subprocess.list2cmdline([str(word)]) if os.name == "nt" else shlex.quote(str(word))
