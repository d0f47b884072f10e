"""The ways to train that are compared: the package's loop, and the loop everyone else runs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.data import BINS, DIM, GENES, SIZES
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.models.base import SurvivalModel
from prognoscope.models.creation import create_model
from prognoscope.training.loop import train_epoch
from prognoscope.training.optimizer import make_optimizer, set_learning_rate
from prognoscope.training.spec import TrainingSpec, autocast
from prognoscope.training.step import losses_of


def our_loop(
    name: str,
    data: PatientDataset,
    device: str,
    *,
    patients_per_step: int,
    precision: str,
    model: SurvivalModel | None = None,
    resident: bool = True,
) -> Callable[[], int]:
    """An epoch of the package's own loop over all patients, by the method's recipe.

    Args:
        resident: Bags stay on a GPU, if they fit there; else each is read when its turn comes.
    """
    model = model or new_model(name, device)
    recipe = replace(model.profile.recipe, sampler="shuffled", patients_per_step=patients_per_step)
    spec = TrainingSpec(device=device, precision=precision)
    optimizer = make_optimizer(model, recipe)
    set_learning_rate(optimizer, recipe, 0)
    near = data.near(device) if resident else data

    def run() -> int:
        train_epoch(model, near, optimizer, recipe=recipe, spec=spec, epoch=0)
        return len(data)

    return run


def our_step(
    name: str, data: PatientDataset, device: str, precision: str, model: SurvivalModel | None = None
) -> Callable[[], object]:
    """Forward and backward of the first patient, without reading and without a step of the optimiser."""
    model = model or new_model(name, device)
    batch, spec = data.batch([0], device), TrainingSpec(device=device, precision=precision)

    def run() -> None:
        with autocast(spec):
            output = model(batch.inputs)
        sum(losses_of(model, output, batch.target, model.profile.recipe).values()).sum().backward()

    return run


def plain_step(name: str, data: PatientDataset, device: str, model: nn.Module | None = None) -> Callable[[], object]:
    """The same of the plain reading, in float32."""
    model = model or plain_model(name, data.lengths[0]).to(device).train()
    inputs = next(one_by_one(data, device))
    return lambda: model.loss(*inputs).backward()


def plain_loop(name: str, data: PatientDataset, device: str) -> Callable[[], int]:
    """The common loop: read one patient, forward, `item()`, backward; a step every eighth."""
    model = plain_model(name, min(data.lengths)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4, weight_decay=1e-5)

    def run() -> int:
        model.train()
        total = 0.0
        for i, (bag, genes, label, censored, subtype) in enumerate(one_by_one(data, device)):
            loss = model.loss(bag, genes, label, censored, subtype)
            total += loss.item()
            (loss / 8).backward()
            if i % 8 == 7 or i == len(data) - 1:
                optimizer.step()
                optimizer.zero_grad()
        return len(data)

    return run


def one_by_one(data: PatientDataset, device: str):
    """Each patient, converted to float32 by numpy, as common datasets do."""
    target = data.target
    for i, patient in enumerate(data.patients):
        values, _ = data.embeddings.bag(patient)
        bag = torch.from_numpy(np.array(values, dtype=np.float32)).to(device)
        genes: list[Tensor] = [group[i].to(device) for group in data.omics]
        yield bag, genes, int(target.bin[i]), not target.event[i], int(target.subtype[i])


def new_model(name: str, device: str) -> SurvivalModel:
    """A method of the package with its defaults, in training."""
    return create_model(name, sizes=SIZES).to(device).train()


def plain_model(name: str, n_patches: int) -> nn.Module:
    """The plain reading of a method; where a method has variants its released one, which is what was published."""
    from benchmarks.plain import (  # POT is needed here alone
        ccl,
        clam_sb,
        cmta,
        dsmil,
        ghanet,
        mcat,
        mcti,
        pooling,
        porpoise,
        survpath,
        transmil,
    )

    return {
        "mcti": lambda: mcti.MCTI(DIM, GENES, BINS, SIZES.n_subtypes, k=min(256, n_patches)),
        "cmta": lambda: cmta.CMTA(DIM, GENES, BINS),
        "ghanet": lambda: ghanet.GHANet(DIM, GENES, BINS),
        "ccl": lambda: ccl.CCL(DIM, GENES, BINS),
        "transmil": lambda: transmil.TransMIL(DIM, BINS),
        "mcat": lambda: mcat.MCAT(DIM, GENES, BINS),
        "survpath": lambda: survpath.SurvPath(DIM, GENES, BINS),
        "porpoise": lambda: porpoise.PORPOISE(DIM, GENES, BINS),
        "clam_sb": lambda: clam_sb.CLAMSB(DIM, BINS),
        "dsmil": lambda: dsmil.DSMIL(DIM, BINS),
        "abmil": lambda: pooling.ABMIL(DIM, BINS),
        "meanmil": lambda: pooling.MeanMIL(DIM, BINS),
    }[name]()
