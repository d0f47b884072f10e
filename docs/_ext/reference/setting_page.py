"""The reference of the study file, from the schema that editors get."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from prognoscope.study.schema import study_schema
from reference.markdown import escaped, table
from reference.setting_words import WORDS

NAMES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": ""}
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
Node = dict[str, Any]


def setting_page() -> str:
    """The page in Markdown: a section for each part of the file."""
    schema = described_schema()
    seen: dict[int, str] = {}
    parts = [
        "# The study file",
        "One YAML file describes a study; `prognoscope init` writes a commented one. All paths are relative to the "
        "file, an unknown key is an error that names the nearest known one, and every setting can be replaced on the "
        "command line: `--set training.epochs=30`. A default that is not given here is the method's or the machine's.",
        "Editors complete and check the file by its schema, which `prognoscope init` writes beside it: "
        "`# yaml-language-server: $schema=study.schema.json` in its first line leads to it.",
    ]
    for place, node in sections_of(schema):
        title = place or "The top of the file"
        if id(node) in seen:
            parts.append(f"## {title}\n\nAs [{seen[id(node)]}](#{_anchor(seen[id(node)])}).")
            continue
        seen[id(node)] = title
        rows = [
            (
                f"`{key}`",
                escaped(setting["description"]),
                _value(schema, place, key, setting),
                _default(node, key, setting),
            )
            for key, setting in node["properties"].items()
        ]
        about = escaped("\n\n".join(" ".join(p.split()) for p in node.get("description", "").split("\n\n")))
        parts += [f"## {title}", about if place else "", table(["key", "what it is", "value", "default"], rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def described_schema() -> Node:
    """The schema of a study file; where there are words for readers, settings are told with them."""
    schema = study_schema()
    for place, node in sections_of(schema):
        for key, setting in node["properties"].items():
            told = setting.get("description", "")
            words = WORDS.get(f"{place}.{key}".lstrip(".")) or WORDS.get(_general(place, key)) or told
            setting["description"] = words[:1].upper() + words[1:]
    return schema


def sections_of(schema: Node) -> Iterator[tuple[str, Node]]:
    """The parts of the file that have keys of their own, by their places: "", "cohort", "cohort.clinical" ..."""
    yield from _sections("", schema, schema)


def _sections(place: str, node: Node, schema: Node) -> Iterator[tuple[str, Node]]:
    yield place, node
    for key, setting in node["properties"].items():
        for end, inner in _objects(schema, setting):
            yield from _sections(f"{place}.{key}{end}".lstrip("."), inner, schema)


def _objects(schema: Node, node: Node) -> list[tuple[str, Node]]:
    """The objects with keys that a value may be or hold; ".*" where they stand under names that the user gives."""
    node = _resolved(schema, node)
    if "properties" in node:
        return [("", node)]
    options = [*node.get("anyOf", []), *node.get("oneOf", []), *([node["items"]] if "items" in node else [])]
    found = [each for option in options for each in _objects(schema, option)]
    if isinstance(node.get("additionalProperties"), Mapping):
        found += [(f".*{end}", inner) for end, inner in _objects(schema, node["additionalProperties"])]
    return list({(end, id(inner)): (end, inner) for end, inner in found}.values())


def _resolved(schema: Node, node: Node) -> Node:
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _general(place: str, key: str) -> str:
    """Where the words of a method's own training are: with those of all trainings."""
    return f"{place}.{key}".removeprefix("methods.")


def _value(schema: Node, place: str, key: str, node: Node) -> str:
    """What a setting may be, or where its own keys are told."""
    inner = [f"{place}.{key}{end}".lstrip(".") for end, _ in _objects(schema, node)]
    links = ", ".join(f"[{each}](#{_anchor(each)})" for each in inner)
    return f"{'entries' if _is_list(schema, node) else 'keys'}, see {links}" if inner else _kind(schema, node)


def _kind(schema: Node, node: Node) -> str:
    """What a value may be, in words."""
    node = _resolved(schema, node)
    if options := node.get("anyOf") or node.get("oneOf"):
        return ", or ".join(dict.fromkeys(words for each in options if (words := _kind(schema, each))))
    if "enum" in node or "const" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    if node.get("type") == "array":
        inner = node.get("prefixItems")
        return (
            f"{len(inner)} of: {_kind(schema, inner[0])}"
            if inner
            else f"list of {_kind(schema, node.get('items', {}))}"
        )
    if node.get("type") == "object":
        return f"names, each with {_kind(schema, node.get('additionalProperties', {}))}"
    bounds = [f"{words} {node[name]:g}" for name, words in BOUNDS.items() if name in node]
    return ", ".join([NAMES.get(node.get("type", ""), "anything"), *bounds]) if node.get("type") != "null" else ""


def _is_list(schema: Node, node: Node) -> bool:
    node = _resolved(schema, node)
    return node.get("type") == "array" or any(_is_list(schema, each) for each in node.get("anyOf", []))


def _default(section: Node, key: str, setting: Node) -> str:
    if key in section.get("required", []):
        return "needed"
    default = setting.get("default")
    if default in (None, [], {}, "") or isinstance(default, dict):
        return ""
    text = yaml.safe_dump(default, default_flow_style=True, width=1000).splitlines()[0]
    return f"`{text}`"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))
