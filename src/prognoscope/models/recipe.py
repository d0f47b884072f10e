"""How a method is trained: what its authors did, before a study changes some of it."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from prognoscope.core.settings import Share, settle

RateFactors = dict[str, Annotated[float, Ge(0)]]  # parameter name prefix -> factor on the learning rate


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """When a training ends before its last epoch."""

    patience: int  # epochs without a better one
    warm_up: int = 0  # first epochs, none of which is kept if there are later ones
    earliest: int = 0  # epochs before which no training ends


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a method is trained unless the study says otherwise."""

    optimizer: Literal["adam", "adamw", "radam", "sgd"] = "adam"  # adamw and radam: decay apart from the gradient
    learning_rate: Annotated[float, Gt(0)] = 2e-4
    weight_decay: Annotated[float, Ge(0)] = 1e-5
    momentum: Share = 0.9  # of sgd
    betas: tuple[Share, Share] = (0.9, 0.999)  # of the others
    learning_rate_factors: RateFactors = field(default_factory=dict)  # beside the model's own
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 20
    patients_per_step: Annotated[int, Ge(1)] = 32
    schedule: Literal["constant", "cosine", "step", "linear"] = "constant"
    step_epochs: Annotated[int, Ge(1)] = 20  # after which "step" divides the rate by ten
    warm_up_epochs: Annotated[int, Ge(0)] = 0  # in which the rate rises
    clip_norm: dict[str, Annotated[float, Gt(0)]] = field(default_factory=dict)  # parameter prefix -> largest norm
    l1: Annotated[float, Ge(0)] = 0.0  # times the sum of absolute weights, added to the loss of a step
    patch_draw: tuple[float, float] | int | None = None  # of training bags, see cohort.patch_draw; None: all patches
    sampler: Literal["balanced", "shuffled"] = "balanced"  # balanced: by (bin, event), drawn with replacement
    nll_alpha: Annotated[float, Interval(ge=0, le=1)] = 0.0  # how much less censored patients weigh in the likelihood
    # what the authors reported: of equal best epochs the first one, unless it says last
    published_epoch: Literal["last", "best_on_test", "last_best_on_test", "best_on_validation"] = "last"
    published_stop: EarlyStop | None = None

    def __post_init__(self):
        settle(self)
