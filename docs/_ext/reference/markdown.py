"""Docstrings and tables as MyST Markdown."""

import inspect
import re
from collections.abc import Iterable, Sequence

SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Source|Example):(?:\s+(.*))?$")
ENTRY = re.compile(r"^([\w*, ]+): (.*)", re.DOTALL)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def prose(docstring: str | None) -> str:
    """A docstring of this package as Markdown: what it tells, then its sections, each entry an item of a list."""
    paragraphs: list[str] = []
    section, lines = "", []
    for line in [*inspect.cleandoc(docstring or "").splitlines(), "Source:"]:
        begins = SECTION.match(line)
        if not begins:
            lines.append(line)
            continue
        paragraphs.append(_section(section, lines))
        section, lines = begins[1], [begins[2]] if begins[2] else []
    return "\n\n".join(part for part in paragraphs if part)


def escaped(text: str) -> str:
    """Text in which what stands in angle brackets is no HTML, code left as it is."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else piece.replace("<", r"\<") for piece in pieces)


def _section(name: str, lines: Sequence[str]) -> str:
    text = inspect.cleandoc("\n".join(lines)).strip() if name != "Source" else "\n".join(lines).strip()
    if not text:
        return ""
    if name == "":
        return escaped(text)
    if name not in {"Args", "Raises"}:
        return f"**{name}:** {escaped(' '.join(text.split()))}"
    entries = [" ".join(entry.split()) for entry in re.split(r"\n(?=\S)", text)]
    told = [ENTRY.match(entry) for entry in entries]
    items = [
        f"* `{found[1]}`: {escaped(found[2])}" if found else f"* {escaped(entry)}"
        for found, entry in zip(told, entries, strict=True)
    ]
    return "\n".join([f"**{name}:**", "", *items])
