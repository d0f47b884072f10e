"""What can go wrong, named by the part that noticed. Every message says what, where, and what to do."""

import re
from collections.abc import Iterable

SHOWN = 200
LONG = re.compile(r"\S{600,}")  # longer than any path
MOST_NAMES = 50  # that an error lists: as many as there are methods, not as there are genes


class PrognoscopeError(Exception):
    """The parent of all errors that Prognoscope raises on purpose."""

    def __str__(self) -> str:  # OSError would print an errno; a field of a damaged table may have a million letters
        return LONG.sub(lambda found: f"{found[0][:SHOWN]}...", str(self.args[0]) if self.args else "")


class InputError(PrognoscopeError, ValueError):
    """A value or a file's content that cannot be used; the command line ends with exit code 2."""


class StudyError(InputError):
    """A study file that does not say what it must."""


class CohortError(InputError):
    """Patients, outcomes, splits or tables that do not fit together."""


class OmicsError(InputError):
    """A gene table or a list of gene groups that cannot be used."""


class SlideError(InputError):
    """A slide that cannot be opened, read or measured."""


class FeatureError(InputError):
    """Embeddings that cannot be made, read or combined."""


class ModelError(InputError):
    """A method, an option or a checkpoint that does not exist or does not fit."""


class MetricError(InputError):
    """A number that is not defined on these patients."""


class TrainingError(PrognoscopeError, RuntimeError):
    """A training that cannot go on, for example because its loss is not finite."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that the user named and that is not there."""


class DiskFullError(PrognoscopeError, OSError):
    """A file that could not be written for want of space; nothing of it is left."""


class UnwritableError(PrognoscopeError, OSError):
    """A file that could not be written for another reason; nothing of it is left."""


def some(items: Iterable[object], most: int = 5) -> str:
    """At most `most` of the items as text, and how many more there are."""
    items = [str(item) for item in items]
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def nearest(name: str, known: Iterable[str]) -> str:
    """A half sentence that names the known name closest to `name` in whatever letters, or the known names.

    A name of three letters in a longer word, such as age in stage, is no slip of the pen.
    """
    from difflib import get_close_matches

    known, name = sorted(known), str(name).lower()
    near = [each for each in known if len(name) > 3 or len(each) <= len(name) + 1 or each.lower().startswith(name)]
    lower = {each.lower(): each for each in near}
    close = get_close_matches(name, lower, n=1, cutoff=0.6)
    return f"did you mean {lower[close[0]]!r}?" if close else f"known: {some(known, MOST_NAMES)}."
