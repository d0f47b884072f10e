"""Sums of files are of their content, whatever is remembered, and nothing of a place is in what stands for them."""

import json
import os

from prognoscope.core.files import sha256
from prognoscope.features import file_sums as module
from prognoscope.features.file_sums import file_sums


def test_sums_are_computed_once_and_again_when_a_file_changes_whatever_its_times_say(tmp_path, monkeypatch):
    files = {name: tmp_path / name for name in "ab"}
    for path in files.values():
        path.write_bytes(b"one")
    counted = []
    monkeypatch.setattr(module, "sha256", lambda path: counted.append(path.name) or sha256(path))
    memory = tmp_path / "memory.json"
    first = file_sums(files, memory)
    assert first == {name: sha256(path) for name, path in files.items()} == file_sums(files, memory)
    assert sorted(counted) == ["a", "b"]
    before = files["a"].stat()
    files["a"].write_bytes(b"two")
    os.utime(files["a"], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_sums(files, memory)["a"] == sha256(files["a"]) != first["a"]
    assert counted.count("a") == 2 and counted.count("b") == 1


def test_a_memory_that_is_damaged_or_cannot_be_kept_costs_time_alone(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    memory = tmp_path / "memory.json"
    for content in ("", "[]", "{", json.dumps({"x": 1})):
        memory.write_text(content)
        assert file_sums({"a": path}, memory) == {"a": sha256(path)}
    assert file_sums({"a": path}, path / "is a file" / "memory.json") == {"a": sha256(path)}
