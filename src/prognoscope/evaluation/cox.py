"""Cox's proportional hazards for a few columns: coefficients, likelihood, baseline, and tests between nested models."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.distributions import chi2_tail, normal_quantile
from prognoscope.core.efron import EfronLikelihood
from prognoscope.core.errors import MetricError
from prognoscope.evaluation.checks import checked_outcome, checked_values
from prognoscope.evaluation.group_tests import HazardRatio, TestResult

MOST_STEPS = 60  # Newton's method takes five, unless a column parts the events from all others
LEAST_SPREAD = 1e-9  # of a column's largest value; what is less is rounding
MOST_LOG_RATIO = 12.0  # a log hazard ratio of a standardised column beyond this is on its way to infinity


@dataclass(frozen=True, slots=True)
class CoxFit:
    """A fitted model of V columns."""

    beta: Float[np.ndarray, " V"]  # log hazard ratios
    covariance: Float[np.ndarray, "V V"]
    log_likelihood: float  # partial, with Efron's ties
    event_times: Float[np.ndarray, " U"]  # months, ascending
    cumulative: Float[np.ndarray, " U"]  # Breslow's baseline hazard up to each of them, of a patient with zeros

    def log_hazard(self, values: Float[np.ndarray, "P V"]) -> Float[np.ndarray, " P"]:
        """How much higher the log hazard of patients is than that of one with zeros."""
        return values @ self.beta

    def survival_at(self, values: Float[np.ndarray, "P V"], horizon: float) -> Float[np.ndarray, " P"]:
        """The chance of outliving a time, in months."""
        known = np.append(0.0, self.cumulative)[np.searchsorted(self.event_times, horizon, "right")]
        return np.exp(-known * np.exp(self.log_hazard(values)))

    def hazard_ratio(self, column: int, confidence: float = 0.95) -> HazardRatio:
        """Of one unit of a column, the others equal, with its Wald interval."""
        error = np.sqrt(self.covariance[column, column])
        value, half = self.beta[column], normal_quantile(0.5 + confidence / 2) * error
        return HazardRatio(*(float(np.exp(each)) for each in (value, value - half, value + half)))


def fit_cox(
    values: Float[np.ndarray, "P V"], *, time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"]
) -> CoxFit:
    """The unpenalised maximum of the partial likelihood with Efron's ties; without columns, the null model.

    Raises:
        MetricError: There is no event, columns say the same, or one of them parts those with an event from all
            others, so that its coefficient is infinite.

    Source: Efron: The efficiency of Cox's likelihood function for censored data. JASA 1977.
    """
    time, event = checked_outcome(time, event)
    values = checked_values(values, len(time), "covariates")
    if not event.any():
        raise MetricError(f"None of the {len(time)} patients had an event, so there is no hazard to tell.")
    if (np.ptp(values, axis=0) <= LEAST_SPREAD * np.abs(values).max(axis=0)).any():
        raise MetricError("A covariate is the same for everybody, so there is no hazard ratio of it.")
    parts = EfronLikelihood.of(values - values.mean(axis=0), time, event)
    beta, reached = np.zeros(values.shape[1]), -np.inf
    for _ in range(MOST_STEPS):
        log_likelihood, slope, information = parts.at(beta)
        if len(beta) and np.linalg.matrix_rank(information) < len(beta):
            raise MetricError("The covariates cannot be told apart: one follows from the others, or is constant.")
        step = np.linalg.solve(information, slope)
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
        while (found := parts.at(beta + step)[0]) < log_likelihood - 1e-9:
            step = step / 2
        beta, reached = beta + step, found
        if np.abs(beta * values.std(axis=0)).max(initial=0.0) > MOST_LOG_RATIO:
            raise MetricError("A covariate parts those with an event from all others, so its hazard ratio is infinite.")
    log_likelihood, _, information = parts.at(beta)
    relative = np.exp(values @ beta)
    at = np.unique(time[event])
    deaths = np.bincount(np.searchsorted(at, time[event]), minlength=len(at))
    at_risk = np.array([relative[time >= each].sum() for each in at])
    return CoxFit(beta, np.linalg.inv(information), max(log_likelihood, reached), at, np.cumsum(deaths / at_risk))


def likelihood_ratio(larger: CoxFit, smaller: CoxFit) -> TestResult:
    """Whether the columns that one model has beside those of another improve it, both fitted on the same patients."""
    statistic = max(0.0, 2 * (larger.log_likelihood - smaller.log_likelihood))
    return TestResult(statistic, chi2_tail(statistic, len(larger.beta) - len(smaller.beta)))
