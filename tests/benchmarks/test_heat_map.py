"""The benchmark of heat maps runs at a tiny size and tells of every form."""

from benchmarks import heat_map
from prognoscope.report.heatmap.files import ENDINGS


def test_every_form_is_timed(capsys):
    heat_map.main(["--patches", "40"])
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if line[:1] == "|"]
    assert rows == ["form", "---", *ENDINGS, "all"]
