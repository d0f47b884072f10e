"""Gated attention over a bag, whose first and last patches must be told apart bin by bin.

Lu et al.: Data-efficient and weakly supervised computational pathology on whole-slide images. Nature BME 2021.
"""

from prognoscope.models.clam_sb.card import CARD
from prognoscope.models.layers.clam import CLAM


class CLAMSB(CLAM):
    """CLAM with a single attention branch: ABMIL with a linear head and a loss on single patches.

    In training the most and the least attended patches of an uncensored patient teach a classifier of the bin of the
    event; the most attended ones also teach those of the other bins that they do not speak for them. Linear in T.

    Explains with `output.attention["patches"]`, (T,). Details: `patches` (T, H), `attention_logits` (T, 1), `embedding`
    (P, 1, H), and `lengths` (P,), the patches of each patient.

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: K, the number of time bins.
        hidden_dim: H, the width of a projected patch.
        attention_dim: The width of the attention's branches: 256, or 384 in the large form of the paper.
        gate: False takes the sigmoid branch out of the attention.
        dropout: Rate after the projection and in both branches of the attention.
        k_sample: Patches of each kind that teach a classifier; at most as many as there are.
        subtyping: False teaches the classifier of the own bin alone.
        instance_loss: "cross_entropy", or "smooth_top1_svm", the paper's.
        instance_weight: The share of the instance loss; the likelihood has the rest. 0 leaves it out.
        inst_on_censored: Also teach with the bin of last follow-up of censored patients.
    """

    branches = "single"
    card = CARD
