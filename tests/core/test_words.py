"""Words of commands in sentences."""

from prognoscope.core.words import typed


def test_a_path_is_told_so_that_a_shell_takes_it_as_one_word(monkeypatch):
    told = {"posix": "'my run'", "nt": '"my run"'}
    for system, word in told.items():
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("os.name", system)
            assert typed("my run") == word and typed("run") == "run"
