"""Files are whole or absent."""

import pytest

from prognoscope.core.errors import InputError, MissingFileError, nearest, some
from prognoscope.core.files import need_file, read_json, remove_leftovers, write_json, write_text, written_whole


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
    with pytest.raises(MissingFileError, match=r"The table .*nowhere.csv does not exist. Correct the path"):
        need_file(tmp_path / "nowhere.csv", "The table")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_json(tmp_path / "bad.json", "The file")


def test_long_lists_are_cut_and_near_names_suggested():
    assert some(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert nearest("abmill", ["abmil", "snn"]) == "did you mean 'abmil'?"
    assert nearest("xyz", ["abmil", "snn"]) == "known: abmil, snn."
