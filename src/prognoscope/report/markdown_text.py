"""Text of users in Markdown: names stay names, whatever they hold."""

import re
from collections.abc import Sequence


def escaped(text: str) -> str:
    """The text on one line, so that Markdown shows it as it is: no HTML, no emphasis, no cell of a table."""
    return re.sub(r"([\\|*_<>`\[\]])", r"\\\1", " ".join(text.split())).replace("&", "&amp;")


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of texts, of which all columns but the first are numbers."""
    lines = [f"| {' | '.join(map(escaped, header))} |", f"|---|{'---:|' * (len(header) - 1)}"]
    return lines + [f"| {' | '.join(map(escaped, row))} |" for row in rows]
