"""A study file's text -> plain values, with the line of a fault; and single values set from outside."""

import re
from pathlib import Path
from typing import Any

import yaml

from prognoscope.core.errors import StudyError


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key twice, of which the first would be lost in silence, and reads 1e-4 as a number."""

    def construct_mapping(self, node, deep=False):
        lines: dict[str, int] = {}
        for key, _ in getattr(node, "value", ()):
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines and name != "<<":
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {name!r} is there already in line {lines[name]}", problem_mark=key.start_mark
                )
            lines[name] = line
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_Loader.yaml_implicit_resolvers = {  # dates stay text: a study has none, and some that look like one do not exist
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """The values in a YAML file.

    Raises:
        StudyError: It is not YAML, or has a key twice; names the line.
    """
    content = path.read_bytes()
    try:
        return parse_yaml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        raise StudyError(f"{path} is not UTF-8 text, see line {line}. Save it as plain text in UTF-8.") from cause
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise StudyError(f"{path}{line}, is not YAML: {_problem(cause)}. Correct it there.") from cause
    except yaml.YAMLError as cause:
        raise StudyError(f"{path} is not YAML but holds unprintable characters. Save it as plain text.") from cause


def parse_yaml(text: str) -> Any:
    """The values in YAML text.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    return yaml.load(text, Loader=_Loader)  # a SafeLoader


def set_value(values: dict[str, Any], override: str) -> None:
    """Put `section.key=value`, the value in YAML, into nested values.

    Raises:
        StudyError: It is not of that form, or the section is a value.
    """
    name, separator, text = override.partition("=")
    *sections, key = name.strip().split(".")
    if not separator or not all([*sections, key]):
        raise StudyError(f"--set wants section.key=value, such as training.epochs=10, not {override!r}.")
    for i, section in enumerate(sections):
        if values.get(section) is None:  # absent, or a heading with nothing below it
            values[section] = {}
        values = values[section]
        if not isinstance(values, dict):
            place = ".".join(sections[: i + 1])
            raise StudyError(f"--set {override}: {place} holds no keys, so none can be set. Set {place} as a whole.")
    try:
        values[key] = parse_yaml(text)
    except yaml.YAMLError as cause:
        raise StudyError(f"--set {override}: the value is not YAML ({_problem(cause)}). Mind its brackets.") from cause


def _problem(cause: yaml.YAMLError) -> str:
    problem = str(getattr(cause, "problem", None) or getattr(cause, "reason", None) or "it cannot be read")
    if "'\\t'" in problem:
        return "a line begins with a tab, where YAML wants blanks"
    if "mapping values are not allowed" in problem:
        return "a colon where none may be; put text with a colon in quotes, and check the indentation"
    return problem.replace("<", "").replace(">", "")
