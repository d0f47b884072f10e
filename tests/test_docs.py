"""The pages of the site that are made from the code leave nothing out, and links lead to files that exist."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import prognoscope
from prognoscope.models.registry import list_models
from prognoscope.report.figures import FIGURES
from reference.api_pages import api_pages
from reference.command_page import command_page, group
from reference.gallery_page import FIGURES as SHOWN
from reference.method_pages import method_pages
from reference.setting_page import described_schema, sections_of, setting_page
from reference.setting_words import WORDS

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), *(ROOT / ".github").rglob("*.md")]
SETTINGS = {
    f"{place}.{key}".lstrip("."): words["description"]
    for place, section in sections_of(described_schema())
    for key, words in section["properties"].items()
}


def test_every_command_has_a_section():
    assert re.findall(r"^## (.+)$", command_page(), re.MULTILINE) == sorted(group().commands)


@pytest.mark.parametrize("name", sorted(group().commands))
def test_a_command_tells_what_it_and_its_options_do_with_an_example(name):
    section = command_page().split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert section.strip().splitlines()[0].endswith(".")
    assert f"**Example:** `prognoscope {name}" in section
    assert not re.findall(r"^\| [^|]+ \|\s*\|", section, re.MULTILINE), "an option without help"


@pytest.mark.parametrize("place", SETTINGS)
def test_every_setting_has_a_description(place):
    assert SETTINGS[place], f"end its line in the code with a comment, or add {place} to docs/_ext/reference"


def test_no_words_are_left_of_a_setting_that_is_gone():
    known = {*SETTINGS, *(place.removeprefix("methods.") for place in SETTINGS)}
    assert set(WORDS) <= known, "take these out of docs/_ext/reference/setting_words.py"


def test_every_section_of_the_study_file_is_on_the_page():
    titles = re.findall(r"^## (.+)$", setting_page(), re.MULTILINE)
    assert {place for place, _ in sections_of(described_schema()) if place} == set(titles[1:])


def test_every_method_has_a_page_and_a_line():
    overview, pages = method_pages()
    assert sorted(pages) == list_models()
    assert re.findall(r"\(reference/methods/(\w+)\.md\)", overview) == list_models()
    assert not [name for name, page in pages.items() if "**Paper:**" not in page]


def test_the_python_pages_hold_every_promised_name():
    pages = api_pages()
    names = [name for name in prognoscope.__all__ if not name.startswith("_")]
    assert sorted(re.findall(r"`(\w+) <prognoscope\.", pages["index"])) == sorted(names)
    told = re.findall(r"^:::+\{py:\w+\} (\w+).*\n:module: ([\w.]+)$", "\n".join(pages.values()), re.MULTILINE)
    assert {(name, getattr(prognoscope, name).__module__) for name in names} <= set(told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page):
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [each for each in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in each]
    assert not [each for each in targets if not (page.parent / each).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_are_commands_with_these_options(page):
    text = page.read_text(encoding="utf-8")
    commands = [
        *re.findall(r"`(prognoscope [a-z].+?)`", text),
        *re.findall(r"^prognoscope [a-z].+", text, re.MULTILINE),
    ]
    for command in commands:
        _, name, *words = command.split("#")[0].split()
        assert name in group().commands, command
        known = {option for each in group().commands[name].params for option in each.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, command


def test_the_gallery_tells_how_each_figure_is_read():
    assert set(SHOWN) == set(FIGURES)


def test_the_errors_that_the_questions_quote_are_what_the_code_says():
    quoted = re.findall(r"^> (.+)$", (ROOT / "docs" / "faq.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(quoted) > 15
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    code = re.sub(r"([\"'])\n\s*f?\1", "", code)  # a text is one line
    code = re.sub(r"\{[^{}\n]*(\{[^{}\n]*\}[^{}\n]*)*\}", "…", code)
    for quote in quoted:
        parts = [re.escape(part.strip()) for part in quote.removesuffix("…").split("…")]
        assert re.search(".*".join(parts), code), quote


def test_the_versions_of_python_that_are_promised_are_those_that_are_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == promised
    first, last = promised[0], int(promised[-1].partition(".")[2])
    assert project["requires-python"] == f">={first},<3.{last + 1}"


def test_who_cites_cites_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
