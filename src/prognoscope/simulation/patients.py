"""Patients whose truth is known: what they are, how great their hazard is, and when it strikes.

Every patient is drawn from a generator of their own, so a patient is the same in a small cohort and in a large
one, and slides can be painted in any order.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

SUBTYPES = ("glandular", "solid")

WEIGHTS = {
    "subtype": 0.5,  # solid (+1/2) against glandular (-1/2)
    "proliferation": 0.45,
    "immune": -0.35,
    "necrosis": 0.75,
    "programme": 0.75,
    "necrosis_programme": 0.6,  # the interaction
    "age": 0.2,  # per ten years above 62
}
SILENCED = {  # what tells nothing -> the terms that are left out of the hazard
    "slides": ("subtype", "proliferation", "immune", "necrosis", "necrosis_programme"),
    "genes": ("subtype", "proliferation", "immune", "programme", "necrosis_programme"),
    "covariates": ("age",),
    "interaction": ("necrosis_programme",),
}
IN_SLIDES = ("subtype", "proliferation", "immune", "necrosis")
IN_GENES = ("subtype", "proliferation", "immune", "programme")

SHAPE = 1.4  # of the Weibull times: hazards rise with time
SCALE_MONTHS = 30.0
LARGEST_FACTOR = 2.5  # standard deviations; keeps pictures paintable

_FACTORS, _FOLLOW_UP = 0, 1  # what a patient's streams of random numbers are for
GENES, SLIDES = 2, 3
_OTHER = 4
COHORT = 1_000_000  # the stream of what is common to a cohort; patients are numbered from 0


def generator(seed: int, *key: int) -> np.random.Generator:
    """Independent random numbers for each key, such as (patient, purpose)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def site_number(site: str) -> int:
    """The number in a site's name, from 1."""
    return int(site.removeprefix("site_"))


def draw_patients(count: int, seed: int, *, sites: int, prefix: str = "SIM") -> pd.DataFrame:
    """Factors and clinical facts, one row a patient, indexed by patient_id, which is the prefix with a number.

    Columns: `subtype` (a name of SUBTYPES); `proliferation`, `immune`, `necrosis`, `programme` (standard normal, cut
    at 2.5); `age` in years; `is_female` (0, 1); `site`.
    """
    rows = []
    for k in range(count):
        rng = generator(seed, k, _FACTORS)
        proliferation, immune, necrosis, programme = rng.standard_normal(4).clip(-LARGEST_FACTOR, LARGEST_FACTOR)
        rows.append(
            {
                "patient_id": f"{prefix}-{k + 1:04d}",
                "subtype": SUBTYPES[rng.integers(2)],
                "proliferation": proliferation,
                "immune": immune,
                "necrosis": necrosis,
                "programme": programme,
                "age": int(np.clip(np.rint(rng.normal(62, 10)), 25, 90)),
                "is_female": int(rng.integers(2)),
                "site": f"site_{rng.integers(sites) + 1}",
            }
        )
    return pd.DataFrame(rows).set_index("patient_id")


def add_risks(patients: pd.DataFrame, *, without: Collection[str] = ()) -> pd.DataFrame:
    """The patients with their log hazard and the best risks that parts of the truth allow.

    With s = +1/2 (solid) or -1/2 (glandular), proliferation p, immune infiltration i, necrosis n, gene programme g
    and a = (age - 62) / 10:

        log_hazard  = 0.5 s + 0.45 p - 0.35 i + 0.75 n + 0.75 g + 0.6 n g + 0.2 a
        risk_oracle = log_hazard
        risk_slides = E[log_hazard | s, p, i, n] = 0.5 s + 0.45 p - 0.35 i + 0.75 n
        risk_genes  = E[log_hazard | s, p, i, g] = 0.5 s + 0.45 p - 0.35 i + 0.75 g

    The factors are independent with mean zero, so that what one modality does not show, interaction and age
    included, has conditional mean zero. Necrosis shows only in slides, the programme only in genes.

    Args:
        without: Of SILENCED, what is to tell nothing of the hazard: its terms are 0 then.
    """
    terms = pd.DataFrame(index=patients.index)
    terms["subtype"] = np.where(patients["subtype"] == SUBTYPES[1], 0.5, -0.5)
    for factor in ("proliferation", "immune", "necrosis", "programme"):
        terms[factor] = patients[factor]
    terms["necrosis_programme"] = patients["necrosis"] * patients["programme"]
    terms["age"] = (patients["age"] - 62) / 10
    silent = {term for what in without for term in SILENCED[what]}
    parts = terms * pd.Series({term: 0.0 if term in silent else weight for term, weight in WEIGHTS.items()})
    log_hazard = parts[list(WEIGHTS)].sum(axis=1)
    return patients.assign(
        log_hazard=log_hazard,
        risk_oracle=log_hazard,
        risk_slides=parts[list(IN_SLIDES)].sum(axis=1),
        risk_genes=parts[list(IN_GENES)].sum(axis=1),
    )


def follow_up(
    log_hazard: Float[np.ndarray, " P"], seed: int, *, censoring: float
) -> tuple[Float[np.ndarray, " P"], Bool[np.ndarray, " P"]]:
    """Months to the event or to last follow-up, in hundredths, and whether the event was observed.

    Times to the event are Weibull: S(t) = exp(-(t / 30)^1.4 exp(log_hazard)). Follow-up ends when the study closes
    (uniform between half of its length and all of it, since patients enter over its first half) or earlier when
    contact is lost (exponential). The study's length is set so that the stated share of patients is censored,
    exactly but for rounding to whole patients; neither end of follow-up depends on the hazard.

    Source: Bender, Augustin, Blettner: Generating survival times to simulate Cox models. Stat Med 2005.
    """
    count = len(log_hazard)
    draws = np.empty((count, 3))
    for k in range(count):
        rng = generator(seed, k, _FOLLOW_UP)
        draws[k] = rng.exponential(), rng.uniform(0.5, 1), rng.exponential(1.5)
    to_event = SCALE_MONTHS * (draws[:, 0] * np.exp(-log_hazard)) ** (1 / SHAPE)
    to_end = np.minimum(draws[:, 1], draws[:, 2])  # in units of the study's length
    longest_study = np.sort(to_event / to_end)[::-1]  # a study longer than this sees the event
    censored = round(censoring * count)
    length = longest_study[0] * 1.01 if censored == 0 else longest_study[censored - 1 : censored + 1].mean()
    event = to_event <= length * to_end
    months = np.minimum(to_event, length * to_end).round(2).clip(min=0.01)
    return months, event


def log_hazard_other(patients: pd.DataFrame) -> pd.Series:
    """The log hazard of another event, such as death of another cause: with a = (age - 62) / 10, 0.6 a + 0.4 p."""
    return 0.6 * (patients["age"] - 62) / 10 + 0.4 * patients["proliferation"]


def competing_events(
    months: Float[np.ndarray, " P"], log_hazard: Float[np.ndarray, " P"], seed: int, *, share: float
) -> tuple[Float[np.ndarray, " P"], Bool[np.ndarray, " P"], float]:
    """Follow-up that another event may end first: its months in hundredths, for whom it did, and the event's scale.

    Times to it are Weibull: S(t) = exp(-(t / scale)^1.4 exp(log_hazard)), drawn apart from those of `follow_up`. The
    scale is set so that the stated share of patients meets it first, exactly but for rounding to whole patients. Both
    hazards are proportional to t^0.4, so the true cumulative incidence of the event of interest by t is
    h / (h + h') (1 - exp(-(h + h') t^1.4)), with h = exp(log_hazard) / 30^1.4 of that one, h' likewise of the other.

    Args:
        months: To the event of interest or to last follow-up.
        log_hazard: Of the other event.
    """
    draws = np.array([generator(seed, k, _OTHER).exponential() for k in range(len(months))])
    to_other = (draws * np.exp(-log_hazard)) ** (1 / SHAPE)  # in units of the scale
    at_most = np.sort(months / to_other)[::-1]  # a scale below this is met first
    number = round(share * len(months))
    scale = float(at_most[max(number - 1, 0) : number + 1].mean())
    is_other = scale * to_other < months
    return np.where(is_other, (scale * to_other).round(2).clip(min=0.01), months), is_other, scale
