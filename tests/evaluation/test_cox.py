"""Cox's model against lifelines, and its columns against what they are of."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.cox import fit_cox, likelihood_ratio
from prognoscope.evaluation.design import Design
from prognoscope.evaluation.group_tests import hazard_ratio


def patients(seed: int, n: int = 80):
    rng = np.random.default_rng(seed)
    values = np.column_stack([rng.normal(size=n), rng.normal(2, 3, size=n), rng.random(n) < 0.4]).astype(float)
    death = rng.exponential(np.exp(-values @ [0.7, -0.1, 0.5]) * 12)
    stop = rng.uniform(2, 30, n)
    time = np.ceil(np.minimum(death, stop) * 2) / 2  # with ties
    return values, time, death <= stop


@pytest.mark.parametrize("seed", range(4))
def test_coefficients_errors_likelihood_and_baseline_are_those_of_lifelines(seed):
    values, time, event = patients(seed)
    ours = fit_cox(values, time=time, event=event)
    table = pd.DataFrame(values, columns=list("abc")).assign(time=time, event=event)
    theirs = CoxPHFitter().fit(table, "time", "event")
    np.testing.assert_allclose(ours.beta, theirs.params_, atol=1e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(ours.covariance)), theirs.standard_errors_, rtol=1e-4)
    assert ours.log_likelihood == pytest.approx(theirs.log_likelihood_, abs=1e-6)
    expected = theirs.predict_survival_function(table, times=[7.0]).to_numpy()[0]
    np.testing.assert_allclose(ours.survival_at(values, 7.0), expected, atol=2e-3)  # its baseline has Efron's ties
    null = fit_cox(values[:, :0], time=time, event=event)
    test = theirs.log_likelihood_ratio_test()
    assert likelihood_ratio(ours, null).statistic == pytest.approx(test.test_statistic, abs=1e-6)
    assert likelihood_ratio(ours, null).p == pytest.approx(test.p_value, rel=1e-5)
    ratio = ours.hazard_ratio(1)
    told = theirs.summary.loc["b", ["exp(coef)", "exp(coef) lower 95%", "exp(coef) upper 95%"]]
    np.testing.assert_allclose([ratio.value, ratio.low, ratio.high], told, rtol=1e-4)


def test_one_group_has_the_ratio_of_the_test_of_groups():
    values, time, event = patients(9)
    ours = fit_cox(values[:, 2:], time=time, event=event).hazard_ratio(0)
    theirs = hazard_ratio(values[:, 2] > 0, time=time, event=event)
    np.testing.assert_allclose([ours.value, ours.low, ours.high], [theirs.value, theirs.low, theirs.high], rtol=1e-6)


def test_without_columns_the_baseline_is_nelson_and_aalens():
    time, event = np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True])
    fit = fit_cox(np.zeros((4, 0)), time=time, event=event)
    np.testing.assert_allclose(fit.cumulative, np.cumsum([1 / 4, 1 / 3, 1]))
    np.testing.assert_allclose(fit.survival_at(np.zeros((1, 0)), 2.5), np.exp(-1 / 4 - 1 / 3))
    np.testing.assert_allclose(fit.survival_at(np.zeros((1, 0)), 0.5), 1)


def test_what_has_no_finite_ratio_is_refused():
    time = np.arange(1.0, 9.0)
    event = time < 5
    with pytest.raises(MetricError, match="infinite"):
        fit_cox(event[:, None].astype(float), time=time, event=event)
    with pytest.raises(MetricError, match="one follows from the others"):
        fit_cox(np.stack([time % 3, time % 3], axis=1), time=time, event=event)
    with pytest.raises(MetricError, match="None of the 8 patients had an event"):
        fit_cox(time[:, None], time=time, event=np.zeros(8, bool))


def test_covariates_become_columns_by_the_patients_they_are_fitted_on():
    table = pd.DataFrame(
        {
            "age": [60.0, 70.0, np.nan, *[65.0] * 12],
            "stage": ["I"] * 8 + ["II"] * 5 + ["III", None],  # too few of III and of the unknown
            "same": "x",
        }
    )
    design = Design.of(table)
    assert design.names == ("age", "stage=II")
    columns = design.columns(table)
    assert columns[:, 0].mean() == pytest.approx(0) and columns[:, 0].std() == pytest.approx(1)
    assert columns[2, 0] == columns[5, 0]  # the median where it is missing
    assert columns[:, 1].tolist() == [0] * 8 + [1] * 5 + [0, 0]
    new = pd.DataFrame({"age": [np.nan], "stage": ["IV"], "same": ["y"]})
    assert design.columns(new)[0].tolist() == [columns[2, 0], 0]
