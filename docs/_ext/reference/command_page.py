"""The reference of the command line, from the commands themselves."""

from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from reference.markdown import escaped, table

NAME = "prognoscope"
KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def command_page() -> str:
    """The page in Markdown: what holds everywhere, then a section for each command."""
    parts = [
        "# Commands",
        f"`{NAME} COMMAND --help` says the same. An error is one sentence on standard error; the exit code is "
        "2 for bad input, 1 for a failure, 130 after Ctrl-C. `extract` and `run` continue where they were stopped.",
        "Before any command:",
        _options(group()),
        *(_section(name, command) for name, command in sorted(group().commands.items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def group() -> Any:
    """The commands as Typer hands them to the command line."""
    from typer.main import get_command

    from prognoscope.cli import app

    return get_command(app)


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    words = [_placeholder(each) for each in arguments]
    usage = " ".join([NAME, name, *(["[OPTIONS]"] if len(command.params) > len(arguments) else []), *words])
    text, _, example = (command.help or "").partition("Example:")
    parts = [f"## {name}", _paragraphs(text), f"```\n{usage}\n```"]
    parts.append(_table("argument", [(f"`{_placeholder(each)}`", each) for each in arguments]))
    parts.append(_options(command))
    parts.append(f"**Example:** {' '.join(example.split())}" if example else "")
    return "\n\n".join(part for part in parts if part)


def _options(command: Any) -> str:
    hints = get_type_hints(command.callback)
    shown = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    return _table("option", [(_flags(each, hints.get(each.name, bool)), each) for each in shown])


def _table(head: str, rows: list[tuple[str, Any]]) -> str:
    if not rows:
        return ""
    return table([head, "what it does", "default"], [(shown, _help(each), _default(each)) for shown, each in rows])


def _flags(option: Any, hint: Any) -> str:
    value = "" if hint is bool else f" {_kind(hint)}"
    return ", ".join(f"`{flag}{value}`" for flag in [*option.opts, *option.secondary_opts])


def _kind(hint: Any) -> str:
    """The placeholder of a value, by its type in Python; a list is an option that can be given again."""
    inner = [each for each in get_args(hint) if each is not NoneType]
    return " ".join(map(_kind, inner)) if inner else KINDS.get(hint, "VALUE")


def _placeholder(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _help(parameter: Any) -> str:
    return escaped(" ".join((getattr(parameter, "help", None) or "").split()))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    default = parameter.default() if callable(parameter.default) else parameter.default
    if default is None or default is False or default in ([], (), ""):
        return ""
    shown = " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)
    return f"`{shown}`"


def _paragraphs(text: str) -> str:
    return "\n\n".join(escaped(" ".join(part.split())) for part in text.split("\n\n") if part.strip())
