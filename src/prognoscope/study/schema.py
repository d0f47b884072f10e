"""A JSON schema of study.yaml, by which editors complete its keys and mark what is wrong while it is written."""

import inspect
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from prognoscope.core.files import need_ours, write_text
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import list_models
from prognoscope.study.method_groups import GROUPS
from prognoscope.study.sections import RecipeChanges
from prognoscope.study.spec import StudySpec
from prognoscope.study.wording import inner_kinds, keys_of

FILE = "study.schema.json"
TITLE = "A study of Prognoscope"
COMMENT = re.compile(r"^    (\w+): .*?  # (.+)$", re.MULTILINE)


def study_schema() -> dict[str, Any]:
    """The schema: the annotations of the settings, told with the comments beside them."""
    schema = StudySpec.model_json_schema()
    sections = {kind.__name__: kind for kind in _sections(StudySpec)}
    for name, section in {"StudySpec": schema, **schema["$defs"]}.items():
        told = _comments(sections[name]) if name in sections else {}
        section.pop("title", None)
        for key, value in section.get("properties", {}).items():
            section["properties"][key] = _property(value, told.get(key), key in section.get("required", ()))
    methods = schema["properties"]["methods"]
    known = {"enum": [*list_models(), *GROUPS]}
    one = {"anyOf": [known, methods["items"]]}
    methods |= {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    for key in ("items", "minItems", "type"):
        methods.pop(key, None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": TITLE, **schema}


def write_schema(folder: Path | str) -> Path:
    """Write the schema into a folder, where a study file's first line finds it."""
    path = Path(folder) / FILE
    need_ours(path, f'"title": "{TITLE}"', cure="Move it away first.")
    write_text(path, json.dumps(study_schema(), indent=1) + "\n")
    return path


def _property(schema: dict[str, Any], comment: str | None, is_required: bool) -> dict[str, Any]:
    """With its comment; what need not be given may be given without a value."""
    schema = {key: value for key, value in schema.items() if key != "title"}
    if comment is not None:
        schema["description"] = comment
    if is_required or {"type": "null"} in schema.get("anyOf", ()):
        return schema
    outside = {key: schema.pop(key) for key in ("default", "description") if key in schema}
    return {"anyOf": [*schema.pop("anyOf", [schema] if schema else [{}]), {"type": "null"}], **outside}


def _sections(kind: type) -> list[type]:
    return [
        kind,
        *(each for hint in keys_of(kind).values() for inner in inner_kinds(hint) for each in _sections(inner)),
    ]


@cache
def _comments(kind: type) -> dict[str, str]:
    """What the source says beside each key, the parents' first."""
    found: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        try:
            found |= dict(COMMENT.findall(inspect.getsource(Recipe if parent is RecipeChanges else parent)))
        except (OSError, TypeError):  # it is not ours, or the package is installed without sources
            continue
    return found
