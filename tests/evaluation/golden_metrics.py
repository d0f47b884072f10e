"""The golden files of evaluation: every `out:` entry against ours."""

from collections.abc import Mapping

import numpy as np

from prognoscope.core.outcome import Outcome, Prediction, TimeBins
from prognoscope.evaluation.auc import cumulative_dynamic_auc
from prognoscope.evaluation.brier import integrate
from prognoscope.evaluation.concordance import concordance, concordance_ipcw
from prognoscope.evaluation.curves import censoring_curve, kaplan_meier
from prognoscope.evaluation.fold import Fold, survival_at
from prognoscope.evaluation.group_tests import log_rank
from prognoscope.evaluation.mean_tests import t_test_risk_by_time, t_test_time_by_risk
from prognoscope.evaluation.risk_groups import split_by_risk
from tests.evaluation.papers import brier_score, survpath_metrics

EXACT = {"train_label", "test_label", "is_high"}


def check_common_survival_metrics(npz: Mapping[str, np.ndarray]) -> None:
    """All entries of a `common_survival_metrics` golden; a loaded .npz or a dict of its arrays."""
    ours = common_survival_metrics(npz)
    outputs = {name.removeprefix("out:") for name in npz if name.startswith("out:")}
    assert outputs <= set(ours), f"no comparison is known for {sorted(outputs - set(ours))}"
    for name in sorted(outputs):
        golden, got = np.asarray(npz[f"out:{name}"]), np.asarray(ours[name])
        assert got.shape == golden.shape, f"{name}: {got.shape} against {golden.shape}"
        if name in EXACT:
            assert np.array_equal(got, golden), name
        elif name == "c_index":
            assert np.array_equal(got[1:], golden[1:]), f"counts {got[1:]} against {golden[1:]}"
            assert abs(got[0] - golden[0]) <= 1e-12, name
        elif name == "logrank_p":
            assert abs(got - golden) <= 1e-9 * golden, name
        else:
            worst = np.abs(got - golden).max()
            assert worst <= 1e-8, f"{name} is off by {worst:.2e}"


def common_survival_metrics(npz: Mapping[str, np.ndarray]) -> dict[str, object]:
    """Every output of these goldens, computed by us from the inputs."""
    arrays = {name.removeprefix("in:"): npz[name] for name in npz if name.startswith("in:")}
    train = _outcome("train", arrays["train_time"], arrays["train_event"])
    test = _outcome("test", arrays["test_time"], arrays["test_event"])
    known = {"time": test.time, "event": test.event}
    weighted = {**known, "train": train}

    n_bins = arrays["hazards"].shape[1]
    bins = TimeBins.fit(train.time, train.event, n_bins=n_bins, closed_ends=True)
    survival = np.cumprod(1 - arrays["hazards"].astype(np.float64), axis=1)
    risk = -survival.sum(axis=1)
    ours = {"bin_edges": bins.edges, "train_label": bins.label(train.time), "test_label": bins.label(test.time)}
    ours |= {"survival": survival, "risk": risk}

    c = concordance(risk, **known)
    ours["c_index"] = (c.value, c.concordant, c.discordant, c.tied_risk, c.tied_time)
    ours["c_index_ipcw_tau"] = concordance_ipcw(risk, **weighted, tau=float(arrays["tau"]))
    ours["c_index_ipcw_none"] = concordance_ipcw(risk, **weighted)

    edges, at_edges = bins.edges[1:-1], survival[:, :-1]
    ours["brier_edges"] = brier_score(at_edges, edges, **weighted)
    ours["ibs_edges"] = integrate(brier_score(at_edges, edges, **weighted), edges)
    grid = arrays["grid"]
    on_grid = survival_at(survival, bins.edges, grid)
    ours["survival_grid_linear"] = on_grid
    ours["brier_grid"] = brier_score(on_grid, grid, **weighted)
    ours["ibs_grid"] = integrate(brier_score(on_grid, grid, **weighted), grid)
    for name, scores, times in [("risk_grid", risk, grid), ("td_edges", 1 - at_edges, edges)]:
        result = cumulative_dynamic_auc(scores, times, **weighted)
        ours[f"auc_{name}"], ours[f"mean_auc_{name}"] = result.auc, result.mean

    released = survpath_metrics(Fold(0, Prediction(test.patients, risk, survival), test, train, bins))
    ours |= {"survpath_times": released.times, "survpath_brier": released.brier, "survpath_iauc": released.auc}
    ours |= {"survpath_ibs": released.integrated_brier, "survpath_c_ipcw": released.c_index_ipcw}

    ours["median_risk"], is_high = np.percentile(risk, 50), split_by_risk(risk)
    ours["is_high"] = is_high
    test_of_groups = log_rank(is_high, **known)
    ours["logrank_chi2"], ours["logrank_p"] = test_of_groups.statistic, test_of_groups.p
    for name, members in [("low", ~is_high), ("high", is_high)]:
        curve = kaplan_meier(time=test.time[members], event=test.event[members])
        ours |= {f"km_{name}_time": curve.time, f"km_{name}_survival": curve.survival}
        ours[f"km_{name}_ci"] = np.stack([curve.low, curve.high])
    for name, result in [
        ("time_by_risk", t_test_time_by_risk(is_high, time=test.time)),
        ("risk_by_time", t_test_risk_by_time(risk, time=test.time)),
    ]:
        ours[f"ttest_{name}"] = (result.statistic, result.p)
    ours["censoring_km_at_test"] = censoring_curve(train).at(np.minimum(test.time, train.time.max()))
    return ours


def _outcome(name: str, time: np.ndarray, event: np.ndarray) -> Outcome:
    return Outcome(tuple(f"{name}-{i}" for i in range(len(time))), time.astype(np.float64), event.astype(bool))
