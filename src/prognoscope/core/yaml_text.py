"""YAML text -> plain values: bounded, and without the readings of YAML 1.1 that nobody means."""

import re
from typing import Any, NoReturn

import yaml
from yaml.constructor import ConstructorError

DEEPEST, MOST_NODES, LONGEST_INT = 40, 20_000, 18  # far beyond any study
WORDS = re.compile(r"(?i)^(yes|no|on|off)$")
AS_BOOL = {"yes": "true", "on": "true", "no": "false", "off": "false"}
SEXAGESIMAL = re.compile(r"^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$")
OCTAL = re.compile(r"^[-+]?0[0-9_]+$")
BACKSLASH = (
    "in double quotes a backslash begins an escape, which spoils Windows paths; write / instead, or use single quotes"
)


class _Loader(yaml.SafeLoader):
    """Safe YAML, held to what a study file may be.

    A key twice is refused, of which the first would be lost in silence; 1e-4 is a number; aliases may not multiply
    beyond bounds; whatever reads as another value than it looks like is refused with its line.
    """

    def __init__(self, text: str):
        super().__init__(text)
        self.depth = self.nodes = 0
        self.sizes: dict[int, int] = {}  # of finished nodes, with all that they hold, by identity

    def compose_node(self, parent, index):
        event = self.peek_event()
        is_alias = isinstance(event, yaml.AliasEvent)
        if not is_alias and getattr(event, "tag", None) not in (None, "!"):
            _refuse(f"the tag {event.tag.replace('tag:yaml.org,2002:', '!!')[:60]}, which has no place here", event)
        before, self.depth = self.nodes, self.depth + 1
        if self.depth > DEEPEST:
            _refuse(f"more than {DEEPEST} levels, one in the other", event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if is_alias and id(node) not in self.sizes:
            _refuse("an alias inside of what it stands for", event)
        self.nodes += self.sizes[id(node)] if is_alias else 1
        if self.nodes > MOST_NODES:
            _refuse(f"more than {MOST_NODES:,} values once its aliases are written out", event)
        if not is_alias:
            self.sizes[id(node)] = self.nodes - before
        return node

    def construct_mapping(self, node, deep=False):
        lines: dict[str, int] = {}
        for key, _ in getattr(node, "value", ()):
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines and name != "<<":
                raise ConstructorError(
                    problem=f"the key {name[:60]!r} is there already in line {lines[name]}", problem_mark=key.start_mark
                )
            lines[name] = line
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node):
        value = super().construct_scalar(node)
        if getattr(node, "style", None) == '"' and any(not letter.isprintable() for letter in value):
            _refuse(BACKSLASH, node)
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            _refuse("half a character (a surrogate)", node)
        return value

    def construct_yaml_int(self, node):
        text = self.construct_scalar(node)
        if SEXAGESIMAL.match(text):
            _refuse(f"{text[:20]} would be read as a number to the base 60; put it in quotes", node)
        if OCTAL.match(text):
            _refuse(f"{text[:20]} would be read as an octal number; take the 0 away, or put it in quotes", node)
        if len(text) > LONGEST_INT:
            _refuse(f"a number of {len(text)} digits", node)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node):
        text = self.construct_scalar(node)
        if SEXAGESIMAL.match(text):
            _refuse(f"{text[:20]} would be read as a number to the base 60; put it in quotes", node)
        return super().construct_yaml_float(node)

    def construct_yaml_bool(self, node):
        text = self.construct_scalar(node)
        if WORDS.match(text):
            _refuse(
                f"{text} without quotes is {AS_BOOL[text.lower()]} to some readers and a word to others; write "
                f"{AS_BOOL[text.lower()]}, or '{text}' where the word is meant",
                node,
            )
        return super().construct_yaml_bool(node)


for _kind in ("int", "float", "bool"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", getattr(_Loader, f"construct_yaml_{_kind}"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_Loader.yaml_implicit_resolvers = {  # dates stay text: a study has none, and some that look like one do not exist
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def parse_yaml(text: str) -> Any:
    """The values in YAML text.

    Raises:
        yaml.YAMLError: It is not YAML, or more or other than a study file may be.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except (ValueError, OverflowError, TypeError, KeyError, IndexError, RecursionError) as cause:
        mark = loader.get_mark()
        raise ConstructorError(problem=f"it cannot be read ({type(cause).__name__})", problem_mark=mark) from cause
    finally:
        loader.dispose()


def problem_of(cause: yaml.YAMLError) -> str:
    """What is wrong, as a clause, without the line."""
    problem = str(getattr(cause, "problem", None) or getattr(cause, "reason", None) or "it cannot be read")
    if "'\\t'" in problem:
        return "a tab stands where YAML wants blanks"
    if "mapping values are not allowed" in problem:
        return "a colon where none may be; put text with a colon in quotes, and check the indentation"
    if "escape" in problem:
        return BACKSLASH
    return problem.replace("<", "").replace(">", "")


def _refuse(problem: str, where: Any) -> NoReturn:
    raise ConstructorError(problem=problem, problem_mark=where.start_mark)
