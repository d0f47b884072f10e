"""The import table of the package, held to every file; packages without torch; a light top level."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import prognoscope

ROOT = Path(prognoscope.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
PICTURE = (Path(__file__).parents[1] / "docs" / "architecture.svg").read_text(encoding="utf-8")
MAP = re.findall(r"^\| `(\w+)` \| (.+) \| (yes|no) \|$", PAGE, re.MULTILINE)  # the only import map there is
MAY_IMPORT = {folder: set(re.findall(r"`(\w+)`", others)) for folder, others, _ in MAP}
WITHOUT_TORCH = [folder for folder, _, torch in MAP if torch == "no"]
LONGEST = 420  # lines; a file is one idea


@cache
def imported(file: Path) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def test_the_tree_of_the_page_is_what_is_there():
    folders = {f"{each.parent.name}/" for each in ROOT.glob("*/__init__.py")}
    there = folders | {each.name for each in ROOT.glob("*.py")}
    told = set(re.findall(r"^[├└]── (\S+)", PAGE, re.MULTILINE))
    assert told == there, f"docs/architecture.md: its tree lacks {there - told} and has {told - there} too many"
    mapped = {f"{folder}/" for folder in MAY_IMPORT}
    assert mapped == folders, f"docs/architecture.md: its map lacks {folders - mapped}, has {mapped - folders} too many"


def test_imports_only_point_up_the_tree():
    order = re.findall(r"^[├└]── (\w+)/", PAGE, re.MULTILINE)
    assert list(MAY_IMPORT) == order
    for folder, others in MAY_IMPORT.items():
        assert others <= set(order[: order.index(folder)]), f"{folder} stands above something that it imports"


def test_the_picture_shows_every_folder():
    assert set(MAY_IMPORT) <= set(re.findall(r">(\w+)</text>", PICTURE))


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_file_imports_only_what_its_folder_may(folder):
    for file in (ROOT / folder).rglob("*.py"):
        ours = {name.split(".")[1] for name in imported(file) if name.startswith("prognoscope.")}
        assert ours - {folder} <= MAY_IMPORT[folder], file


@pytest.mark.parametrize("folder", ["cohort", "training"])
def test_whoever_learns_takes_only_the_store_from_features(folder):
    taken = {n for f in (ROOT / folder).rglob("*.py") for n in imported(f) if n.startswith("prognoscope.features")}
    assert {name.split(".")[2] for name in taken} <= {"store"}


def test_packages_that_know_no_torch_do_not_import_it():
    without = [file for file in FILES if file.relative_to(ROOT).parts[0] in WITHOUT_TORCH]
    assert without and not [file for file in without if any(n.split(".")[0] == "torch" for n in imported(file))]


def test_a_file_is_one_idea():
    assert not [file for file in FILES if len(file.read_text().splitlines()) > LONGEST]


def test_ray_is_known_to_one_file():
    users = {f.name for f in FILES if any(n.split(".")[0] == "ray" for n in imported(f))}
    assert users == {"parallel.py"}


def test_nothing_that_can_run_code_is_loaded():
    text = {f: f.read_text() for f in FILES}
    assert not [f for f, t in text.items() if "import pickle" in t or "allow_pickle=True" in t]
    loads = [(f, line) for f, t in text.items() for line in t.splitlines() if "torch.load(" in line]
    assert loads and not [each for each in loads if "weights_only=True" not in each[1]]


def test_no_command_loads_scipy_stats_before_it_is_needed():
    begins = re.compile(r"^(from scipy\.stats|import scipy\.stats|from scipy import .*stats)", re.MULTILINE)
    assert not [f for f in FILES if begins.search(f.read_text())]


@pytest.mark.processes
def test_importing_the_package_is_light():
    heavy = ["torch", "pandas", "scipy", "matplotlib", "skimage", "openslide", "lifelines", "h5py"]
    code = f"import sys, prognoscope; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_files_of_study_do_not_import_each_other_in_a_circle():
    modules = {".".join(("prognoscope", *f.relative_to(ROOT).with_suffix("").parts)): f for f in FILES}
    inside = {name for name in modules if name.startswith("prognoscope.study.")}
    left = {m: {n for i in imported(modules[m]) for n in (i, i.rpartition(".")[0]) if n in inside} for m in inside}
    while free := [module for module, needed in left.items() if not needed & set(left)]:
        for module in free:
            del left[module]
    assert not left


def test_no_file_imports_itself_in_a_circle():
    """Imports inside functions count too: a circle that is put off is one still."""
    names = {
        ".".join(("prognoscope", *f.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__") for f in FILES
    }
    arrows = {}
    for file in FILES:
        name = ".".join(("prognoscope", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        taken = {each if each in names else each.rpartition(".")[0] for each in imported(file)}
        arrows[name] = taken & names - {name}
    while ends := [name for name, taken in arrows.items() if not taken & set(arrows)]:  # what leads nowhere goes
        for name in ends:
            del arrows[name]
    assert not arrows, f"each of these is in a circle of imports or leads to one: {sorted(arrows)}"
