"""Where a run writes: in a place of its own, tried first, with one process at a time, and with a log."""

import logging
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from prognoscope.core.claims import ClaimedError
from prognoscope.core.errors import StudyError, UnwritableError
from prognoscope.features.encoders.weights import weights_home
from prognoscope.models.snn.network import SNN
from prognoscope.study import places
from prognoscope.study.gather import gather
from prognoscope.study.places import check_place, need_run_or_room, place_warnings, stored, try_places
from prognoscope.study.run_log import FIRST_LINE, at_work
from prognoscope.study.study import Study

pytestmark = pytest.mark.usefixtures("sketched", "bare")

COXPH = "{name: coxph, penalizers: [0.1]}"
FEW = [
    f"methods=[{COXPH}]",
    "splits.folds=2",
    "evaluation.surgery=false",
    "evaluation.draws=10",
]


@pytest.fixture
def study(study_folder) -> Study:
    return Study.load(study_folder / "study.yaml", FEW)


@pytest.fixture
def closed(monkeypatch):
    """A folder that takes no files, as on a share that is mounted for reading."""

    def close(folder: Path) -> None:
        write = Path.write_bytes

        def refuse(self, data):
            if folder == self.parent:
                raise PermissionError(13, "Permission denied", str(self))
            return write(self, data)

        monkeypatch.setattr(Path, "write_bytes", refuse)
        monkeypatch.setattr(os, "access", lambda path, _: Path(path) != folder)

    return close


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (".", "holds more than a run. Give the run a folder of its own with --out."),
        ("..", "holds inputs of the study: .*clinical.csv"),
        ("truth", "holds inputs of the study: .*truth/patients.csv"),
        ("features", "holds inputs of the study: "),
        ("features/new/run", "features, whose files are inputs of the study."),
    ],
)
def test_a_run_does_not_mix_with_what_it_is_made_of(study, folder, words):
    with pytest.raises(StudyError, match=words):
        check_place(study, study.folder / folder)
    check_place(study, study.folder / "run")


def test_a_link_to_the_study_and_home_are_no_run_folders(study, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(study.folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder in (tmp_path / "link", tmp_path / "home", Path("/")):
        with pytest.raises(StudyError, match="holds more than a run"):
            check_place(study, folder)


@pytest.mark.skipif(os.name == "nt", reason="there everybody has one")
def test_a_user_without_a_home_runs_studies(study, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # as in a container, started for a user it does not know
    check_place(study, study.folder / "run")
    assert weights_home().name == "prognoscope"


def test_a_study_whose_slides_lie_beside_it_has_its_run_there_too(study):
    beside = replace(study, spec=Study.of(STUDY_OF_SLIDES, study.folder).spec)
    check_place(beside, study.folder / "run")


STUDY_OF_SLIDES = {
    "name": "x",
    "cohort": {
        "clinical": {"table": "c.csv", "patient": "p", "time": "t", "time_unit": "days", "event": "e"},
        "slides": {"folder": "."},
    },
    "methods": ["abmil"],
}


def test_a_study_file_makes_no_run_of_a_folder(tmp_path):
    (tmp_path / "study.yaml").write_text("name: mine\n")
    need_run_or_room(tmp_path)
    (tmp_path / "clinical.csv").write_text("patient_id\n")
    (tmp_path / "splits.csv").write_text("patient_id,fold\n")
    with pytest.raises(StudyError, match="is neither empty nor a run"):
        need_run_or_room(tmp_path)
    (tmp_path / "splits.csv").write_text("patient_id,fold,part\n")
    need_run_or_room(tmp_path)


def test_a_run_that_was_killed_before_it_had_written_anything_goes_on(study):
    folder = study.folder / "run"
    folder.mkdir()
    (folder / "log.txt").write_text(f"{FIRST_LINE}\n")
    (folder / ".claim").write_text("")
    os.utime(folder / ".claim", (0, 0))
    assert study.run(folder).failures == ()


def test_embeddings_follow_a_run_out_of_a_folder_that_cannot_be_written_to(study, closed, tmp_path):
    whole = Study.load(study.folder / "study.yaml", [*FEW, "methods=[meanmil]", "training.epochs=1"])
    closed(study.folder)
    done = whole.run(tmp_path / "out")
    assert list((tmp_path / "out" / "embeddings").glob("*.bags")) and not (study.folder / "embeddings").exists()
    again = replace(whole.plan(), study=stored(whole, done.folder / "embeddings"))
    pack = gather(again).pack
    assert pack is not None and pack.parent == done.folder / "embeddings"
    assert "give `run` a folder with --out, which keeps the embeddings too." in place_warnings(whole)[0]
    with pytest.raises(UnwritableError, match=r"The run cannot be written to .*/run \(permission denied in .*study\)"):
        whole.run()


def test_extraction_is_refused_before_any_slide_where_nothing_can_be_kept(study, closed):
    painted = Study.of(STUDY_OF_SLIDES, study.folder)
    closed(study.folder)
    with pytest.raises(UnwritableError, match="The embeddings of slides cannot be written to .*Change its permissions"):
        painted.extract()


def test_a_folder_inside_a_run_that_takes_nothing_is_named(study, closed, tmp_path):
    closed(tmp_path / "out" / "snn")
    (tmp_path / "out" / "snn").mkdir(parents=True)
    with pytest.raises(UnwritableError, match="out/snn. Change its permissions"):
        try_places(study, tmp_path / "out", has_bags=False, extracts=False)


def test_the_log_tells_what_happened_and_when(study, monkeypatch):
    before = logging.getLogger("prognoscope").level
    monkeypatch.setattr(SNN, "forward", lambda *_: 1 / 0)
    run = Study.load(study.folder / "study.yaml", [*FEW, f"methods=[{COXPH}, snn]"]).run()
    log = (run.folder / "log.txt").read_text()
    lines = log.splitlines()
    assert lines[0].startswith(FIRST_LINE)
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO prognoscope\.", line) for line in lines[1:])
    for words in ("begun by prognoscope", "coxph, fold 1: ended", "snn, fold 0: failed: snn, fold 0: ", "finished"):
        assert words in log
    study.run()
    assert (run.folder / "log.txt").read_text().startswith(log)
    assert logging.getLogger("prognoscope").level == before


def test_the_log_tells_how_a_run_ended_that_did_not_finish(study, monkeypatch):
    monkeypatch.setattr(places, "need_writable", lambda *_: None)
    with pytest.raises(KeyboardInterrupt), at_work(study.folder / "run"):
        raise KeyboardInterrupt
    with pytest.raises(MemoryError), at_work(study.folder / "run"):
        raise MemoryError
    told = (study.folder / "run" / "log.txt").read_text()
    assert "stopped by Ctrl-C" in told and "ended by an error: There was not enough memory" in told


def test_a_run_that_is_refused_leaves_nothing(study):
    with pytest.raises(StudyError), at_work(study.folder / "run"):
        raise StudyError("It cannot be used.")
    assert not (study.folder / "run").exists()


def test_two_runs_of_one_folder_do_not_meet(study):
    with at_work(study.folder / "run"), pytest.raises(ClaimedError, match="is in use: `prognoscope run`, by process"):
        study.run()
    assert not (study.folder / "run" / "study.yaml").exists()
    assert study.run().failures == ()
