"""Patients for the tests of MCTI: embeddings of 10, genes in groups of 4 and 5, 3 subtypes, 4 bins."""

import torch

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target


def batch_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = len(lengths)
    omics = tuple(torch.randn(n, genes, generator=generator) for genes in (4, 5))
    inputs = Inputs(Bags(torch.randn(sum(lengths), 10, generator=generator), torch.tensor(lengths)), omics)
    bins, subtype = (torch.randint(low, high, (n,), generator=generator) for low, high in ((0, 4), (-1, 3)))
    return inputs, Target(bins, torch.rand(n, generator=generator) < 0.6, torch.ones(n), subtype)


def loss_of(model, inputs, target):
    output = model(inputs)
    return sum([model.survival_loss(output, target), *model.extra_losses(output, target).values()])


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
