"""An attention map per time bin over a bag, each of whose first and last patches must be told apart.

Lu et al.: Data-efficient and weakly supervised computational pathology on whole-slide images. Nature BME 2021.
"""

from prognoscope.models.clam_mb.card import CARD
from prognoscope.models.layers.clam import CLAM


class CLAMMB(CLAM):
    """CLAM with an attention branch and a linear head of its own for every time bin.

    In training each bin's most attended patches, and for the bin of an event the least attended ones too, teach a
    classifier of that bin, as in `clam_sb`. Linear in T.

    Explains with `attention`: "bins" (T, K), the map of each bin; "patches" (T,), their mean. Details: `patches`
    (T, H), `attention_logits` (T, K), `embedding` (P, K, H), and `lengths` (P,), the patches of each patient.

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

    branches = "multi"
    card = CARD
