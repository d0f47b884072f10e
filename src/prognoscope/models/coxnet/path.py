"""Cox's regression under an elastic net, penalty by penalty, each begun where the one before it ended.

The minimised sum: minus the mean log partial likelihood, plus penalty * (l1_ratio * |b| + (1 - l1_ratio) / 2 * b^2) of
each gene, plus ridge / 2 * b^2 of each covariate. Ties are Breslow's.

Simon, Friedman, Hastie, Tibshirani: Regularization paths for Cox's proportional hazards model via coordinate descent.
J Stat Softw 2011. Beck, Teboulle: A fast iterative shrinkage-thresholding algorithm. SIAM J Imaging Sci 2009.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prognoscope.models.layers.cox_fit import at_risk

ITERATIONS, ROUNDS = 1000, 20  # of one penalty, at most
TOLERANCE = 1e-5  # of a coefficient of a standardised column, by which the last step moved it
SMALLEST = 1e-300
SLACK = 1e-3  # by how much, relative to its bound, a gradient outside of the working set may be over it


@dataclass(frozen=True)
class Patients:
    """P patients by follow-up, the longest first."""

    values: Float[Tensor, "P V"]  # standardised genes, then covariates
    event: Bool[Tensor, " P"]
    last: Int[Tensor, " P"]  # the last place of those at risk with each

    @classmethod
    def of(cls, values: Float[Tensor, "P V"], time: Float[Tensor, " P"], event: Bool[Tensor, " P"]) -> "Patients":
        """The same, whatever their order was."""
        order = time.argsort(descending=True, stable=True)
        return cls(values[order], event[order], at_risk(time[order]))

    def loss(self, eta: Float[Tensor, " P"]) -> float:
        """Minus the mean log partial likelihood."""
        return float(-(eta - eta.logcumsumexp(0)[self.last])[self.event].sum() / len(eta))

    def slope(self, eta: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
        """Its gradient by each patient's log hazard ratio."""
        ratio = (eta - eta.max()).exp()
        places = self.last[self.event]
        shares = torch.zeros_like(ratio).index_add(0, places, 1 / ratio.cumsum(0)[places].clamp(min=SMALLEST))
        return (ratio * shares.flip(0).cumsum(0).flip(0) - self.event.to(eta)) / len(eta)


@dataclass
class Path:
    """Where the regression stands. `at` moves it to the next, smaller penalty.

    Args:
        n_free: How many of the last columns are covariates.
    """

    patients: Patients
    l1_ratio: float
    ridge: float
    n_free: int
    beta: Float[Tensor, " V"] = field(init=False)
    eta: Float[Tensor, " P"] = field(init=False)
    gradient: Float[Tensor, " V"] = field(init=False)
    curvature: float = 0.1  # of the loss, as far as steps have met it
    solved: float = 0.0  # the penalty whose minimum `beta` is, over the working set

    def __post_init__(self):
        values = self.patients.values
        self.is_gene = torch.arange(values.shape[1]) < values.shape[1] - self.n_free
        self.beta = torch.zeros(values.shape[1], dtype=torch.float64)
        self.works = ~self.is_gene
        self._solve(0.0)

    @property
    def largest(self) -> float:
        """The penalty from which on no gene has a coefficient."""
        return float(self.gradient[self.is_gene].abs().max()) / self.l1_ratio

    def at(self, penalty: float) -> Float[Tensor, " V"]:
        """The coefficients under this penalty."""
        bound = penalty * self.l1_ratio * (1 + SLACK)
        for _ in range(ROUNDS):
            outside = self.is_gene & ~self.works & (self.gradient.abs() > bound)
            if not outside.any() and self.solved == penalty:
                break
            self.works = self.works | outside
            self._solve(penalty)
        return self.beta

    def _solve(self, penalty: float) -> None:
        """Minimise over the columns of the working set, and take the gradient of all."""
        self.solved = penalty
        chosen = self.works.nonzero()[:, 0]
        x = self.patients.values[:, chosen].double()
        gene = self.is_gene[chosen]
        l1 = penalty * self.l1_ratio * gene.double()
        l2 = torch.where(gene, penalty * (1 - self.l1_ratio), self.ridge).double()
        beta = self.beta[chosen]
        beta = _accelerated(self.patients, x, beta, l1, l2, self) if len(chosen) else beta
        self.beta = torch.zeros_like(self.beta).index_copy(0, chosen, beta)
        self.eta = x @ beta if len(chosen) else torch.zeros(len(x), dtype=torch.float64)
        slope = self.patients.slope(self.eta)
        self.gradient = (slope.to(self.patients.values.dtype) @ self.patients.values).double()


def _accelerated(
    patients: Patients, x: Tensor, beta: Tensor, l1: Tensor, l2: Tensor, path: Path
) -> Float[Tensor, " W"]:
    """Proximal gradient steps with momentum, which starts anew where it leads uphill."""
    ahead, momentum, curvature = beta, 1.0, path.curvature
    for _ in range(ITERATIONS):
        eta = x @ ahead
        loss, gradient = patients.loss(eta), patients.slope(eta) @ x
        while True:
            moved = ahead - gradient / curvature
            now = moved.sign() * (moved.abs() - l1 / curvature).clamp(min=0) / (1 + l2 / curvature)
            step = now - ahead
            bound = loss + float(gradient @ step) + curvature / 2 * float(step @ step)
            if patients.loss(x @ now) <= bound + 1e-12:
                break
            curvature *= 2
        if float((now - ahead) @ (now - beta)) < 0 and momentum > 1:
            momentum = 1.0
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        far = float((now - beta).abs().max())
        ahead = now + (momentum - 1) / following * (now - beta)
        beta, momentum = now, following
        if far < TOLERANCE:
            break
    path.curvature = curvature
    return beta
