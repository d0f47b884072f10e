"""The oldest releases that we allow have no known vulnerability, and what is pinned is what is allowed."""

import re
import tomllib
from pathlib import Path

import pytest

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


def test_what_is_pinned_is_allowed():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    everything = [
        *PROJECT["dependencies"],
        *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
    ]
    for each in everything:
        name, _, lowest = each.partition(";")[0].partition(",")[0].partition(">=")
        if name.strip() in pinned:
            assert number(pinned[name.strip()]) >= number(lowest), name
