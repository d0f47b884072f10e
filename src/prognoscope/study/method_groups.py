"""What stands for many methods in a study's list of them: `all`, `all:slides`, `all:genes`, `all:both`."""

from collections.abc import Mapping, Sequence

from prognoscope.core.errors import nearest
from prognoscope.models.registry import list_models, profile_of

GROUPS = {  # what a cohort must have of its patients for the group to mean anything
    "all": (),
    "all:slides": ("bag",),
    "all:genes": ("omics",),
    "all:both": ("bag", "omics"),
}


def entries_of(listed: Sequence[object]) -> list[object]:
    """A list of methods with every group replaced by its methods, each marked with the group as `of`.

    A method is not repeated: an entry of its own, with options perhaps, goes before a group's.

    Raises:
        ValueError: There is no such group.
    """
    titles = {str(each.get("label") or each.get("name") if isinstance(each, Mapping) else each) for each in listed}
    entries = []
    for each in listed:
        if not (isinstance(each, str) and (each == "all" or each.startswith("all:"))):
            entries.append(each if isinstance(each, Mapping) else {"name": each})
            continue
        names = [name for name in methods_of(each) if name not in titles]
        titles.update(names)
        entries += [{"name": name, "of": each} for name in names]
    return entries


def methods_of(group: str) -> list[str]:
    """The methods that a group stands for, in alphabetical order.

    "both" are methods that learn from slides and genes, also where they predict from slides alone.

    Raises:
        ValueError: There is no such group; the nearest is named.
    """
    if group not in GROUPS:
        raise ValueError(f"there is no group of methods {group!r}; {nearest(group, GROUPS)}")
    return [name for name in list_models() if group in ("all", f"all:{_kind(name)}")]


def _kind(name: str) -> str:
    profile = profile_of(name)
    uses = profile.uses & {"bag", "omics"}
    if uses == {"omics"}:
        return "genes"
    return "slides" if uses == {"bag"} else "both"
