"""The benchmark of wide cohorts trains a fold of each method in a process of its own, and tells what did not end."""

from benchmarks import wide
from benchmarks.commands import Spent
from tests.benchmarks.test_training import rows_of

TINY = ["--patients", "40", "--genes", "60", "--patches", "4"]


def test_each_method_is_told_beside_nothing(tmp_path, monkeypatch, capsys):
    def measured(command, said, limit_s):
        if "abmil" not in command:
            said.write_text("a warning\nwhy it failed\n")
            return Spent(1 if "snn" in command else -9, 2.0, 0.0, 300.0, 0.0, 9)
        wide.main(command[3:])
        return Spent(0, 5.0, 0.0, 400.0, 0.0, 9)

    monkeypatch.setattr(wide, "spent_by", measured)
    wide.main([str(tmp_path), *TINY, "--methods", "abmil", "snn"])
    assert rows_of(capsys.readouterr().out)[2:] == [
        ["nothing", "2, not finished: ended at the limit", "300"],
        ["abmil", "5", "400"],
        ["snn", "2, not finished: why it failed", "300"],
    ]
    assert list(tmp_path.iterdir()) == []
