"""The table of metrics: a function of a `Fold`, one line each."""

from prognoscope.evaluation.metric import Metric

_HERE = "prognoscope.evaluation.metrics"
METRICS: dict[str, Metric] = {
    "c_index": Metric(f"{_HERE}:c_index", True, draws=f"{_HERE}:c_index_of_draws", knows_causes=True),
    "c_index_ipcw": Metric(f"{_HERE}:c_index_ipcw", True, draws=f"{_HERE}:c_index_ipcw_of_draws"),
    "integrated_brier": Metric(
        f"{_HERE}:integrated_brier", False, draws=f"{_HERE}:integrated_brier_of_draws", knows_causes=True
    ),
    "auc": Metric(f"{_HERE}:auc", True, draws=f"{_HERE}:auc_of_draws"),
    "d_calibration_p": Metric(f"{_HERE}:d_calibration_p", True, pooled=f"{_HERE}:d_calibration_p_of_folds"),
}
