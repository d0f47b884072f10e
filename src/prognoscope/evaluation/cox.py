"""Cox's proportional hazards for a few columns: coefficients, likelihood, baseline, and tests between nested models."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import chi2, norm

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.checks import checked_outcome, checked_values
from prognoscope.evaluation.group_tests import HazardRatio, TestResult

MOST_STEPS = 60  # Newton's method takes five, unless a column parts the events from all others
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
        value, half = self.beta[column], norm.ppf(0.5 + confidence / 2) * np.sqrt(self.covariance[column, column])
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
    parts = _Parts.of(values - values.mean(axis=0), time, event)
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
    return TestResult(statistic, float(chi2.sf(statistic, len(larger.beta) - len(smaller.beta))))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the likelihood needs at every step; D is the number of deaths."""

    values: Float[np.ndarray, "P V"]  # by time, latest first
    last: np.ndarray  # (D,) for each death, the position of the last patient still at risk
    dying: np.ndarray  # (D, P_of_events) rows of `values` that die at the same time, as ranges
    share: Float[np.ndarray, " D"]  # Efron: how much of the dying is left out of the l-th of d deaths at one time
    first: np.ndarray  # (D,) where the dying of that time begin

    @classmethod
    def of(cls, values: np.ndarray, time: np.ndarray, event: np.ndarray) -> "_Parts":
        order = np.lexsort((event, -time))  # at equal times the censored first, then those who die
        values, time, event = values[order], time[order], event[order]
        deaths = np.flatnonzero(event)
        last = np.searchsorted(-time, -time[deaths], "right") - 1
        size = np.array([(event & (time == each)).sum() for each in time[deaths]])
        first = last - size + 1
        return cls(values, last, deaths, (deaths - first) / size, first)

    def at(self, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log-likelihood, its slope, and the information."""
        relative = np.exp(self.values @ beta)
        weighted = relative[:, None] * self.values
        squares = weighted[:, :, None] * self.values[:, None, :]
        zeroth, first, second = (self._sums(each) for each in (relative, weighted, squares))
        mean = first / zeroth[:, None]
        dead = self.values[self.dying]
        information = (second / zeroth[:, None, None]).sum(axis=0) - mean.T @ mean
        return float((dead @ beta - np.log(zeroth)).sum()), (dead - mean).sum(axis=0), information

    def _sums(self, each: np.ndarray) -> np.ndarray:
        """Of each death, the sum over who is at risk, less a share of who dies at that time."""
        until = np.concatenate([np.zeros((1, *each.shape[1:])), np.cumsum(each, axis=0)])
        share = self.share.reshape(-1, *[1] * (each.ndim - 1))
        return until[self.last + 1] - share * (until[self.last + 1] - until[self.first])
