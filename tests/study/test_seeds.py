"""Several seeds: a run folder each, nothing trained twice, and one table over all of them."""

import os
from pathlib import Path

import pytest
import yaml

from prognoscope.cli import main
from prognoscope.core.errors import InputError, StudyError
from prognoscope.report.page_section import draw_section
from prognoscope.report.sections.sweeps import SECTION
from prognoscope.runs.read import Run
from prognoscope.runs.seeds import runs_in, titles_of
from prognoscope.study.clock import Several, Standing
from prognoscope.study.comparing import compare_runs
from prognoscope.study.places import stored
from prognoscope.study.seeds import plans_by_seed, report_again
from prognoscope.study.study import Study
from prognoscope.viewer import serve

pytestmark = pytest.mark.usefixtures("sketched", "bare")
METHODS = "methods=[{name: snn, widths: [8], vary: {dropout: [0.1, 0.25], widths: [[8], [4]]}}]"
SETS = [METHODS, "seeds=2", "training.seed=3", "training.epochs=2"]


@pytest.fixture(scope="module")
def folder(simulated):
    Study.load(simulated / "study.yaml", SETS).run_seeds(simulated / "seeds")
    return simulated / "seeds"


def test_each_seed_has_a_run_that_can_be_run_again(folder, simulated):
    assert [each.name for each in runs_in(folder)] == ["seed_3", "seed_4"]
    settings = yaml.safe_load((folder / "seed_4" / "study.yaml").read_text())
    assert settings["seeds"] == 1 and settings["training"]["seed"] == 4
    files = folder / "seed_4" / "snn" / "fold_0" / "predictions.csv"
    stamp = files.stat().st_mtime_ns
    Study.of(settings, folder / "seed_4").run(folder / "seed_4")
    Study.load(simulated / "study.yaml", [*SETS, "seeds=2"]).run_seeds(folder)
    assert files.stat().st_mtime_ns == stamp


def test_seeds_share_patients_and_folds_and_nothing_else(folder):
    one, other = map(Run, runs_in(folder))
    assert one.splits.equals(other.splits)
    assert not one.predictions["risk"].equals(other.predictions["risk"])


def test_points_of_a_sweep_start_alike_and_stand_in_the_tables(folder):
    run = Run(folder / "seed_3")
    assert list(run.methods) == ["snn"]
    assert run.sweeps["method"].tolist() == ["snn-dropout-0.1", "snn-dropout-0.1-widths-4", "snn", "snn-widths-4"]
    assert run.sweeps["row"].iloc[1] == "dropout = 0.1, widths = 4"
    for row in run.sweeps.to_dict("records"):
        assert row["c_index"] == run.summary(row["method"], "c_index")["value"]
        apart = row["c_index"] - run.summary("snn", "c_index")["value"]
        assert row["method"] == "snn" or row["difference"] == pytest.approx(apart)
    section = draw_section(SECTION, run)
    assert "snn by dropout-widths" in section.html
    assert [plate.stem for plate, _ in section.plates] == ["sweep_snn_dropout-widths"]


def test_tables_over_all_seeds_lie_beside_the_runs(folder):
    assert {each.name for each in folder.glob("*.html")} == {"comparison.html", "sweeps.html"}
    table = compare_runs(runs_in(folder), "sweeps", draws=20).table
    assert set(table["seeds"]) == {"3 4"} and table["sd_seeds"].notna().all()


def test_compare_takes_a_folder_of_seeds_for_its_runs(folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(folder), "--sweeps"])
    assert not ended.value.code
    told = capsys.readouterr().out
    assert "seeds \u00b1" in told and "dropout = 0.1" in told


def test_a_folder_that_holds_something_else_is_refused(simulated, folder, tmp_path):
    study = Study.load(simulated / "study.yaml", SETS)
    with pytest.raises(StudyError, match="holds a run with one seed"):
        study.run_seeds(folder / "seed_3")
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(StudyError, match="holds more than runs with several seeds: mine.txt"):
        study.run_seeds(tmp_path)
    with pytest.raises(StudyError, match="Call `run_seeds`"):
        study.run(tmp_path / "run")
    other = Study.load(simulated / "study.yaml", [*SETS, "training.epochs=1"]).plan()
    with pytest.raises(StudyError, match="seed_3 holds a run with other settings of training"):
        plans_by_seed(other, folder)
    with pytest.raises(StudyError, match="holds runs with several seeds, and this study has one"):
        Study.load(simulated / "study.yaml", [*SETS, "seeds=1"]).run(folder)


def ask(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err.strip()


@pytest.mark.parametrize(
    "command",
    ["explain {}", "figures {} --out {}/out", "optimism {}", "predict {} --study {}/../study.yaml --out {}/../new.csv"],
)
def test_what_reads_one_run_names_those_of_a_folder_of_seeds(folder, capsys, command):
    code, _, said = ask(capsys, *command.format(*[folder] * 3).split())
    assert code == 2 and said.endswith(
        f"{folder} holds runs with several seeds: seed_3 and seed_4. Name one of them, such as {folder}/seed_3."
    )
    assert not (folder / "out").exists() and not (folder.parent / "new.csv").exists()


def test_the_viewer_shows_the_first_seed_and_names_the_others(folder, capsys, monkeypatch):
    served = []
    monkeypatch.setattr(serve.Serving, "run", lambda self, **_: served.append(self.listener.close()))
    code, said, _ = ask(capsys, "view", folder, "--no-browser")
    assert not code and served
    assert f"This is seed_3; seed_4: `prognoscope view {folder}/seed_4`." in said


def test_pages_of_all_seeds_and_their_comparisons_are_made_again(folder):
    pages = [folder / each for each in ("seed_3/report.html", "seed_4/report.html", "comparison.html", "sweeps.html")]
    before = [(page.read_bytes(), page.stat().st_mtime_ns) for page in pages]
    assert report_again(folder) == pages
    for page, (text, stamp) in zip(pages, before, strict=True):
        assert page.read_bytes() == text and page.stat().st_mtime_ns > stamp


def test_a_comparison_that_is_not_ours_is_told_before_any_work(folder, simulated):
    page = folder / "sweeps.html"
    text, stamps = page.read_text(), [each.stat().st_mtime_ns for each in folder.glob("seed_*/*")]
    page.write_text("mine")
    try:
        for work in (report_again, Study.load(simulated / "study.yaml", SETS).run_seeds):
            with pytest.raises(InputError, match="is there already and is not of this command"):
                work(folder)
    finally:
        page.write_text(text)
    assert [each.stat().st_mtime_ns for each in folder.glob("seed_*/*")] == stamps


def test_no_page_is_made_again_while_a_seed_is_unfinished(folder, monkeypatch):
    pages = {page: page.stat().st_mtime_ns for page in folder.rglob("*.html")}
    told = folder / "seed_4" / "provenance.json"
    told.rename(told.with_suffix(".away"))
    try:
        with pytest.raises(InputError, match="seed_4"):
            report_again(folder)
    finally:
        told.with_suffix(".away").rename(told)
    assert {page: page.stat().st_mtime_ns for page in folder.rglob("*.html")} == pages


def test_check_counts_the_trainings_of_all_seeds(simulated):
    study = Study.load(simulated / "study.yaml", SETS)
    assert "Trainings: 4 methods in 3 folds, with 2 seeds (3, 4): 24." in study.check().notes
    both = ["methods=[snn, abmil]", "seeds=1", "evaluation.surgery=true"]
    permuted = "Trainings: 2 methods in 3 folds, and each once more on permuted outcomes: 8."
    assert permuted in Study.load(simulated / "study.yaml", [*SETS, *both]).check().notes
    search = "training.search={trials: 5, folds: 2, space: {epochs: [1, 2]}}"
    counted = "Trainings: 1 method in 3 folds, with 2 seeds (3, 4): 6. 60 more try settings."
    assert counted in Study.load(simulated / "study.yaml", [*SETS, "methods=[snn]", search]).check().notes


def test_time_left_is_that_of_all_seeds():
    now = [0.0]
    clock = Several(4, "seed", now=lambda: now[0])
    clock.begin()
    assert clock.whole(Standing(0.5, None, "snn")) == Standing(0.125, None, "seed 1 of 4: snn")
    now[0] = 10.0
    assert clock.whole(Standing(0.5, 10.0, "snn")) == Standing(0.125, 70.0, "seed 1 of 4: snn")
    now[0] = 30.0
    clock.begin()
    assert clock.whole(Standing(0.0, 5.0, "")).left_s == 65.0  # the others as long as the first
    for _ in range(2):
        clock.begin()
    assert clock.whole(Standing(1.0, 0.0, "")) == Standing(1.0, 0.0, "seed 4 of 4: ")


def test_seeds_share_their_embeddings_where_the_study_has_no_room(simulated, tmp_path, monkeypatch):
    write = Path.write_bytes

    def refuse(self, data):
        if self.parent in (simulated, simulated / "embeddings"):
            raise PermissionError(13, "Permission denied", str(self))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != simulated and access(path, mode))
    at = tmp_path / "seeds" / "embeddings"
    at.mkdir(parents=True)  # as a run leaves it, which goes on
    plan = Study.load(simulated / "study.yaml", SETS).plan()
    for folder, of_seed in plans_by_seed(plan, at.parent).items():
        assert stored(of_seed.study, folder / "embeddings").cache == at


def test_cohorts_of_one_name_are_told_apart_by_their_folders():
    assert titles_of(["a", "b", "a"], [Path("x"), Path("y"), Path("z")]) == ["a (x)", "b", "a (z)"]
    with pytest.raises(InputError, match="is named twice"):
        titles_of(["a", "a"], [Path("x"), Path("./x")])
