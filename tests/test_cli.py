"""The commands: what they say, how they end, and that their tables can be read."""

import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from rich.console import Console

import prognoscope
from prognoscope import cli
from prognoscope.commands import making, telling, terminal
from prognoscope.commands.terminal import RunBar, bar
from prognoscope.core.errors import InputError
from prognoscope.models.registry import list_models
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.clock import Standing
from prognoscope.study.run import Finished
from prognoscope.study.run_log import at_work
from prognoscope.study.spec import parse_study
from prognoscope.study.start.template import TEMPLATE
from prognoscope.study.study import Study
from prognoscope.study.study_file import StudyFile

pytestmark = pytest.mark.usefixtures("sketched")

COMMANDS = [
    "demo",
    "simulate",
    "init",
    "check",
    "doctor",
    "extract",
    "convert",
    "run",
    "compare",
    "optimism",
    "predict",
    "report",
]
COMMANDS += ["gene-sets", "methods", "schema"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    """A simulated cohort with a finished run of two methods."""
    folder = tmp_path_factory.mktemp("cli") / "cohort"
    simulate_cohort(folder, patients=40, seed=1, features_only=True, bag_sizes=(5, 20), embedding_dim=32)
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    settings |= {
        "training": {"epochs": 2},
        "methods": [{"name": "coxph", "penalizers": [0.1]}, "snn"],
        "evaluation": {"draws": 10},
    }
    settings["splits"]["folds"] = 3
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))
    Study.load(folder / "study.yaml").run(folder / "run")
    return folder


@pytest.fixture(scope="module")
def finished(cohort) -> Finished:
    """The run as a command that has nothing left to do gets it."""
    return Study.load(cohort / "study.yaml").run(cohort / "run")


@pytest.fixture
def spoiled(cohort, tmp_path, monkeypatch) -> Path:
    """A copy that a test may spoil, and the working directory."""
    shutil.copytree(cohort, tmp_path / "cohort")
    monkeypatch.chdir(tmp_path / "cohort")
    return tmp_path / "cohort"


@pytest.fixture
def ask(capsys, monkeypatch):
    """Run a command at a width: its exit code, stdout and stderr."""

    def run(*arguments: object, width: int = 160) -> tuple[int, str, str]:
        monkeypatch.setattr(telling, "out", Console(width=width))
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(each) for each in arguments])
        said = capsys.readouterr()
        return stopped.value.code, said.out, said.err.strip()

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, ask):
    code, shown, _ = ask(command, "--help")
    assert code == 0
    assert f"Example: prognoscope {command}" in " ".join(re.sub(r"[`│]", "", shown).split())


def test_simulates_help_shows_both_words_of_bags(ask):
    shown = " ".join(ask("simulate", "--help")[1].replace("│", "").split())
    assert "--bags FEWEST MOST Patches of a patient: two words. [default: (500 2000)]" in shown


def test_help_names_every_command_and_is_what_no_command_shows(ask):
    code, shown, _ = ask("--help")
    assert code == 0 and all(command in shown for command in COMMANDS)
    assert ask()[:2] == (0, shown)


@pytest.mark.processes
def test_help_imports_nothing_heavy():
    heavy = ["torch", "pandas", "scipy", "numpy", "matplotlib", "openslide", "h5py", "lifelines"]
    code = f"""
import sys
from prognoscope import cli
from prognoscope.commands import telling, terminal
try:
    cli.main(["run", "--help"])
except SystemExit:
    print("heavy:", [name for name in {heavy} if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("heavy: []")


@pytest.mark.processes
def test_the_executable_ends_with_one_sentence_and_its_code(tmp_path):
    environment = {**os.environ, "TERM": "dumb", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "prognoscope.cli", "check", "nowhere.yaml"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert found.returncode == 2 and found.stdout == ""
    assert found.stderr == (
        "error: The study file nowhere.yaml does not exist. Correct the path, or begin with `prognoscope init`.\n"
    )


@pytest.mark.processes
def test_the_version_the_short_help_and_the_module_itself(ask):
    assert ask("--version")[:2] == (0, f"prognoscope {prognoscope.__version__}\n")
    assert ask("-h") == ask("--help") and ask("run", "-h") == ask("run", "--help")
    found = subprocess.run([sys.executable, "-m", "prognoscope", "--version"], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, f"prognoscope {prognoscope.__version__}\n")


@pytest.mark.processes
@pytest.mark.skipif(os.name == "nt", reason="there a shell closes no outputs")
def test_a_process_that_was_given_no_outputs_does_its_work(tmp_path):
    command = f"{shlex.quote(sys.executable)} -m prognoscope schema . <&- >&- 2>&-"  # as a daemon may start it
    assert subprocess.run(command, shell=True, cwd=tmp_path).returncode == 0
    assert (tmp_path / "study.schema.json").is_file()


@pytest.mark.processes
def test_a_shell_completes_commands():
    asked = {"_PROGNOSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "prognoscope ch", "COMP_CWORD": "1"}
    command = [sys.executable, "-m", "prognoscope"]
    found = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **asked})
    assert found.stdout.split() == ["check"]


def test_the_package_logs_in_silence_unless_it_is_asked_to_show(spoiled, ask):
    smaller = ["--set", "methods=snn", "--set", "splits.folds=2"]
    quiet = ask("run", "study.yaml", "--out", "quiet", *smaller)
    code, shown, said = ask("run", "study.yaml", "--out", "loud", *smaller, "--verbose")
    assert (code, quiet[2]) == (0, "") and "loud/report.html" in shown
    assert "prognoscope.study.plan: planned 1 method, 40 patients, 2 folds, on cpu" in said
    assert "snn, fold 1: begun" in said and "snn, fold 1: ended" in said
    assert logging.getLogger("prognoscope").level == logging.NOTSET


MISUSES = {
    ("chek", "study.yaml"): "error: No such command 'chek'. Did you mean 'check', 'schema'? See `prognoscope --help`.",
    ("check",): "error: Missing argument 'study'. See `prognoscope check --help`.",
    ("run", "study.yaml", "--job", "2"): "No such option: --job",
    ("run", "study.yaml", "--jobs", "0"): "error: Invalid value for '--jobs'",
    ("predict", "run"): "error: Name the new patients either with --study, or with --features",
    ("simulate", "new", "--bags", "5"): "'--bags' requires 2 arguments",
}


@pytest.mark.parametrize("arguments", MISUSES, ids=" ".join)
def test_a_mistyped_command_is_told_in_a_line(arguments, ask):
    code, shown, said = ask(*arguments)
    assert (code, shown) == (2, "")
    assert MISUSES[arguments] in said and "\n" not in said


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


FAULTS = [
    (KeyError("x"), 1, ["not foreseen: KeyError: 'x'", "making.py, line", "--debug"]),
    (MemoryError(), 1, ["not enough memory", "--jobs"]),
    (OutOfMemoryError("CUDA out of memory.\nTried"), 1, ["not enough memory (CUDA out of memory)"]),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you"), 1, ["not enough memory", "patches_per_pass"]),
    (ImportError("x.so: failed to map segment from shared object"), 1, ["not enough memory (x.so", "`ulimit -v`"]),
    (BrokenProcessPool("died"), 1, ["A worker process died", "fewer --jobs"]),
    (PermissionError(13, "Permission denied", "/data/x.csv"), 1, ["/data/x.csv could not be", "permission denied"]),
    (OSError(30, "Read-only file system", "/data/x"), 1, ["/data/x could not be", "read-only", "another place"]),
    (OSError(28, "No space left on device", "/data/x"), 1, ["The disk is full"]),
    (OSError(5, "Input/output error", "/data/x"), 1, ["/data/x: Input/output error"]),
    (
        FileNotFoundError(2, "No such file or directory", "/x"),
        2,
        ["/x cannot be used: no such file", "Correct the path"],
    ),
    (OSError("no number"), 1, ["not foreseen: OSError: no number"]),
]


@pytest.mark.parametrize(("fault", "code", "words"), FAULTS, ids=lambda each: type(each).__name__)
def test_what_nobody_raised_on_purpose_is_a_sentence_too_and_hides_no_cause(fault, code, words, ask, monkeypatch):
    def fail(*_):
        raise fault from ZeroDivisionError("the cause")

    monkeypatch.setattr(StudyFile, "load", fail)
    found, _, said = ask("check", "study.yaml")
    assert found == code and "\n" not in said and said.startswith("error: ") and "Traceback" not in said
    for word in words:
        assert word in said
    found, _, said = ask("check", "study.yaml", "--debug")
    assert found == code
    assert "Traceback" in said and "ZeroDivisionError: the cause" in said and words[0] in said.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="only there may a path be any bytes")
def test_a_path_that_is_no_text_is_refused_before_anything_is_done(ask, tmp_path, monkeypatch):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    code, _, said = ask("run", f"{odd}/study.yaml")
    assert code == 2 and r"caf\xe9/study.yaml' is not UTF-8 text. Rename it" in said
    os.mkdir(odd)
    monkeypatch.chdir(odd)
    assert ask("doctor")[0] == 2
    os.rmdir(odd)
    assert ask("--version")[0] == 0


def test_ctrl_c_ends_with_a_sentence(ask, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(StudyFile, "load", interrupt)
    code, _, said = ask("check", "study.yaml")
    assert (code, said) == (130, "Stopped. What was finished is kept; the same command continues.")


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_as_ctrl_c_does(ask, monkeypatch, name, code):
    tidied = []

    def interrupt(*_):
        try:
            os.kill(os.getpid(), getattr(signal, name))
            time.sleep(60)
        finally:
            tidied.append(name)

    monkeypatch.setattr(StudyFile, "load", interrupt)
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # the tests may have been started by nohup
    try:
        found = ask("check", "study.yaml")
        assert found == (code, "", f"Stopped by {name}. What was finished is kept; the same command continues.")
        assert tidied == [name] and signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_signal_that_nohup_ignores_stays_ignored(ask, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(StudyFile, "load", lambda *_: os.kill(os.getpid(), signal.SIGHUP) or 1 / 0)
    try:
        assert ask("check", "study.yaml")[0] == 1
    finally:
        signal.signal(signal.SIGHUP, before)


def test_where_there_is_no_screen_progress_is_a_plain_line_a_minute(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    console = Console(stderr=True, force_terminal=True)  # as FORCE_COLOR has it
    with RunBar(console) as show, bar(console, "Slides") as advance:
        for _ in range(250):
            now[0] += 1.0
            show(Standing(0.25, 600.0, "[abmil], fold 0, epoch 3 of 20"))
            advance(3, 10)
    lines = capsys.readouterr().err.splitlines()
    assert [line[6:] for line in lines[:2]] == [
        "Run: 25% done, 10 min left, [abmil], fold 0, epoch 3 of 20",
        "Slides: 3 of 10",
    ]
    assert len(lines) == 8 and not re.search(r"[^ -~]", "".join(lines))


def test_methods_lists_every_method_with_its_needs(ask):
    code, shown, _ = ask("methods")
    assert code == 0
    for name in list_models():
        assert re.search(rf"^{name} ", shown, re.MULTILINE)
    assert re.search(r"^mcti +slides \+ genes", shown, re.MULTILINE)


def test_doctor_describes_the_machine(ask):
    code, shown, _ = ask("doctor")
    assert code == 0
    assert all(re.search(rf"^{what} ", shown, re.MULTILINE) for what in ["prognoscope", "torch", "GPU", "openslide"])


def test_init_writes_a_study_that_is_ready_once_it_is_filled_in(spoiled, ask):
    code, shown, _ = ask("init", "mine")
    assert code == 0 and "prognoscope check mine/study.yaml" in shown
    code, _, said = ask("init", "mine")
    assert code == 2 and "mine/study.yaml is there already" in said
    text = Path("mine/study.yaml").read_text()
    slides = "  slides: {folder: slides, table: slides.csv}\n"
    assert slides in text
    text = text.replace(slides, "").replace("  # features: {folder: features,", "  features: {folder: ../features,")
    text = text.replace("layout: auto}", "layout: auto, table: ../slides.csv}").replace(
        "clinical.csv", "../clinical.csv"
    )
    Path("mine/study.yaml").write_text(text.replace("survival_months", "time_months").replace("folds: 5", "folds: 3"))
    code, shown, said = ask("check", "mine/study.yaml")
    assert (code, said) == (0, "")
    assert "Ready to run" in shown


def test_what_the_template_leaves_to_choose_is_valid_too():
    def uncommented(text: str) -> str:
        return re.sub(r"^( *)# (?=[a-z_]+:)", r"\1", text, flags=re.MULTILINE)

    slides = "  slides: {folder: slides, table: slides.csv}\n"
    one_endpoint = re.sub(r"^ *endpoints: .*\n", "", uncommented(TEMPLATE), flags=re.MULTILINE)
    study = parse_study(yaml.safe_load(one_endpoint.replace(slides, "")))
    assert study.cohort.clinical.covariates == ("age", "is_female")
    assert study.cohort.omics.groups and study.cohort.subtype and study.splits.group == "site" and study.splits.files
    assert parse_study(yaml.safe_load(TEMPLATE)).cohort.slides.folder == "slides"


def test_simulate_says_what_comes_next(tmp_path, monkeypatch, ask):
    monkeypatch.chdir(tmp_path)
    code, shown, _ = ask("simulate", "[new]", "--features-only", "--patients", 20, "--bags", 2, 4)
    asked = "'[new]/study.yaml'" if os.name == "posix" else r"[new]\study.yaml"  # in quotes where a shell needs them
    assert (code, shown.strip()) == (0, f"Wrote [new]. Next: prognoscope run {asked}")
    assert ask("check", "[new]/study.yaml", "--set", "splits.folds=3")[0] == 0
    code, _, said = ask("simulate", "[new]", "--features-only")
    assert code == 2 and "[new] exists" in said and "\n" not in said
    code, _, said = ask("simulate", "other", "--features-only", "--bags", 9, 4)
    assert code == 2 and "9 and 4" in said and not Path("other").exists()


def test_extract_says_what_it_did_and_goes_on_where_it_stopped(tmp_path, monkeypatch, ask):
    monkeypatch.chdir(tmp_path)
    simulate_cohort("painted", patients=20, seed=3, slide_px=1024, multi_slide=0.0)
    for number in range(3, 21):
        Path(f"painted/slides/SIM-{number:04}-A.tiff").unlink()
    code, shown, said = ask("extract", "painted/study.yaml")
    assert (code, said) == (0, "") and "2 slides now, 0 before, 0 failed" in shown
    white = np.full((512, 512, 3), 255, np.uint8)
    where = {"tile": (256, 256), "resolution": (20000, 20000), "resolutionunit": 3}
    tifffile.imwrite("painted/slides/SIM-0003-A.tiff", white, photometric="rgb", **where)
    code, shown, said = ask("extract", "painted/study.yaml")
    assert code == 1 and "0 slides now, 2 before, 1 failed" in shown
    assert said.startswith("left out: SIM-0003-A: ") and "\n" not in said
    assert len(list(Path("painted/embeddings").rglob("*.h5"))) == 2


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_of_a_run_breaks_no_number_at_any_width(cohort, finished, ask, width, monkeypatch):
    monkeypatch.setattr("prognoscope.study.run.run_plan", lambda *_, **__: finished)
    code, shown, said = ask("run", cohort / "study.yaml", width=width)
    assert (code, said) == (0, "")
    lines = shown.splitlines()
    assert all(len(line) <= width for line in lines if not line.startswith(("Report: ", "The general ")))
    for method in ["coxph", "snn", "Oracle: true risk", "Oracle: slides alone", "Oracle: genes alone"]:
        (row,) = [line for line in lines if line.startswith(method)]
        assert re.search(r" \d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\) ", row)
    assert ("Too narrow to show" in shown) == (width < 100)
    if width == 200:
        assert "C-index (95 % interval)" in shown and "D-calibration p" in shown


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("command", ["methods", "check", "compare"])
def test_tables_fold_between_words_only(cohort, ask, command, width):
    arguments = {"methods": [], "check": [cohort / "study.yaml"], "compare": [cohort / "run"]}[command]
    code, shown, _ = ask(command, *arguments, width=width)
    assert code == 0
    tables = [line for line in shown.splitlines() if not line.startswith(("warning", "Ready", "  "))]
    assert all(len(line) <= width for line in tables)
    words = {"methods": "Self-normalizing", "check": "patients", "compare": "difference"}[command]
    assert words in shown
    assert not re.search(r"^\s*\S\s*$", shown, re.MULTILINE)  # one letter a line


def test_a_column_that_finds_no_room_is_named(ask, monkeypatch, capsys):
    monkeypatch.setattr(telling, "out", Console(width=30))
    names = ["alpha", "beta", "gamma_gamma", "delta"]
    telling.show_table("[Title]", pd.DataFrame([["word", 0.12345, 10, float("nan")]], columns=names))
    shown = capsys.readouterr().out
    assert "[Title]" in shown and "0.123 " in shown
    assert "Too narrow to show: delta." in shown


def test_two_columns_without_room_fold_and_are_not_cut_off(monkeypatch, capsys):
    monkeypatch.setattr(telling, "out", Console(width=30))
    telling.show_table("Title", pd.DataFrame({"Method": ["Oracle: slides alone"], "C": ["0.672 (0.467 to 0.820)"]}))
    telling.show_table("Title", pd.DataFrame({"what": ["months: least, median, most"], "of": ["0.79, 15.94, 48.64"]}))
    shown = capsys.readouterr().out
    assert "0.672 (0.467 to 0.820)" in shown and all(word in shown for word in ("slides", "alone", "most", "48.64"))


def test_compare_prints_methods_and_pairs(cohort, ask, tmp_path):
    code, shown, _ = ask("compare", cohort / "run")
    assert code == 0
    assert re.search(r"^coxph +0\.\d{3} +0\.\d{3} +0\.\d{3}", shown, re.MULTILINE)
    assert re.search(r"^coxph +snn +-?0\.\d{3}", shown, re.MULTILINE)
    other = shutil.copytree(cohort / "run", tmp_path / "a" / "run")  # of the same name
    code, shown, _ = ask("compare", cohort / "run", other)
    assert code == 0 and f"{cohort / 'run'}/snn" in shown and f"{other}/snn" in shown


def test_compare_writes_every_format(cohort, ask, tmp_path):
    code, shown, _ = ask("compare", cohort / "run", "--ddof", 1, "--out", tmp_path / "table")
    assert code == 0 and "sd (ddof 1)" in shown and f"Wrote {tmp_path / 'table'}/comparison.html" in shown
    endings = {path.name for path in (tmp_path / "table").iterdir()}
    assert endings >= {f"comparison.{ending}" for ending in ("html", "csv", "md", "tex", "svg")}


def test_optimism_prints_a_table_and_writes_it_beside_the_run(spoiled, ask):
    kept = Path("run/optimism.csv").read_bytes()
    Path("run/optimism.csv").unlink()
    code, shown, _ = ask("optimism", "study.yaml")
    assert code == 0 and re.search(r"^snn +0\.\d{3} +0\.\d{3}", shown, re.MULTILINE) and "Noise" in shown
    assert Path("run/optimism.csv").read_bytes() == kept
    assert Path("run/optimism.md").is_file() and Path("run/optimism.svg").is_file()
    assert ask("optimism", "run", "--out", "other")[0] == 0 and Path("other/optimism.md").is_file()


def test_report_is_written_again(spoiled, ask):
    Path("run/report.html").unlink()
    assert ask("report", "run")[:2] == (0, "Wrote run/report.html\n")
    assert Path("run/report.html").is_file()


def test_predict_writes_a_table_of_new_patients(spoiled, ask):
    clinical = pd.read_csv("clinical.csv", dtype=str)
    clinical.head(7).drop(columns=["time_months", "event"]).to_csv("new.csv", index=False)
    study = yaml.safe_load(Path("study.yaml").read_text())
    study["cohort"]["clinical"] = {"table": "new.csv", "covariates": ["age", "is_female"]}
    Path("new.yaml").write_text(yaml.safe_dump(study))
    command = "predict run --study new.yaml --method coxph --overlap keep --times 12,20 --out out/risks.csv"
    code, shown, said = ask(*command.split())
    assert (code, shown.splitlines()[0], said) == (0, "Wrote out/risks.csv: 7 patients.", "")
    assert pd.read_csv("out/risks.csv")["patient_id"].tolist() == sorted(clinical["patient_id"].head(7))


def test_predict_says_whom_it_leaves_out(spoiled, ask):
    genes = pd.read_csv("genes.csv", dtype=str)
    genes.iloc[2:].to_csv("genes.csv", index=False)
    command = "predict run --study study.yaml --method snn --overlap keep --out risks.csv"
    code, shown, said = ask(*command.split())
    who = ", ".join(genes["patient_id"].head(2))
    assert (code, said) == (0, "")
    assert shown.splitlines()[1:2] == [f"2 patients left out at the step 'with genes': {who}."]


def delete(*names: str):
    def spoil() -> None:
        for name in names:
            shutil.rmtree(name) if Path(name).is_dir() else Path(name).unlink()

    return spoil


def unsealed(spoil):
    """Of a version without manifests, where nothing but the content itself can tell that a file was spoilt."""

    def both() -> None:
        for path in Path("run").rglob("manifest.json"):
            path.unlink()
        spoil()

    return both


def write(name: str, text: str):
    return lambda: Path(name).write_text(text)


def replace(name: str, old: str, new: str):
    return lambda: Path(name).write_text(Path(name).read_text().replace(old, new))


PREDICT = "predict run --study study.yaml --out new.csv --method snn --overlap keep"
RUNS = {
    "compare nowhere": (None, "There is no run folder nowhere. Name the folder that `prognoscope run` wrote."),
    "report nowhere": (None, "There is no run folder nowhere."),
    "report genes.csv": (None, "There is no run folder genes.csv."),
    "report features": (None, "features/metrics.csv does not exist. Name a folder that `prognoscope run` has finished"),
    "compare features": (None, "features/provenance.json does not exist. Name a folder that `prognoscope run` has"),
    "predict features --study study.yaml": (None, "features/provenance.json does not exist"),
    "run study.yaml --out features": (None, "features is neither empty nor a run. Choose another folder with --out."),
    "run study.yaml --out genes.csv": (None, "genes.csv is a file. Choose a folder with --out."),
    "run study.yaml --set training.epochs=3": (None, "run holds a run with other settings of training. Choose another"),
    "run study.yaml --set name=x": (unsealed(write("run/study.yaml", "a: [")), "run/study.yaml, line 1, is not YAML"),
    "run study.yaml --jobs 1": (
        unsealed(write("run/study.yaml", "- a")),
        "run/study.yaml is not the study file of a run",
    ),
    "compare run run": (None, "The run run is named twice."),
    "compare run --published": (None, "No published values are known of simulated. Say with --cohort which"),
    "compare run --published --cohort luda": (None, "No values of 'luda' were published; did you mean 'luad'?"),
    "compare run --published --metric auc": (None, "values of methods are c_index and log_rank_p, so they cannot"),
    "compare run --metric d_calibration_p": (None, "d_calibration_p has no mean over folds"),
    "compare run --ddof 0": (delete("run/metrics.csv"), "run/metrics.csv does not exist. Name a folder that"),
    "optimism study.yaml --run nowhere": (None, "There is no run folder nowhere."),
    "optimism run": (delete("run/snn/fold_1"), "run/snn/fold_1/predictions.csv does not exist. Name a folder"),
    "optimism ./run": (delete("run/provenance.json"), "run/provenance.json does not exist. Name a folder"),
    "optimism run --out other": (
        unsealed(delete("run/snn/fold_0/history.csv", "run/snn/fold_1/history.csv", "run/snn/fold_2/history.csv")),
        "No method in run kept the C-index",
    ),
    "compare run --metric cindex": (None, "There is no metric 'cindex'; did you mean 'c_index'?"),
    "compare run": (delete("run/snn/fold_1"), "run/snn/fold_1/predictions.csv does not exist. Name a folder that"),
    "compare run --metric auc": (delete("run/snn"), "run/snn/fold_0/predictions.csv does not exist"),
    "compare run --metric c_index": (delete("run/outcomes.csv"), "run/outcomes.csv does not exist"),
    "compare ./run": (delete("run/splits.csv"), "run/splits.csv does not exist"),
    "compare run/": (unsealed(write("run/snn/fold_1/model.json", '{"a": ')), "run/snn/fold_1/model.json is not JSON"),
    "compare run/.": (unsealed(write("run/snn/fold_1/model.json", '{"a": 1}')), "model.json tells no name, options"),
    "compare ././run": (
        unsealed(write("run/provenance.json", "[]")),
        "The provenance run/provenance.json is not a mapping. Remove",
    ),
    "compare ../cohort/run": (
        unsealed(write("run/snn/fold_1/predictions.csv", "")),
        "predictions.csv is not a CSV table",
    ),
    "compare ./run/": (
        unsealed(replace("run/snn/fold_1/predictions.csv", "risk", "rsk")),
        "predictions.csv has no column risk",
    ),
    "compare ./run/.": (unsealed(replace("run/snn/fold_1/predictions.csv", "SIM-", "XX-")), "are not in outcomes.csv"),
    "report run": (delete("run/metrics.csv"), "run/metrics.csv does not exist. Name a folder that"),
    "report ./run": (delete("run/snn", "run/coxph"), "No method in run has predictions yet."),
    "predict run --study study.yaml": (None, "The run run has 2 methods: coxph, snn. Name one with --method."),
    "predict run --study study.yaml --method sn": (None, "has no method 'sn'; did you mean 'snn'?"),
    f"{PREDICT} --out features": (None, "features is a folder. Name the CSV file to write with --out."),
    PREDICT: (delete("run/snn"), "has no trained model of snn in 3 folds: 0, 1, 2. Start its"),
    f"{PREDICT} --set name=a": (delete("run/snn/fold_1/model.safetensors"), "model.safetensors does not exist. Train"),
    f"{PREDICT} --set name=b": (
        unsealed(write("run/snn/fold_1/model.safetensors", "x")),
        "is not a whole file of weights",
    ),
    f"{PREDICT} --set name=c": (
        unsealed(write("run/snn/fold_1/model.json", "{}")),
        "model.json tells no name, options",
    ),
    "compare run --ddof 1": (replace("run/metrics.csv", "0.", "1."), "run/metrics.csv is not what the run wrote there"),
    f"{PREDICT} --set name=d": (replace("genes.csv", "TSG001", "XYZ"), "gene table lacks 1 of the"),
    f"{PREDICT} --set cohort.omics=": (None, "None of the 40 patients of simulated has genes. Give cohort.omics"),
}


USERS = "a user's own file\n"
OVERWRITES = {  # command -> a file that stands where it would write, and what it is told
    "run study.yaml --out .": (None, ". is neither empty nor a run. Choose another folder with --out."),
    "run study.yaml --out ": (None, ". is neither empty nor a run."),
    "run study.yaml --out ..": (None, ".. is neither empty nor a run."),
    "run study.yaml --out other": ("other/study.yaml other/clinical.csv", "other is neither empty nor a run."),
    "run study.yaml --out truth/run --set cohort.clinical.table=truth/run/a.csv": (
        "truth/run/study.yaml",
        "does not exist",
    ),
    "run study.yaml --out features/run": (None, "features/run lies in "),
    "run study.yaml --out notes": ("notes/log.txt", "notes/log.txt is there already and is not of this command"),
    "demo mine": ("mine/study.yaml", "mine holds a study that is not of a simulated cohort. Name another folder."),
    "simulate mine --features-only": ("mine/a.csv", "mine exists and is not an empty folder."),
    "init mine": ("mine/study.schema.json", "mine/study.schema.json is there already and is not of this command"),
    "schema mine": ("mine/study.schema.json", "mine/study.schema.json is there already and is not of this command"),
    "compare run --out .": ("comparison.md", "comparison.md is there already and is not of this command"),
    "compare run --out run": (None, "run/comparison.csv is there already and is not of this command"),
    "optimism run --out .": ("optimism.csv", "optimism.csv is there already and is not of this command"),
    "optimism run --out ./": ("optimism.md", "optimism.md is there already and is not of this command"),
    f"{PREDICT} --set name=e --out clinical.csv": (None, "clinical.csv is there already and is not of this command"),
    f"{PREDICT} --out run/snn/fold_0/predictions.csv": (None, "predictions.csv is there already and is not of this"),
    f"{PREDICT} --out study.yaml": (None, "study.yaml is there already and is not of this command"),
    f"{PREDICT} --out /dev/null": (None, "/dev/null is no ordinary file."),
    f"{PREDICT} --out genes.csv/new.csv": (None, "The predictions cannot be written to genes.csv"),
    "methods --out study.yaml": (None, "study.yaml is there already and is not of this command"),
    "methods --out features": (None, "features is no ordinary file. Name the file to write with --out."),
}


@pytest.mark.parametrize("command", OVERWRITES)
def test_no_command_writes_over_what_it_has_not_written(command, spoiled, ask):
    names, words = OVERWRITES[command]
    for name in (names or "").split():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(USERS)
    before = {path: path.stat().st_mtime_ns for path in spoiled.rglob("*")}
    code, _, said = ask(*command.split(" "))
    assert code in (1, 2) and said.startswith("error: ") and words in said and "\n" not in said
    assert {path: path.stat().st_mtime_ns for path in spoiled.rglob("*")} == before


@pytest.mark.parametrize(
    "command",
    [PREDICT, "compare run --out table", "optimism run --out table", "methods --out m.md", "schema mine"],
)
def test_a_command_writes_over_its_own(command, spoiled, ask):
    for _ in range(2):
        code, _, said = ask(*command.split())
        assert (code, said) == (0, "")


def test_a_second_run_of_a_folder_is_told_who_is_there(spoiled, ask):
    with at_work(Path("run")):
        code, _, said = ask("run", "study.yaml")
    assert code == 2 and "run is in use: `prognoscope run`, by process" in said
    assert said.endswith("end it (what is finished is kept), or choose another folder with --out.")
    assert ask("run", "study.yaml")[0] == 0


@pytest.mark.parametrize("command", RUNS)
def test_a_folder_that_is_no_whole_run_is_refused_in_a_sentence(command, spoiled, ask):
    spoil, words = RUNS[command]
    if spoil is not None:
        spoil()
    before = {path: path.stat().st_mtime_ns for path in spoiled.rglob("*")}
    code, _, said = ask(*command.split())
    *warnings, said = said.splitlines()
    assert code == 2 and said.startswith("error: ") and words in said
    assert all("kept no sums of its files" in warning for warning in warnings)
    assert {path: path.stat().st_mtime_ns for path in spoiled.rglob("*")} == before


def test_runs_on_other_folds_are_not_compared(spoiled, ask):
    assert ask("run", "study.yaml", "--set", "splits.seed=5", "--set", "methods=snn", "--out", "other")[0] == 0
    code, _, said = ask("compare", "run", "other")
    assert code == 2 and "Fold 0 has other patients" in said and "\n" not in said


def test_demo_simulates_the_world_that_its_help_tells(spoiled, ask, monkeypatch):
    asked = {}

    def ends_there(folder, **how):
        asked.update(how)
        raise InputError("No more.")

    monkeypatch.setattr("prognoscope.simulation.cohort.simulate_cohort", ends_there)
    assert ask("demo", "new", "--jobs", 1)[0] == 2
    assert (asked["patients"], asked["censoring"], asked["multi_slide"]) == (240, 0.2, 0.1)
    shown = " ".join(ask("demo", "--help")[1].split())
    assert "A fifth of the patients is censored, a tenth has several slides." in shown


def test_demo_continues_with_the_cohort_that_is_there(spoiled, ask, monkeypatch):
    monkeypatch.setattr(telling, "extract_and_tell", lambda *_: {})
    monkeypatch.setattr(making, "explain_and_tell", lambda *_, **__: None)
    code, shown, _ = ask("demo", ".", "--epochs", 2, "--jobs", 1)
    assert code == 0
    assert "holds a simulated cohort already" in shown and "Oracle: true risk" in shown and "Report: " in shown
