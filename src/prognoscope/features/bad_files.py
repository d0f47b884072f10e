"""What is wrong with embedding files: one sentence for a file, one for all that have the same fault."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from prognoscope.core.errors import FeatureError, some
from prognoscope.core.words import count

AGAIN = "Extract this slide again, or get the file again."


class BadFileError(FeatureError):
    """An embedding file that cannot be used.

    Args:
        what: The kind of fault, as a noun or a clause that is the same for all files that have it.
        cure: What to do, as a sentence.
        detail: What is true of this file alone.
    """

    def __init__(self, path: Path | str, what: str, cure: str = AGAIN, detail: str = ""):
        super().__init__(f"{path} cannot be used: {what}{f' ({detail})' if detail else ''}. {cure}")
        self.path, self.what, self.cure, self.detail = str(path), what, cure, detail

    def __reduce__(self):  # an exception is pickled by what its parent was given
        return type(self), (self.path, self.what, self.cure, self.detail)


class BlockedFileError(BadFileError):
    """A file that may be whole but cannot be opened now: locked, or not allowed."""


def fault_sentences(faults: Mapping[str, BadFileError], of: int) -> list[str]:
    """A sentence for each kind of fault: how many of all files have it, the names of some, and the cure.

    Args:
        faults: Slide -> what is wrong with its file.
        of: How many files there are.
    """
    kinds: dict[tuple[str, str], list[BadFileError]] = {}
    for fault in faults.values():
        kinds.setdefault((fault.what, fault.cure), []).append(fault)
    return [
        f"{len(those)} of {count(of, 'embedding file')} cannot be used: {what} in {_places(those)}. {cure}"
        for (what, cure), those in kinds.items()
    ]


def _places(faults: Sequence[BadFileError]) -> str:
    """The files by their path within the folder that all are in."""
    if len(faults) == 1:
        folder, names = "", [faults[0].path]
    else:
        folder = os.path.commonpath([os.path.dirname(fault.path) for fault in faults])
        names = [os.path.relpath(fault.path, folder) for fault in faults]
        folder = f"{folder}: "
    told = (f"{name} ({fault.detail})" if fault.detail else name for name, fault in zip(names, faults, strict=True))
    return folder + some(told)
