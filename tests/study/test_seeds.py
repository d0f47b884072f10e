"""Several seeds: a run folder each, nothing trained twice, and one table over all of them."""

import pytest
import yaml

from prognoscope.cli import main
from prognoscope.core.errors import StudyError
from prognoscope.runs.read import Run
from prognoscope.study.comparing import compare_runs
from prognoscope.study.seeds import plans_by_seed, runs_in
from prognoscope.study.study import Study

pytestmark = pytest.mark.usefixtures("sketched")
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
    page = run.files.report.read_text()
    section = page[page.index('id="sweeps"') :]
    assert "snn by dropout-widths" in section and (run.files.figures / "sweep_snn_dropout-widths.csv").is_file()


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
