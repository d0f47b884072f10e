"""The card of Coxnet: its papers, its profile, where our default departs."""

from prognoscope.models.card import Card
from prognoscope.models.coxph.card import profile

CARD = Card(
    paper="Simon et al., Regularization paths for Cox's proportional hazards model via coordinate descent, "
    "J Stat Softw 2011",
    profile=profile,
    departures=(
        "The penalty is chosen by the partial likelihood of held-out training patients, of three parts that are alike "
        "in events and times, and the path ends where it has not risen for eight penalties.",
        "Accelerated proximal gradients over a working set of genes take the place of coordinate descent; the minimum "
        "is the same.",
        "Covariates stand beside the genes under a light ridge penalty alone, so that they are never dropped.",
        "Survival is read off the baseline of Breslow at the ends of the time bins; the risk is the log hazard ratio.",
    ),
)
