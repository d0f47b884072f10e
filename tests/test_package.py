"""What `import prognoscope` promises, and what its README shows."""

import re
from pathlib import Path

import pytest
import yaml

import prognoscope
from prognoscope.cli import app
from prognoscope.models.registry import list_models, profile_of
from prognoscope.study.spec import parse_study

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in prognoscope.__all__ if not name.startswith("_")])
def test_every_promised_name_is_there(name):
    assert getattr(prognoscope, name) is not None
    assert name in dir(prognoscope)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        prognoscope.nonsense  # noqa: B018


def test_the_study_file_of_the_readme_is_a_valid_study():
    text = re.search(r"```yaml\n(.*?)```", README, re.DOTALL).group(1)
    study = parse_study(yaml.safe_load(text))
    assert [method.title for method in study.methods] == ["coxph", "snn", "abmil", "mcti"]


def test_the_ablations_of_the_readme_are_a_valid_study():
    text, methods = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[:2]
    titles = [method.title for method in parse_study(yaml.safe_load(text) | yaml.safe_load(methods)).methods]
    assert titles[:2] == ["abmil", "mcti"] and {"mcti-no-subtype-task", "mcti-random-patches"} < set(titles)


def test_the_readme_names_exactly_the_commands_that_exist():
    exist = {command.name or command.callback.__name__ for command in app.registered_commands}
    table = README.split("## Commands")[1].split("##")[0]
    named = set(re.findall(r"`([\w-]+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line)))
    assert named == exist


def test_the_readme_lists_every_method_under_what_it_predicts_from():
    section = README.split("## The methods")[1].split("\n## ")[0]
    count = int(re.search(r"There are (\d+)", section).group(1))
    table = section.split("| predicts from | methods |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if "`" in line]
    listed = [(name, words.strip()) for words, methods in rows for name in re.findall(r"`(\w+)`", methods)]
    assert sorted(listed) == sorted((name, readers_words(profile_of(name))) for name in list_models())
    assert count == len(listed)


def readers_words(profile) -> str:
    """What the README calls that which a method predicts from."""
    if profile.members:
        return "whatever its members do"
    if "bag" in profile.takes:
        return "whatever there is"
    if "bag" not in profile.uses:
        return "genes"
    if "omics" in profile.needs:
        return "both"
    return "slides, and learns from genes" if "omics" in profile.learns_from else "slides"


def test_pictures_and_files_that_the_readme_shows_are_there():
    for target in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (Path(__file__).parents[1] / target).is_file()


def test_types_ship_and_none_is_passed_over_without_a_reason():
    package = Path(prognoscope.__file__).parent
    assert (package / "py.typed").is_file()
    for path in package.rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for above, line in zip(["", *lines], lines, strict=False):
            if found := re.search(r"# (?:type|pyright): ignore(\[[\w-]+\])?(.*)", line):
                is_explained = len(found[2].strip(" -#")) > 10 or above.strip().startswith("# ")
                assert found[1] and is_explained, f"{path}: say which rule is wrong and why: {line.strip()}"
