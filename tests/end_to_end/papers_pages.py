"""Every command on the page of a paper, once, small: `python -m tests.end_to_end.papers_pages FOLDER ghanet`.

No test, as it takes a quarter of an hour: what the commands print and draw is for whoever looks at it.
"""

import argparse
import io
import os
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from itertools import product
from pathlib import Path

import yaml

from prognoscope import cli
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.start.papers import PAPERS
from tests.test_every_model import SMALL

DOCS = Path(__file__).resolve().parents[2] / "docs"
COHORTS = 2  # of each paper; a command of more is run with these
RIVALS = ("snn", "abmil")  # of the tables of methods, so that they do not take an hour


def page_commands(text: str) -> Iterator[list[str]]:
    """The arguments of every command in a page, in code of a line or of a block."""
    for found in re.findall(r"`prognoscope ([^`]+)`|^prognoscope (.+)$", text, re.MULTILINE):
        yield shlex.split(found[0] or found[1])


def made_small(path: Path, cohort: Path) -> None:
    """The study of a paper, for the simulated cohort, with narrow networks and an epoch each."""
    settings, simulated = (yaml.safe_load(each.read_text()) for each in (path, cohort / "study.yaml"))
    at = Path(os.path.relpath(cohort, path.parent))
    clinical = simulated["cohort"]["clinical"] | {"table": str(at / "clinical.csv")}
    tables = {
        "features": simulated["cohort"]["features"] | {"folder": str(at / "features"), "table": str(at / "slides.csv")},
        "omics": simulated["cohort"]["omics"] | {"table": str(at / "genes.csv"), "groups": str(at / "groups.csv")},
        "subtype": simulated["cohort"]["subtype"] | {"table": str(at / "subtypes.csv")},
    }
    settings |= {"cohort": {"clinical": clinical, **tables}, "features": simulated["features"]}
    settings["splits"] = {"folds": 2, "validation": 0.2} if settings["name"] in PAPERS["mcti"].cohorts else {"folds": 2}
    settings["evaluation"] = settings["evaluation"] | {"draws": 50}
    methods = []
    for entry in settings["methods"]:
        entry = {"name": entry} if isinstance(entry, str) else entry
        if entry["name"] not in (*RIVALS, *PAPERS):
            continue
        small = SMALL.get(entry["name"], {})
        kept = {key: value for key, value in entry.items() if key not in (*small, "preset") or key in ("k", "ratio")}
        kept["training"] = {**entry.get("training", {}), "epochs": 1}
        methods.append({**{key: _plain(value) for key, value in small.items()}, **kept})
    settings["methods"] = methods
    path.write_text(yaml.safe_dump(settings, sort_keys=False))


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def ask(log: Path, *arguments: str) -> int:
    """Run a command, print how it ended, and keep what it said; 1 if it failed."""
    begun, said = time.monotonic(), io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            cli.main(arguments)
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    with log.open("a") as file:
        file.write(f"$ prognoscope {shlex.join(arguments)}\n{said.getvalue()}\n= {code}\n\n")
    print(f"{code}  {time.monotonic() - begun:5.1f} s  prognoscope {shlex.join(arguments)}", flush=True)
    return int(code != 0)


def studies_of(paper: str, log: Path, cohort: Path, names: Sequence[str], tables: Sequence[str]) -> int:
    """Make the studies of a paper for these cohorts, and run them small; how many commands failed."""
    failed = 0
    for name, rows in product(names, tables):
        study = Path(name if rows == "methods" else f"{name}-{rows}") / "study.yaml"
        if not study.exists():
            failed += ask(log, "init", str(study.parent), "--paper", paper, "--cohort", name, "--rows", rows)
            made_small(study, cohort)
        failed += ask(log, "check", str(study)) + ask(log, "run", str(study))
    return failed


def main() -> None:
    """Make the studies of a paper, run them small, then every command of the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("paper", choices=list(PAPERS))  # one a process, as what explaining keeps is by relative paths
    given = parser.parse_args()
    folder, failed = given.folder.resolve(), 0
    cohort = folder / "cohort"
    if not cohort.exists():
        simulate_cohort(cohort, patients=60, seed=1, features_only=True, bag_sizes=(6, 10))
    paper = given.paper
    at = folder / paper
    at.mkdir(parents=True, exist_ok=True)
    os.chdir(at)
    page = (DOCS / "papers" / f"{paper}.md").read_text()
    names = [name for name in PAPERS[paper].cohorts if f"{name}/run" in page][:COHORTS]
    tables = ["methods", "ablations", *["sweeps"] * ("--sweeps" in page)]
    failed += studies_of(paper, at / "log.txt", cohort, names, tables)
    there = {f"{name}{table}/run" for name in names for table in ("", "-ablations", "-sweeps")}
    for arguments in page_commands(page):
        failed += ask(at / "log.txt", *(each for each in arguments if not each.endswith("/run") or each in there))
    print(f"{failed} failed." if failed else "All commands ended well.")


if __name__ == "__main__":
    main()
