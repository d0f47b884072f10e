"""The oldest releases that we allow have no known vulnerability, and what is pinned is whole and what is allowed."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MENDED = {  # the first release without what is known of those before
    "torch": "2.10",  # CVE-2026-24747: weights_only runs code
    "pillow": "12.3",
    "jinja2": "3.1.6",  # CVE-2025-27516
    "pyarrow": "23.0.1",  # CVE-2026-25087; CVE-2023-47248 before 14.0.1
    "pyyaml": "5.4",  # CVE-2020-14343
    "pydantic": "2.4",  # CVE-2024-3772
    "scipy": "1.10",  # CVE-2023-25399
    "h5py": "3.14",  # the first whose wheels have HDF5 1.14.6
}


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version.split("+")[0])))


def bounds() -> dict[str, str]:
    needed = (re.match(r"([\w-]+)>=([\d.]+)", each) for each in PROJECT["dependencies"])
    return {found[1].lower(): found[2] for found in needed if found}


@pytest.mark.parametrize("name", MENDED)
def test_no_release_with_a_known_vulnerability_is_allowed(name):
    assert number(bounds()[name]) >= number(MENDED[name])


def test_every_dependency_has_a_lower_bound():
    assert len(bounds()) == len(PROJECT["dependencies"])


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("file", ["constraints.txt", "requirements-lock.txt"])
def test_what_is_pinned_is_allowed(file):
    pinned = pins(file)
    everything = [
        *PROJECT["dependencies"],
        *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
    ]
    for each in everything:
        name, _, lowest = each.partition(";")[0].partition(",")[0].partition(">=")
        if name.strip() in pinned:
            assert number(pinned[name.strip()]) >= number(lowest), name


def needed(start: list[str]) -> Iterator[str]:
    """Names of all that these requirements bring on Linux, as far as it is installed."""
    todo, seen = [Requirement(each) for each in start], set()
    where = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "python_version": "3.11"}
    while todo:
        one = todo.pop()
        if (key := (canonicalize_name(one.name), frozenset(one.extras))) in seen:
            continue
        seen.add(key)
        yield key[0]
        try:
            further = [Requirement(each) for each in requires(one.name) or ()]
        except PackageNotFoundError:
            continue
        wanted = [{**where, "extra": extra} for extra in ("", *one.extras)]
        todo += [each for each in further if each.marker is None or any(map(each.marker.evaluate, wanted))]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock is of Python 3.11; others get other releases")
def test_the_lock_file_names_all_that_the_package_and_its_extras_bring():
    extras = {name: each for name, each in PROJECT["optional-dependencies"].items() if name not in ("dev", "docs")}
    names = set(needed([*PROJECT["dependencies"], *(each for some in extras.values() for each in some)]))
    brought_by_torch = {name for name in names if name.startswith(("nvidia", "cuda", "triton"))}  # by some builds
    assert names - brought_by_torch <= set(pins("requirements-lock.txt"))
    assert pins("constraints.txt").items() & pins("requirements-lock.txt").items() >= {("torch", "2.13.0")}


@pytest.mark.parametrize("recipe", ["Dockerfile", "apptainer.def"])
def test_what_the_recipes_of_containers_name_is_there(recipe):
    text = (ROOT / recipe).read_text(encoding="utf-8")
    lines = re.findall(r"^COPY (.+) \S+$|^    (\S+) /opt/prognoscope/\S+$", text, re.MULTILINE)
    copied = {name for line in lines for name in " ".join(line).split()}
    assert copied == {"pyproject.toml", "README.md", "LICENSE", "constraints.txt", "requirements-lock.txt", "src"}
    assert all((ROOT / name).exists() for name in copied)
    assert set(re.findall(r"-c (\S+)", text)) <= copied
    extras = re.search(r"EXTRAS=(\S+)", text)
    assert extras is not None and set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
