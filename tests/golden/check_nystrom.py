"""Goldens of the Nystrom attention, its layer, and PPEG."""

import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bag, Bags
from prognoscope.models.checkpoints.loading import rename
from prognoscope.models.layers.nystrom import NystromAttention, NystromLayer
from prognoscope.models.layers.ppeg import PPEG, side_of_square

from .case import Case

NAMES = {"attn": "attend", "to_out.0": "to_out", "res_conv": "convolve", "attend.to_out.0": "attend.to_out"}
NAMES["attend.res_conv"] = "attend.convolve"


def check_nystrom(case: Case) -> None:
    attention = _loaded(NystromAttention, case)
    bags = _same_rows(case, attention)
    sequences = dict(zip(case.meta["lengths"], bags.split(bags.values), strict=True))
    for n in case.meta["attn_for"]:
        ours = attention.map(sequences[n])
        case.same(ours, f"attn_{n}")
        row = -n % case.meta["landmarks"]
        assert_close(attention.map(sequences[n], first_only=True), ours[:, row : row + 1])


def check_nystrom_translayer(case: Case) -> None:
    _same_rows(case, _loaded(NystromLayer, case))


def _loaded(kind: type, case: Case):
    meta = case.meta
    options = {"heads": meta["heads"], "landmarks": meta["landmarks"], "steps": meta["pinv_iterations"]}
    module = kind(meta["dim"], kernel=meta["conv_kernel"], dropout=0.0, **options)
    module.load_state_dict({rename(name, NAMES): value for name, value in case.weights.items()})
    return module.eval()


def _same_rows(case: Case, module) -> Bags:
    """Each sequence alone and all at once give the golden rows, and their first ones alone."""
    bags = Bags.pack([Bag(case[f"in:x_{n}"]) for n in case.meta["lengths"]])
    together, firsts = bags.split(module(bags)), module(bags, first_only=True)
    for n, alone, ours, first in zip(case.meta["lengths"], bags.each(), together, firsts, strict=True):
        case.same(ours, f"y_{n}")
        case.same(module(alone), f"y_{n}")
        assert_close(first, ours[0], atol=case.atol, rtol=0)
    return bags


def check_ppeg(case: Case) -> None:
    """Sequences of all sizes at once, squared by the encoder's rule, and each alone."""
    module = PPEG(case.meta["dim"])
    names = {"proj": "conv7", "proj1": "conv5", "proj2": "conv3"}
    module.load_state_dict({rename(name, names): value for name, value in case.weights.items()})
    sequences = []
    for n in case.meta["sizes"]:
        tokens, class_token = case[f"in:tokens_{n}"], case["in:cls"].view(1, -1)
        sequences.append(Bag(torch.cat([class_token, tokens, tokens[: side_of_square(n) ** 2 - n]])))
    bags = Bags.pack(sequences)
    for n, alone, together in zip(case.meta["sizes"], bags.each(), bags.split(module(bags)), strict=True):
        case.same(together, f"y_{n}")
        case.same(module(alone), f"y_{n}")
