"""A page a method, and the table that leads to them, from what the methods tell of themselves."""

import re

from prognoscope.study.catalogue import methods_page


def method_pages() -> tuple[str, dict[str, str]]:
    """The table of methods in Markdown, and each method's page by its name."""
    head, *sections = re.split(r"^## ", methods_page(), flags=re.MULTILINE)
    raised = (re.sub(r"^###", "##", section, flags=re.MULTILINE) for section in sections)
    pages = {name.strip(): text for name, _, text in (section.partition("\n") for section in raised)}
    rows = "\n".join(line for line in head.splitlines() if line.startswith("|"))
    overview = re.sub(r"\[`(\w+)`\]\(#[\w-]+\)", r"[`\1`](reference/methods/\1.md)", rows)
    return overview, {name: f"# {name}\n{text}" for name, text in pages.items()}
