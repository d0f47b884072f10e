"""Cox's partial likelihood where events are tied, by Efron's rule."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True)
class EfronLikelihood:
    """Of P patients with V columns and D events, as a function of the columns' coefficients.

    Source: Efron: The efficiency of Cox's likelihood function for censored data. JASA 1977.
    """

    values: Float[np.ndarray, "P V"]  # by time, latest first
    last: np.ndarray  # (D,) for each death, the position of the last patient still at risk
    dying: np.ndarray  # (D, P_of_events) rows of `values` that die at the same time, as ranges
    share: Float[np.ndarray, " D"]  # Efron: how much of the dying is left out of the l-th of d deaths at one time
    first: np.ndarray  # (D,) where the dying of that time begin

    @classmethod
    def of(
        cls, values: Float[np.ndarray, "P V"], time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"]
    ) -> "EfronLikelihood":
        """The likelihood of these patients."""
        order = np.lexsort((event, -time))  # at equal times the censored first, then those who die
        values, time, event = values[order], time[order], event[order]
        deaths = np.flatnonzero(event)
        last = np.searchsorted(-time, -time[deaths], "right") - 1
        size = np.array([(event & (time == each)).sum() for each in time[deaths]], dtype=np.int64)
        first = last - size + 1
        return cls(values, last, deaths, (deaths - first) / size, first)

    def at(self, beta: Float[np.ndarray, " V"]) -> tuple[float, Float[np.ndarray, " V"], Float[np.ndarray, "V V"]]:
        """Log-likelihood, its slope, and the information: minus its second derivatives."""
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
