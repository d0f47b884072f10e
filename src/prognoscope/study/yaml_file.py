"""A study file's text -> plain values, with the line of a fault; and single values set from outside."""

from pathlib import Path
from typing import Any

import yaml

from prognoscope.core.errors import StudyError
from prognoscope.core.yaml_text import parse_yaml, problem_of

MOST_BYTES = 2**20  # no study file is as long
WORD_OR_KEYS = frozenset({"protocol"})  # sections that a word may stand for, which a key then replaces


def read_yaml(path: Path) -> Any:
    """The values in a YAML file.

    Raises:
        StudyError: It is not YAML, or has a key twice; names the line.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise StudyError(f"{path} is longer than {MOST_BYTES:,} bytes, so it is no study file. Correct the path.")
    try:
        return parse_yaml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        raise StudyError(f"{path} is not UTF-8 text, see line {line}. Save it as plain text in UTF-8.") from cause
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise StudyError(f"{path}{line}, is not YAML: {problem_of(cause)}. Correct it there.") from cause
    except yaml.reader.ReaderError as cause:
        line = content.decode("utf-8-sig")[: cause.position].count("\n") + 1
        raise StudyError(f"{path}, line {line}, holds an unprintable character. Save it as plain text.") from cause
    except yaml.YAMLError as cause:
        raise StudyError(f"{path} is not YAML: {problem_of(cause)}. Correct it there.") from cause


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
        word = i == 0 and section in WORD_OR_KEYS and isinstance(values.get(section), str)
        if word or values.get(section) is None:  # absent, or a heading with nothing below it
            values[section] = {}
        values = values[section]
        if not isinstance(values, dict):
            place = ".".join(sections[: i + 1])
            raise StudyError(f"--set {override}: {place} holds no keys, so none can be set. Set {place} as a whole.")
    try:
        values[key] = parse_yaml(text)
    except yaml.YAMLError as cause:
        raise StudyError(
            f"--set {override}: the value is not YAML ({problem_of(cause)}). Mind its brackets."
        ) from cause
