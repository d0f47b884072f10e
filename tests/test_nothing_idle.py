"""Whatever stands in the package is called by the package: nothing waits for a use that never comes."""

import re
from functools import cache
from pathlib import Path

from vulture import Vulture
from vulture.core import Item

import prognoscope

ROOT = Path(prognoscope.__file__).parent
TEXT = {path: path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")}
NAMED = {name for text in TEXT.values() for name in re.findall(r':(\w+)"', text)}  # in a registry
CALLED_BY_LIBRARIES = {
    "cli.py": "Typer, by its decorators",
    "estimator.py": "people and scikit-learn",
    "method_section.py": "pydantic, by its decorators",
    "spec.py": "likewise",
}
KEPT = {
    "__getattr__": "Python asks a module for it",
    "__dir__": "likewise",
    "exact_plan": "the plan itself, which published numbers are held against; networks apply it without making it",
    "handleError": "logging calls it where a line cannot be written",
    "queue": "a group's earlier patients, which published numbers are held against",
    "rebuild_anchor": "named in the sentence that a checkpoint without its anchor is met with",
    "sinkhorn_plan": "as exact_plan",
}
PUBLIC = set(prognoscope.__all__)
STUDY = {"check", "extract", "plan", "run"}  # of Study, whose methods people call


@cache
def unused() -> list[Item]:
    vulture = Vulture()
    vulture.scavenge([str(ROOT)])
    return vulture.get_unused_code(min_confidence=60)


def idle() -> list[str]:
    found = []
    for item in unused():
        path = Path(item.filename)
        in_a_place = path.name in CALLED_BY_LIBRARIES
        if not in_a_place and item.name not in {*NAMED, *KEPT, *PUBLIC, *STUDY}:
            found.append(f"{path.relative_to(ROOT)}:{item.first_lineno} {item.name}")
    return found


def test_every_name_has_a_caller():
    assert not idle()


def test_no_allowance_outlives_its_reason():
    names = {item.name for item in unused()}
    assert set(KEPT) <= names, f"these have callers now: {set(KEPT) - names}"
