"""What every model owes its callers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError, nearest
from prognoscope.core.genes import GeneSelection
from prognoscope.core.losses import discrete_nll

RECONSTRUCTION = "reconstruction_"  # and a gene group's number: the detail of an output that tells its genes, (P, G)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The lengths that the data decide, by the names under which constructors ask for them."""

    n_bins: int = 4  # K
    embedding_dim: int = 0  # D; 0 without slides
    group_sizes: tuple[int, ...] = ()  # genes in each gene group; () without omics
    gene_names: tuple[tuple[str, ...], ...] = ()  # columns of each gene group, for methods that tell them apart
    n_clinical: int = 0  # clinical covariates after encoding
    n_subtypes: int = 0  # classes; 0 without labels


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
    learning_rate: float = 2e-4
    weight_decay: float = 1e-5
    momentum: float = 0.9  # of sgd
    betas: tuple[float, float] = (0.9, 0.999)  # of the others
    learning_rate_factors: dict[str, float] = field(default_factory=dict)  # beside and before the model's own
    epochs: int = 20
    patients_per_step: int = 32
    schedule: Literal["constant", "cosine", "step", "linear"] = "constant"
    step_epochs: int = 20  # after which "step" divides the rate by ten
    warm_up_epochs: int = 0  # in which the rate rises
    clip_norm: dict[str, float] = field(default_factory=dict)  # parameter name prefix -> largest norm of its gradient
    l1: float = 0.0  # times the sum of absolute weights, added to the loss of a step
    patch_draw: tuple[float, float] | int | None = None  # of training bags, see cohort.patch_draw; None: all patches
    sampler: Literal["balanced", "shuffled"] = "balanced"  # balanced: by (bin, event), drawn with replacement
    nll_alpha: float = 0.0  # how much less censored patients weigh in the likelihood
    # what the authors reported: of equal best epochs the first one, unless it says last
    published_epoch: Literal["last", "best_on_test", "last_best_on_test", "best_on_validation"] = "last"
    published_stop: EarlyStop | None = None


@dataclass(frozen=True, slots=True)
class Ablation:
    """A row of the paper's ablation table: the method with something taken away.

    A study runs it as `<method's title>-<label>`, with the method's options, these ones going first.
    """

    label: str  # short, for folders and tables: "no-alignment"
    row: str  # the row's name in the paper's table
    options: dict[str, object] = field(default_factory=dict)  # of the constructor
    method: str | None = None  # where the paper's row is another method, which then has only the options above


def check_choices(method: str, given: Mapping[str, object], choices: Mapping[str, Iterable[object]]) -> None:
    """Refuse a value that is none of its option's choices, and name the nearest.

    Raises:
        ModelError: There is such a value.
    """
    for option, value in given.items():
        known = tuple(choices[option])
        if value not in known:
            raise ModelError(f"{method} has no {option} {value!r}; {nearest(str(value), map(str, known))}")


class SurvivalModel(nn.Module):
    """A network that predicts survival of P patients at once and lets none of them see another.

    A subclass takes its sizes first, by the names of `Sizes`, then keyword options whose defaults are the paper's.
    """

    needs: ClassVar[frozenset[str]] = frozenset()  # what it predicts from: "bag", "omics", "clinical"
    learns_from: ClassVar[frozenset[str]] = frozenset()  # what it trains on besides: also "subtype"
    recipe: ClassVar[Recipe] = Recipe()
    paper: ClassVar[str] = ""  # authors, title, venue, year
    departures: ClassVar[tuple[str, ...]] = ()  # where our defaults differ from paper or released code, and why
    found_wrong: ClassVar[tuple[str, ...]] = ()  # in the published code or tables
    learning_rate_factors: ClassVar[dict[str, float]] = {}  # parameter name prefix -> factor on the learning rate
    ablations: ClassVar[tuple[Ablation, ...]] = ()  # in the order of the paper's table, without the whole method
    whole_row: ClassVar[str] = ""  # what that table calls the whole method; "": by its name
    whole_is_first: ClassVar[bool] = False  # whether that table begins with the whole method; else it ends with it
    fits_at_once: ClassVar[bool] = False  # True: `fit` takes the place of epochs
    keeps_patches: ClassVar[bool] = False  # True: it keeps something of every patch of a training bag, by its place

    @classmethod
    def gene_selection(cls, options: Mapping[str, object]) -> GeneSelection | None:
        """Which genes a model with these options of the constructor wants; None: all. Asked before it is made.

        `Sizes.group_sizes` then counts the genes that were chosen from the fold's training patients.
        """
        return None

    @classmethod
    def teacher(cls, options: Mapping[str, object]) -> tuple[str, Mapping[str, object]] | None:
        """The method that teaches a model with these options of the constructor, and its options; None: nobody does.

        It is trained first, on the same patients, and given to `learn_from`.
        """
        return None

    def learn_from(self, teacher: "SurvivalModel") -> None:
        """Keep a trained teacher for `before_training`, outside of parameters and buffers; it is frozen."""
        raise TypeError(f"{type(self).__name__} learns from no teacher.")

    def forward(self, inputs: Inputs) -> Output:
        """Predict P patients."""
        raise TypeError(f"{type(self).__name__} does not say how to predict.")

    def fit(self, inputs: Inputs, target: Target, edges: Sequence[float]) -> None:
        """Learn from all training patients at once; only where `fits_at_once`."""
        raise TypeError(f"{type(self).__name__} is trained by gradient steps.")

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        """The loss of the survival prediction, per patient."""
        return discrete_nll(output.logits, target, alpha=alpha)

    def extra_losses(self, output: Output, target: Target) -> dict[str, Float[Tensor, " P"]]:
        """The method's own further losses, per patient and weighted, by name: the only other place of outcomes."""
        return {}

    def before_training(self, target: Target, read: Callable[[Sequence[int]], Inputs]) -> None:
        """Take into buffers what all training patients tell; called once, before the first step, on the CPU.

        Args:
            target: Of all training patients.
            read: Gives the inputs of the patients at these positions of `target`, as the model will see them.
        """

    def to_remember(self, output: Output, target: Target) -> dict[str, Tensor]:
        """What the method keeps of patients it trains on, a row a patient, detached; called before the step."""
        return {}

    def remember(self, kept: dict[str, Tensor]) -> None:
        """Take into buffers what `to_remember` gave of all patients of a step, in their order; called after it."""
