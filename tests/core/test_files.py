"""Files are whole or absent."""

import errno
import os
from pathlib import Path

import pytest

from prognoscope.core.errors import DiskFullError, InputError, MissingFileError, UnwritableError, nearest, some
from prognoscope.core.files import (
    need_file,
    need_ours,
    need_writable,
    read_json,
    remove_leftovers,
    write_json,
    write_text,
    written_whole,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), written_whole(target) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".x.h5.1234abcd.part").write_text("half")
    (tmp_path / "x.part").write_text("a user's own file")
    assert remove_leftovers(tmp_path) == 1
    assert (tmp_path / "x.part").exists()


def test_json_has_no_nan_and_sorted_keys(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": 0.1})
    assert read_json(tmp_path / "a.json", "The file") == {"a": 0.1, "b": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_errors_name_the_file_and_the_cure(tmp_path):
    with pytest.raises(MissingFileError, match=r"The table .*nowhere.csv does not exist. Correct the path; those in a"):
        need_file(tmp_path / "nowhere.csv", "The table")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_json(tmp_path / "bad.json", "The file")


def test_long_lists_are_cut_and_near_names_suggested():
    assert some(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert nearest("abmill", ["abmil", "snn"]) == "did you mean 'abmil'?"
    assert nearest("xyz", ["abmil", "snn"]) == "known: abmil, snn."
    assert nearest("age", ["AGE", "stage"]) == "did you mean 'AGE'?"
    assert nearest("age", ["sex", "stage"]) == "known: sex, stage."  # in another word, not a slip of the pen
    assert nearest("rna", ["cnv", "rnaseq"]) == "did you mean 'rnaseq'?"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("data\\clinical.csv", "Here folders are separated by /, not by a backslash"),
        ("~/clinical.csv", "Nothing is filled in for ~ and variables"),
        ("$HOME/clinical.csv", "Nothing is filled in"),
        ("https://example.org/clinical.csv", "It is an address"),
        ("Clinical.CSV", "There is 'clinical.csv' in"),
        ("clinical", "There is 'clinical.csv' in"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_may_be_wrong_with_it(tmp_path, path, why):
    (tmp_path / "clinical.csv").write_text("patient_id\n")
    if (tmp_path / path).exists():
        pytest.skip("this disk takes both for one name")
    with pytest.raises(MissingFileError, match=rf"does not exist\. {why}.*Correct the path"):
        need_file(tmp_path / path, "The table")


def test_a_link_to_nowhere_or_to_itself_says_where_it_leads(tmp_path):
    (tmp_path / "table.csv").symlink_to("gone.csv")
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(MissingFileError, match=r"does not exist\. .*table\.csv is a link to gone\.csv, which is not"):
        need_file(tmp_path / "table.csv", "The table")
    with pytest.raises(MissingFileError, match=r"round is a link to round, which is not there\. Correct the path"):
        need_file(tmp_path / "round" / "table.csv", "The table")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_pipe_is_not_said_to_be_absent(tmp_path):
    os.mkfifo(tmp_path / "table.csv")
    with pytest.raises(MissingFileError, match=r"table.csv is a pipe or a device\. Write it into a file"):
        need_file(tmp_path / "table.csv", "The table")


def test_a_field_of_a_million_letters_is_cut_in_a_message():
    told = str(InputError(f"a.csv has {'x' * 1_000_000!r} in row 2. Correct it."))
    assert told.startswith("a.csv has 'xxx")
    assert told.endswith("xxx... in row 2. Correct it.")
    assert len(told) < 300
    assert str(InputError("/" + "a" * 500)) == "/" + "a" * 500


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_disk_that_cannot_be_asked_to_flush_keeps_files_too(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", failing(number))
    write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.parametrize(
    ("number", "kind", "cure"),
    [
        (errno.ENOSPC, DiskFullError, "Make room and start again."),
        (errno.EDQUOT, DiskFullError, "Make room and start again."),
        (errno.EFBIG, DiskFullError, "allows no file as large, and nothing half written is left. Raise its limit"),
        (errno.EROFS, UnwritableError, "name another place"),
        (errno.EIO, UnwritableError, "See whether its disk is there and whole"),
        (errno.ESTALE, UnwritableError, "start the same command again"),
        (errno.EXDEV, UnwritableError, "start the same command again"),
    ],
)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_whatever_a_disk_refuses_is_one_sentence_and_nothing_is_left(tmp_path, monkeypatch, number, kind, cure, step):
    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], failing(number))
    with pytest.raises(kind) as refused:
        write_text(tmp_path / "a.txt", "new")
    told = str(refused.value)
    assert str(tmp_path / "a.txt") in told and cure in told and "nothing half written" in told
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


def failing(number: int):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


def test_a_name_may_be_as_long_as_the_disk_takes(tmp_path):
    write_text(tmp_path / ("ä" * 127), "whole")  # 254 bytes
    with pytest.raises(UnwritableError, match=r"file name too long.*Shorten the name"):
        write_text(tmp_path / ("x" * 256), "never")
    assert len(list(tmp_path.iterdir())) == 1


def test_an_error_about_another_file_stays_that_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"other\.csv"), written_whole(tmp_path / "a.txt"):
        (tmp_path / "other.csv").read_text()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    write_text(tmp_path / "disk" / "a.txt", "old")
    (tmp_path / "a.txt").symlink_to(tmp_path / "disk" / "a.txt")
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").is_symlink() and (tmp_path / "disk" / "a.txt").read_text() == "new"


def test_writing_is_tried_and_leaves_nothing(tmp_path):
    need_writable(tmp_path / "to" / "be" / "made", "The run", "")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UnwritableError, match=r"The run cannot be written to .*/file/run \(not a directory"):
        need_writable(tmp_path / "file" / "run", "The run", "Choose another folder with --out.")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can write")
def test_a_folder_that_takes_nothing_is_named_with_the_cure():
    with pytest.raises(UnwritableError, match=r"The run cannot be written to /proc/run \(.* in /proc\)\. Choose"):
        need_writable(Path("/proc/run"), "The run", "Choose another folder with --out.")


def test_only_a_command_s_own_files_are_written_over(tmp_path):
    path = tmp_path / "risks.csv"
    for mine in (None, "", "patient_id,risk\nA,1\n"):
        if mine is not None:
            path.write_text(mine)
        need_ours(path, "patient_id,risk")
    path.write_text("patient_id,age\n")
    with pytest.raises(InputError, match=r"risks\.csv is there already and is not of this command"):
        need_ours(path, "patient_id,risk")
    path.unlink()
    (tmp_path / "risks.md").write_text("a user's own")
    with pytest.raises(InputError, match=r"risks\.md is there already"):
        need_ours(path, "patient_id,risk", [tmp_path / "risks.md"])
    for odd in (tmp_path, Path("/dev/null")):
        with pytest.raises(InputError, match="is no ordinary file"):
            need_ours(odd, "patient_id,risk")
