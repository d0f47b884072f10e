"""A name that becomes that of a folder: a study's, a method's label."""

from typing import Annotated

from pydantic import AfterValidator, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"  # of what becomes the name of a folder
DEVICES = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)})
LONGEST = 100  # letters of a name; systems allow 255 bytes, of which a file that is being written needs some


def _fits_everywhere(name: str | None) -> str | None:
    """A name that any system takes for a folder, so that a run can be carried from one to another."""
    if name is None:
        return name
    if name.split(".")[0].lower() in DEVICES:
        raise ValueError(f"{name!r} is the name of a device on Windows, where no folder may have it; choose another")
    if name.endswith("."):
        raise ValueError(f"{name!r} ends in a dot, which Windows drops from the name of a folder; take it away")
    if len(name) > LONGEST:
        raise ValueError(f"{name[:20]!r}... has {len(name)} letters; {LONGEST} are the most")
    return name


FolderName = Annotated[str, Field(pattern=NAME), AfterValidator(_fits_everywhere)]
