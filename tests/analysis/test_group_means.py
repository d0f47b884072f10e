"""t-tests of months and risks: what is compared, in both readings, and what the box plots are drawn from."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import ttest_ind

from prognoscope.analysis.group_means import group_means_data
from prognoscope.report.group_figures import draw_group_means
from prognoscope.report.sections.group_means import means_plates
from prognoscope.runs.read import Run
from prognoscope.runs.tables import PREDICTIONS
from tests.analysis.fake_runs import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("run"), knows={"best": 0.95, "poor": 0.05, "told": 0.5})
    for files in Run(folder).files.folds("told"):
        PREDICTIONS.write(files.predictions, PREDICTIONS.read(files.predictions).assign(risk=0.5))
    return Run(folder)


@pytest.mark.parametrize("reading", ["time_by_risk", "risk_by_time"])
def test_each_reading_compares_what_it_says(run, reading):
    data, absent = group_means_data(run, reading)
    assert data["method"].tolist() == ["best", "best", "poor", "poor"] and set(data["reading"]) == {reading}
    assert len(absent) == 1 and absent[0].startswith("told: no t-test. All 120 patients are at high risk")
    for method, rows in data.groupby("method"):
        table = run.method(method).predictions
        time, risk = table["time"].to_numpy(), table["risk"].to_numpy()
        if reading == "time_by_risk":
            first, values, sign = risk >= np.median(risk), time, -1
        else:
            first, values, sign = time < np.median(time), (risk - risk.mean()) / risk.std(), 1
        groups = [values[first], values[~first]]
        for test, equal in (("", True), ("welch_", False)):
            result = ttest_ind(*groups, equal_var=equal)
            assert rows[f"{test}t"].iloc[0] == pytest.approx(sign * result.statistic, rel=1e-9)
            assert rows[f"{test}p"].iloc[0] == pytest.approx(result.pvalue, rel=1e-9)
        assert rows["t"].iloc[0] > 0 or method == "poor"
        for row, values in zip(rows.to_dict("records"), groups, strict=True):
            assert [row["patients"], row["mean"]] == pytest.approx([len(values), values.mean()])
            found = [row[name] for name in ("low", "first_quartile", "median", "third_quartile", "high")]
            assert found == pytest.approx(np.percentile(values, [5, 25, 50, 75, 95]))


def test_boxes_lie_at_the_quartiles_and_the_warning_stands_below(run):
    plates = [plate for plate in means_plates(run) if hasattr(plate, "data")]
    assert [plate.stem for plate in plates] == ["times_by_risk", "risks_by_time"]
    data, axes = plates[0].data, Figure().add_subplot()
    draw_group_means(data, axes, {})
    boxes = [(box.get_x(), box.get_x() + box.get_width()) for box in axes.patches]
    assert np.allclose(boxes, data[["first_quartile", "third_quartile"]])
    assert "it is biased" in axes.get_xlabel()
    texts = [text.get_text() for text in axes.texts]
    assert [text.split(",")[0] for text in texts] == [f"t = {t:.2f}".replace("-", "\u2212") for t in data["t"][::2]]
