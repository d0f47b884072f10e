"""The import table of the package, held to every file; packages without torch; a light top level."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import prognoscope

ROOT = Path(prognoscope.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
MAY_IMPORT = {
    "core": set(),
    **{folder: {"core"} for folder in ["slides", "omics", "models", "evaluation"]},
    "features": {"core", "slides"},
    "cohort": {"core", "features", "omics"},
    "runs": {"core", "evaluation"},
    "training": {"core", "cohort", "models", "runs"},
    "explanation": {"core", "models"},
    "report": {"core", "slides", "evaluation", "explanation"},
    "simulation": {"core", "slides", "features", "omics", "cohort"},
    "study": {
        *("core", "slides", "features", "omics", "cohort", "models"),
        *("training", "evaluation", "explanation", "report"),
    },
}
WITHOUT_TORCH = ["slides", "omics", "evaluation", "runs", "report"]
LONGEST = 420  # lines; a file is one idea


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("file", [f for f in FILES if f.parent != ROOT], ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_imports_only_what_its_folder_may(file):
    folder = file.relative_to(ROOT).parts[0]
    ours = {name.split(".")[1] for name in imported(file) if name.startswith("prognoscope.")}
    assert ours - {folder} <= MAY_IMPORT[folder]


def test_cohort_takes_only_the_store_from_features():
    taken = {n for f in (ROOT / "cohort").rglob("*.py") for n in imported(f) if n.startswith("prognoscope.features")}
    assert {name.split(".")[2] for name in taken} <= {"store"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_packages_that_know_no_torch_do_not_import_it(file):
    if file.relative_to(ROOT).parts[0] in WITHOUT_TORCH:
        assert not {n for n in imported(file) if n.split(".")[0] == "torch"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_is_one_idea(file):
    assert len(file.read_text().splitlines()) <= LONGEST


def test_ray_is_known_to_one_file():
    users = {f.name for f in FILES if any(n.split(".")[0] == "ray" for n in imported(f))}
    assert users <= {"parallel.py"}


def test_nothing_that_can_run_code_is_loaded():
    text = {f: f.read_text() for f in FILES}
    assert not [f for f, t in text.items() if "import pickle" in t or "allow_pickle=True" in t]
    loads = [(f, line) for f, t in text.items() for line in t.splitlines() if "torch.load(" in line]
    assert loads and not [each for each in loads if "weights_only=True" not in each[1]]


def test_importing_the_package_is_light():
    heavy = ["torch", "pandas", "scipy", "matplotlib", "skimage", "openslide", "lifelines", "h5py"]
    code = f"import sys, prognoscope; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
