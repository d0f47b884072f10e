"""A manifest tells of its files as they were written; whatever happens to one of them since is refused by its name."""

import json
import time

import pandas as pd
import pytest

from prognoscope.core.errors import InputError
from prognoscope.core.files import write_text
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.manifest import checked, damage, is_there, read_manifest, seal, seal_also, unseal
from prognoscope.runs.read import Run
from tests.analysis.fake_runs import write_run

MADE_OF = Fingerprint({"genes": {"a": "1"}, "encoder": "stain"})


@pytest.fixture
def folder(tmp_path):
    for name in ("one.csv", "two.csv", "sub/three.csv"):
        write_text(tmp_path / name, f"{name}\n1\n")
    seal(tmp_path, [tmp_path / name for name in ("one.csv", "two.csv", "sub/three.csv", "none.csv")], MADE_OF)
    return tmp_path


def test_a_manifest_is_read_as_it_was_written(folder):
    manifest = read_manifest(folder)
    assert manifest is not None and manifest.made_of == MADE_OF
    assert list(manifest.files) == ["one.csv", "sub/three.csv", "two.csv"]
    assert damage(folder) == [] and checked(folder / "one.csv") == folder / "one.csv"
    assert read_manifest(folder / "sub") is None and damage(folder / "sub") == []


@pytest.mark.parametrize("content", [b"one.csv\n2\n", b"", b"one.csv\n", b"two.csv\n1\n"])
def test_a_file_with_other_content_is_refused_with_two_ways_on(folder, content):
    (folder / "one.csv").write_bytes(content)
    assert damage(folder) == ["one.csv"]
    with pytest.raises(
        InputError, match=r"one.csv is not what the run wrote there.*put the file back.*prognoscope run"
    ):
        checked(folder / "one.csv")


def test_a_file_that_is_gone_is_damage_and_one_that_is_not_told_of_is_not_of_the_run(folder):
    (folder / "sub" / "three.csv").unlink()
    (folder / "two.csv").unlink()
    assert damage(folder) == ["sub/three.csv", "two.csv"] and is_there(folder / "two.csv")
    write_text(folder / "late.csv", "x\n")
    assert not is_there(folder / "late.csv")
    with pytest.raises(InputError, match=r"late.csv was there before its run came to an end"):
        checked(folder / "late.csv")


def test_every_byte_of_a_manifest_counts(folder):
    path = folder / "manifest.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            assert json.loads(path.read_bytes()) == json.loads(whole)  # a blank for a line's end
        except (ValueError, AssertionError):
            with pytest.raises(InputError, match="manifest.json is damaged"):
                read_manifest(folder)
            assert damage(folder) == ["manifest.json"]
    for other in (b"", b"[]", b"{}", b'{"sum": 1}', b"[" * 100_000, b"\xff"):
        path.write_bytes(other)
        with pytest.raises(InputError, match="manifest.json is damaged"):
            read_manifest(folder)


def test_a_file_is_added_or_taken_away_and_the_sums_of_others_stay(folder):
    write_text(folder / "one.csv", "spoilt")
    write_text(folder / "late.csv", "x\n")
    seal_also([folder / "late.csv"])
    assert checked(folder / "late.csv") and damage(folder) == ["one.csv"]
    unseal(folder, [folder / "late.csv"])
    assert not is_there(folder / "late.csv") and not (folder / "late.csv").exists() and damage(folder) == ["one.csv"]


@pytest.fixture
def run(tmp_path):
    """A run that knows its files."""
    folder = write_run(tmp_path / "run", knows={"good": 0.6, "poor": 0.1})
    files = RunFiles(folder)
    for method in files.methods():
        for fold in files.folds(method):
            seal(fold.folder, fold.kept, MADE_OF)
    seal(folder, (*files.before_training, *files.tables), MADE_OF)
    return folder


def edit(path):
    table = pd.read_csv(path, dtype=str)
    table.iloc[0, -1] = "0.123"
    table.to_csv(path, index=False)


READERS = {
    "good/fold_1/predictions.csv": lambda run: run.folds("good"),
    "good/fold_1/model.json": lambda run: run.folds("good"),
    "splits.csv": lambda run: run.fold_numbers,
    "outcomes.csv": lambda run: run.outcomes,
    "metrics.csv": lambda run: run.found,
    "provenance.json": lambda run: run.protocol,
}


@pytest.mark.parametrize("name", READERS)
def test_whoever_reads_a_run_refuses_a_file_that_was_edited(run, name):
    READERS[name](Run(run))
    path = run / name
    edit(path) if path.suffix == ".csv" else path.write_text(path.read_text().replace("good", "poor"))
    with pytest.raises(InputError, match=f"{name} is not what the run wrote there"):
        READERS[name](Run(run))


def test_a_fold_without_its_manifest_is_not_finished_where_the_run_has_one(run):
    (run / "good" / "fold_1" / "manifest.json").unlink()
    assert list(Run(run).method("good").tested) == [0, 2]


def test_tables_of_a_run_that_was_begun_again_and_stopped_are_not_read(run):
    files = RunFiles(run)
    seal(run, files.before_training, MADE_OF)
    with pytest.raises(InputError, match=r"metrics.csv was there before its run came to an end"):
        assert Run(run).metrics is None
    assert Run(run).comparison.empty and Run(run).protocol == ""


def test_a_run_without_manifests_is_read_and_that_is_told(tmp_path, caplog):
    run = Run(write_run(tmp_path / "old", knows={"good": 0.6}))
    assert len(run.folds("good")) == 3 and run.protocol == "honest"
    assert "kept no sums of its files" in caplog.text


def test_nothing_is_told_of_sums_where_they_are_kept_or_there_is_no_provenance(run, tmp_path, caplog):
    assert Run(run).protocol == "honest"
    (tmp_path / "empty").mkdir()
    assert Run(tmp_path / "empty").protocol == "" and not caplog.text


def test_130_folds_are_checked_in_well_under_a_second(tmp_path):
    folders = [tmp_path / str(i) for i in range(130)]
    for folder in folders:
        for name in ("predictions.csv", "model.json", "history.csv"):
            write_text(folder / name, "x" * 20_000)
        seal(folder, list(folder.iterdir()), Fingerprint({f"part {i}": "sum 0123456789abcdef" for i in range(15)}))
    began = time.process_time()
    assert not any(damage(folder) for folder in folders)
    assert time.process_time() - began < 0.5
