"""What both variants of MCTI share: a survival head, a head for a second task, and their losses."""

from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import SHARE, Kind
from prognoscope.models.mcti.card import CARD

TASKS = ("subtype", "survival", "none")


class TwoTasks(SurvivalModel):
    """A network that predicts survival and, from details called `auxiliary_logits`, a second task.

    Args:
        options: That the profile depends on, `aux_task` among them.
    """

    card = CARD
    patch_maps: ClassVar = {
        "attention": Kind(
            "patches", "The patch's attention for the likeliest subtype; without subtypes, for survival.", SHARE
        ),
        "survival": Kind("survival", "How much the selected patch counts among the tokens of survival.", SHARE),
        "subtype": Kind(
            "patch_attention", "How much of the attention for this subtype the patch gets.", SHARE, "subtypes"
        ),
    }
    network: nn.Module  # called with inputs and a record of every block, or None

    def __init__(self, *, n_genes: int, aux_task: str, alpha_task: float, **options: object):
        super().__init__(aux_task=aux_task, **options)
        self.aux_task, self.alpha_task, self.n_genes = aux_task, alpha_task, n_genes

    def forward(self, inputs: Inputs) -> Output:
        return self._predict(inputs, None)

    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
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

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """Cross-entropies of the subtype head and, in the paper variant, of the bag and the critical patches, zero
        where the subtype is unknown; or the likelihood of the second survival head; or nothing: as `aux_task` says."""
        if self.aux_task == "none":
            return {}
        if self.aux_task == "survival":
            return {"auxiliary_survival": discrete_nll(output.details["auxiliary_logits"], target, alpha=alpha)}
        subtype = torch.full_like(target.bin, -1) if target.subtype is None else target.subtype
        logits = {"subtype": output.details["auxiliary_logits"]}
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


def sizes_of_heads(
    embedding_dim: int, group_sizes: tuple[int, ...], n_bins: int, n_subtypes: int, aux_task: str
) -> dict[str, int]:
    """What the data say of a network's inputs and heads.

    Raises:
        ModelError: Subtypes are to be told apart, and there are fewer than two.
    """
    if aux_task == "subtype" and n_subtypes < 2:
        raise ModelError(
            f"mcti learns to tell subtypes apart, but the cohort has {n_subtypes or 'no'} subtype"
            f"{'s' * (n_subtypes != 1)}. Give the labels as cohort.subtype, or set aux_task: survival or none."
        )
    return {
        "embedding_dim": embedding_dim,
        "n_genes": sum(group_sizes),
        "n_bins": n_bins,
        "n_classes": max(n_subtypes, 1),
        "n_auxiliary": {"subtype": n_subtypes, "survival": n_bins, "none": 0}[aux_task],
    }
