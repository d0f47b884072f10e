"""Two tasks on one patient, subtype and survival, exchanging what they see through optimal transport.

MCTI: Multimodal cross-task interaction for survival analysis in whole slide pathological images. MICCAI 2024.
"""

import inspect
from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.models.base import Ablation, EarlyStop, Recipe, SurvivalModel, check_choices
from prognoscope.models.layers.mcti.guided_attention import GuidedAttentionSpec
from prognoscope.models.layers.mcti.paper import PaperNetwork
from prognoscope.models.layers.mcti.released import ReleasedNetwork

PRESETS = {  # width of a token, width of the gene encoder, learning rate
    "default": (256, 256, 2e-4),
    "paper": (1024, 1024, 5e-5),
}
CHOICES = {
    "variant": ("paper", "released"),
    "preset": tuple(PRESETS),
    "select": ("instance", "attention", "random"),
    "aux_task": ("subtype", "survival", "none"),
    "intra": ("token", "channel"),
    "guidance": ("values", "gate"),
    "ot": ("sinkhorn", "emd"),
    "ot_grad": ("last", "none", "unroll"),
    "gene_init": ("none", "zero", "rand"),
    "uot_reg_type": ("entropy", "kl"),
}
ONLY = {  # options that the other variant has no use for
    "paper": (
        *("preset", "d", "gene_hidden", "layers", "heads", "ff_ratio", "gene_groups", "select", "gene_grouping"),
        *("tga", "intra", "guidance", "ot", "ot_eps", "ot_iters", "ot_grad", "gene_init", "dsmil_lr_mult"),
    ),
    "released": ("token_num", "num_blocks", "uot_reg_type", "uot_reg", "uot_penalty"),
}


class MCTI(SurvivalModel):
    """The k patches that tell the subtype best and the genes, as tokens of a subtype, a survival and a shared stream.

    Dual-stream attention, taught by the subtype, ranks the patches. The k best, the gene embedding (one token that
    counts k times) and k learned tokens per stream run through an encoder and a decoder whose attention within a
    stream is steered by the transport from another. The paper's equations are ambiguous in places; the options'
    defaults are our reading. Linear in T, quadratic in k. `variant="released"` computes what the authors' code does
    instead: see `layers/mcti/released.py`; it needs bags of at least k patches.

    Explains with `attention`: "patches" (T,), the dual-stream attention of the predicted subtype, or, where the subtype
    is not learned, "survival" rescaled; "survival" (T,), how much the survival stream's mean draws on each selected
    patch, by the maps of the last decoder block; "gene_groups" (P, heads, S, S), unless gene_grouping is off.
    Details: `patch_logits` (T, C), `patch_attention` (T, C), `bag_logits` and `max_logits` (P, C), `topk_index` (P, k),
    rows within the patient's own bag, -1 beyond N; `gene` (P, d), `pooled_subtype`, `pooled_survival` (P, d), and
    `auxiliary_logits` of the second task, (P, C) or (P, K). The released variant's "patches" are the shares of its
    slots; it has no "survival", "gene_groups", `bag_logits`, `max_logits` or `gene`; `patch_attention` is (T, k).

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each gene group; all are read as one flat vector.
        n_bins: K, the number of time bins.
        n_subtypes: C, at least 2 where the subtype is learned; 0 without labels.
        variant: "paper" or "released", the authors' code. The last five options are of the latter alone;
            most of the others of the former.
        preset: "default" is 256 wide; "paper" is 1024 wide, as published, and slow.
        k: How many patches are selected.
        d, gene_hidden: Widths of a token and of the gene encoder, instead of the preset's.
        layers: L, blocks of the encoder and of the decoder.
        heads, ff_ratio: Of the attention within a stream and of its feed-forward layer.
        gene_groups, gene_heads: Tokens that the genes become, and heads of the attention among them.
        query_dim: Width of a query of the dual-stream attention.
        dropout: Rate of AlphaDropout in the gene encoder.
        select: What ranks patches: "instance" logits, the "attention" of the likeliest subtype, or "random".
        gene_grouping: False skips the attention among gene tokens.
        aux_task: The second task: "subtype", "survival" (what the paper's table calls without TGA, and the authors'
            trainer minimises), or "none", in the paper variant only.
        tga: False removes the transport.
        intra: Attention between the tokens of a stream, or between its channels as in the released code.
        guidance: The plan re-orders "values", or is a "gate" on them as in the released code.
        ot: Entropic transport on the device, or exact transport, "emd", on the CPU and without gradient.
        ot_eps, ot_iters: Of the entropic transport; the cost has a standard deviation of 1.
        ot_grad: "last": through the plan's last normalisation; "unroll": through all rounds; "none".
        gene_init: Whether the k gene tokens get a learned bias of their own, from "zero" or "rand"; "none": equal ones.
        alpha_task: Weight of the survival likelihood.
        dsmil_lr_mult: Factor on the learning rate of the dual-stream attention, which learns from few patches only.
        token_num, num_blocks: Learned tokens of a stream; blocks of each encoder layer, and of each decoder layer.
        uot_reg_type, uot_reg, uot_penalty: Of the unbalanced transport between slots and genes: entropy's reference,
            1 ("entropy") or the product of the masses ("kl"), its weight, and the price of changing a mass.
    """

    needs = frozenset({"bag", "omics"})
    learns_from = frozenset({"subtype"})
    recipe = Recipe(
        learning_rate=2e-4,
        weight_decay=1e-5,
        epochs=30,
        patients_per_step=8,
        published_epoch="best_on_validation",
        published_stop=EarlyStop(patience=5, warm_up=2, earliest=18),
    )
    learning_rate_factors: ClassVar[dict[str, float]] = {"network.dsmil": 10.0}
    ablations = (
        Ablation("random-patches", "w/o WSI recon.", {"select": "random"}),
        Ablation("no-gene-grouping", "w/o genes group.", {"gene_grouping": False}),
        Ablation("no-subtype-task", "w/o TGA", {"aux_task": "survival"}),  # transport stays in it, as in the paper
        Ablation("no-transport", "without transport (ours)", {"tga": False}),
    )
    whole_row = "MCTI"
    whole_is_first = True
    paper = "MCTI, Multimodal cross-task interaction for survival analysis in whole slide images, MICCAI 2024"
    departures = (
        "The default follows the paper: selected patches as tokens, four blocks each way, addition on the skips, "
        "losses on subtype and bag. The released code, which does otherwise in each of these, is variant='released'.",
        "Tokens are 256 wide and the gene encoder 256, as 1024 and a gene encoder of 8192 are out of proportion to a "
        "few hundred patients; preset='paper' is 1024 wide.",
        "The plan is entropic transport, with a gradient through its last normalisation; exact transport, as released, "
        "is ot='emd'.",
        "The k equal gene tokens are one token that counts k times, which is the same to rounding.",
        "The patch-ranking branch learns ten times as fast: at the common rate it stays near chance, so the selection "
        "is random.",
        "Where the equations do not fit together as printed (the attention within a stream, which side of the plan is "
        "transposed, the last index of the skips), ours is the reading that the figure supports.",
    )
    found_wrong = (
        "Two rows of the ablation table are copies of the rows of CLAM-SB and CLAM-MB in the main table, means and "
        "standard deviations alike; only the third row is a result, and the drops in the text follow from the copies.",
        "The two tables order their cohorts differently, a margin is computed against a method that is not second, and "
        "on NSCLC CMTA's number is above the method's own.",
        "The released code cannot run: modules and the loss are missing, and the trainer unpacks six outputs of a "
        "model that returns four. What its trainer minimises is the paper's ablation without the subtype.",
        "Its instance head gets no gradient, so the patches are ranked by a random projection, and at the start the "
        "slots that stand for them are nearly one vector.",
        "Of 1.9 billion parameters, 1.1 billion are in a convolution that is never used; the self-attention among "
        "genes sees one token and is a linear map.",
        "The summary of the test asks for columns that the test never writes, and bins come from all patients.",
    )

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        n_subtypes: int = 0,
        *,
        variant: str = "paper",
        preset: str = "default",
        k: int = 256,
        d: int | None = None,
        gene_hidden: int | None = None,
        layers: int = 4,
        heads: int = 1,
        ff_ratio: int = 1,
        gene_groups: int = 8,
        gene_heads: int = 8,
        query_dim: int = 128,
        dropout: float = 0.25,
        select: str = "instance",
        gene_grouping: bool = True,
        aux_task: str = "subtype",
        tga: bool = True,
        intra: str = "token",
        guidance: str = "values",
        ot: str = "sinkhorn",
        ot_eps: float = 0.2,
        ot_iters: int = 20,
        ot_grad: str = "last",
        gene_init: str = "none",
        alpha_task: float = 1.0,
        dsmil_lr_mult: float = 10.0,
        token_num: int = 8,
        num_blocks: tuple[int, ...] = (2, 4),
        uot_reg_type: str = "entropy",
        uot_reg: float = 0.1,
        uot_penalty: float = 0.5,
    ):
        options = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        _check(options)
        self.learns_from = frozenset({"subtype"} if aux_task == "subtype" else ())
        self.aux_task, self.alpha_task, self.n_genes = aux_task, alpha_task, sum(group_sizes)
        sizes = {
            "embedding_dim": embedding_dim,
            "n_genes": self.n_genes,
            "n_bins": n_bins,
            "n_classes": max(n_subtypes, 1),
            "n_auxiliary": {"subtype": n_subtypes, "survival": n_bins, "none": 0}[aux_task],
        }
        common = {"k": k, "query_dim": query_dim, "gene_heads": gene_heads, "dropout": dropout}
        if variant == "released":
            self.recipe = replace(self.recipe, learning_rate=5e-5, patients_per_step=32)
            self.learning_rate_factors = {}
            self.network = ReleasedNetwork(**sizes, **common, **{name: options[name] for name in ONLY["released"]})
            return
        preset_d, preset_hidden, learning_rate = PRESETS[preset]
        self.recipe = replace(self.recipe, learning_rate=learning_rate)
        self.learning_rate_factors = {"network.dsmil": float(dsmil_lr_mult)}
        self.network = PaperNetwork(
            **sizes,
            **common | {"gene_heads": gene_heads if gene_grouping else 0},
            d=d or preset_d,
            gene_hidden=gene_hidden or preset_hidden,
            layers=layers,
            gene_groups=gene_groups,
            gene_init=gene_init,
            select=select,
            show_class=aux_task == "subtype",
            spec=GuidedAttentionSpec(heads, ff_ratio, tga, guidance, intra, ot, ot_eps, ot_iters, ot_grad),
        )

    def forward(self, inputs: Inputs) -> Output:
        return self._predict(inputs, None)

    def explain(self, inputs: Inputs) -> dict[str, Tensor]:
        """Every block's streams and maps, by names such as "decoder.3.plan"; heavy, so not part of an `Output`.

        Streams are (S, P, n, d) with the subtype's first and the survival's last; plans (S, P, n, n), rows the
        objective's tokens, columns the source's; attention (S, P, heads, n, n). "token_weight" (P, n) says how much
        each token counts: the k patches (0 beyond N), the gene token (k), the learned tokens. The released variant
        has matchings (blocks, S, P, n) instead of plans, and "slots", "flow" and "gene_tokens" before the first block.
        """
        record: dict[str, Tensor] = {}
        self._predict(inputs, record)
        return record

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        return self.alpha_task * super().survival_loss(output, target, alpha=alpha)

    def extra_losses(self, output: Output, target: Target) -> dict[str, Float[Tensor, " P"]]:
        """Cross-entropies of the subtype head and, in the paper variant, of the bag and the critical patches, zero
        where the subtype is unknown; or the likelihood of the second survival head; or nothing: as `aux_task` says."""
        if self.aux_task == "none":
            return {}
        if self.aux_task == "survival":
            return {"auxiliary_survival": discrete_nll(output.details["auxiliary_logits"], target)}
        subtype = torch.full_like(target.bin, -1) if target.subtype is None else target.subtype
        logits = {"subtype": output.subtype_logits}
        if "bag_logits" in output.details:
            logits["dsmil_bag"] = output.details["bag_logits"]
            logits["dsmil_instance"] = output.details["max_logits"]
        return {
            name: F.cross_entropy(each.float(), subtype, reduction="none", ignore_index=-1)
            for name, each in logits.items()
        }

    def _predict(self, inputs: Inputs, record: dict[str, Tensor] | None) -> Output:
        if (given := sum(group.shape[1] for group in inputs.omics)) != self.n_genes:
            raise InputError(f"This mcti was made for {self.n_genes} genes in all, not for {given}.")
        output = self.network(inputs, record)
        if self.aux_task == "subtype":
            return replace(output, subtype_logits=output.details["auxiliary_logits"])
        return output


def _check(options: dict[str, object]) -> None:
    check_choices("mcti", {name: options[name] for name in CHOICES}, CHOICES)
    n_subtypes, aux_task, variant = (options[name] for name in ("n_subtypes", "aux_task", "variant"))
    if aux_task == "subtype" and n_subtypes < 2:
        raise ModelError(
            f"mcti learns to tell subtypes apart, but the cohort has {n_subtypes or 'no'} subtype"
            f"{'s' * (n_subtypes != 1)}. Give the labels as cohort.subtype, or set aux_task: survival or none."
        )
    defaults = inspect.signature(MCTI).parameters
    for other in ONLY.keys() - {variant}:
        if strange := [name for name in ONLY[other] if options[name] != defaults[name].default]:
            raise ModelError(f"mcti's {variant} variant has no {strange[0]}; leave it out, or set variant: {other}.")
    if min(options["k"], options["layers"]) < 1:
        raise ModelError(
            f"mcti needs at least one patch and one layer, not k={options['k']} and layers={options['layers']}."
        )
    if variant == "released":
        if aux_task == "none":
            raise ModelError("mcti's released variant always has a second task; set aux_task: subtype or survival.")
        if not options["num_blocks"] or min(options["num_blocks"]) < 1:
            raise ModelError(f"mcti needs at least one block in each layer, not num_blocks={options['num_blocks']}.")
        return
    d = options["d"] or PRESETS[options["preset"]][0]
    for name in ("heads", "gene_heads"):
        if options[name] < 1 or d % options[name]:
            raise ModelError(f"mcti cannot cut tokens of width d={d} into {name}={options[name]} equal parts.")
