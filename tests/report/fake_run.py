"""A run folder as a finished study leaves it, with numbers that hang together: risks that know a part of the truth."""

from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.analysis.optimism_table import optimism_table
from prognoscope.core.files import write_text
from prognoscope.core.outcome import TimeBins
from prognoscope.evaluation.concordance import concordance
from prognoscope.runs.card import ModelCard, write_card
from prognoscope.runs.components import write_components
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.provenance import Provenance, write_provenance
from prognoscope.runs.read import Run
from prognoscope.runs.tables import (
    ACCOUNT,
    COMPARISON,
    COVARIATES,
    HISTORY,
    METRICS,
    OPTIMISM,
    OUTCOMES,
    PATIENTS,
    PREDICTIONS,
    RECONSTRUCTION,
    SPLITS,
    TRAINING_RISKS,
)

SKILL = {"coxph": 0.35, "snn": 0.5, "meanmil": 0.3, "abmil": 0.55, "mcti": 0.8}  # correlation with the true log hazard
CLINICAL = {"age": "number", "is_female": "number", "stage": "category"}
EPOCHS = 20
DRAWS = 20


def write_fake_run(folder: Path, *, skill: dict[str, float] = SKILL, patients: int = 120, folds: int = 5) -> Path:
    """Write a run of an honest protocol on a simulated cohort; the same arguments give the same files."""
    files, rng = RunFiles(folder), np.random.default_rng(7)
    log_hazard = rng.normal(size=patients)
    death = 30 * rng.weibull(1.2, patients) * np.exp(-0.8 * log_hazard)
    stop = np.minimum(rng.exponential(60, patients), 90)
    time, event = np.round(np.minimum(death, stop), 2) + 0.1, death <= stop
    names = np.array([f"P{i:03d}" for i in range(patients)])
    part_of = rng.permutation(patients) % folds
    shared = rng.normal(size=patients)

    metrics, risks = [], {}
    for method, rho in skill.items():
        noise = 0.5 * shared + np.sqrt(0.75) * rng.normal(size=patients)
        risks[method] = rho * log_hazard + np.sqrt(1 - rho**2) * noise
        for fold in range(folds):
            _write_fold(files.fold(method, fold), method, rho, rng, part_of, names, time, event, risks[method])
    if "mcti" in skill:  # no method of the fake tells genes or has components, so one is taken for one that does
        for fold in range(folds):
            RECONSTRUCTION.write(files.fold("mcti", fold).reconstruction, _reconstruction(fold))
            write_components(files.fold("mcti", fold).components, _components(log_hazard[part_of == fold]))
    oracles = {"oracle": log_hazard, "oracle_slides": log_hazard + rng.normal(size=patients) * 0.8}
    oracles["oracle_genes"] = log_hazard + rng.normal(size=patients) * 1.1
    draws = [
        np.concatenate([rng.choice(np.flatnonzero(part_of == k), (part_of == k).sum()) for k in range(folds)])
        for _ in range(DRAWS)
    ]
    spread = {}
    for method, risk in {**risks, **oracles}.items():
        values = [_c(risk, part_of == k, time, event) for k in range(folds)]
        spread[method] = np.array(
            [np.mean([_c(risk, d[part_of[d] == k], time, event) for k in range(folds)]) for d in draws]
        )
        metrics += _rows(method, "c_index", values, spread[method])
        if method in risks:
            c = np.array(values)
            metrics += _rows(method, "c_index_ipcw", c - 0.01, spread[method] - 0.01)
            metrics += _rows(method, "integrated_brier", 0.33 - 0.2 * c, 0.33 - 0.2 * spread[method])
            metrics += _rows(method, "auc", c + 0.03, spread[method] + 0.03)
            metrics += _rows(method, "d_calibration_p", rng.uniform(0.01, 1, folds), np.array([np.nan]))
    if "mcti" in skill:
        metrics += _rows("mcti", "subtype_accuracy", rng.uniform(0.8, 0.95, folds), rng.uniform(0.82, 0.92, DRAWS))
        metrics += _rows("mcti", "subtype_auroc", rng.uniform(0.85, 0.99, folds), rng.uniform(0.88, 0.97, DRAWS))
    METRICS.write(files.metrics, pd.DataFrame(metrics, columns=list(METRICS.columns)))
    COMPARISON.write(files.comparison, _comparison(list(skill), metrics, spread))
    parts = [_parts(names, part_of, fold, rng) for fold in range(folds)]
    SPLITS.write(files.splits, pd.concat(parts, ignore_index=True))
    OUTCOMES.write(files.outcomes, pd.DataFrame({"patient_id": names, "time": time, "event": event}))
    _write_clinical(files, names, log_hazard)
    ACCOUNT.write(files.account, _account(patients, int(event.sum())))
    write_text(files.study, "name: simulated\nprotocol: honest\nmethods: [coxph, snn, meanmil, abmil, mcti]\n")
    provenance = Provenance(
        draws=DRAWS,
        name="simulated",
        command="prognoscope run study.yaml",
        protocol="honest",
        cut_from="train",
        methods=tuple(skill),
        papers=dict.fromkeys(skill, "Some et al., A title, 2025"),
        versions={"prognoscope": "0.1.0", "torch": "2.13.0", "python": "3.12.1"},
        seed=0,
        inputs={"clinical.csv": "ab" * 32, "genes.csv": "cd" * 32},
        covariates=tuple({"covariate": n, "read as": kind} for n, kind in CLINICAL.items()),
        notes=("3 constant genes were dropped.", "Missing values filled in with training medians: 12."),
    )
    write_provenance(files.provenance, provenance)
    OPTIMISM.write(files.optimism, optimism_table(Run(folder), list(skill)))
    return folder


def _write_clinical(files, names, log_hazard) -> None:
    rng = np.random.default_rng(11)
    age = np.round(62 + 5 * log_hazard + rng.normal(0, 8, len(names)))
    words = {"age": [f"{each:g}" for each in age], "is_female": rng.integers(0, 2, len(names)).astype(str)}
    words["stage"] = rng.choice(["I", "II", "III", ""], len(names), p=[0.4, 0.3, 0.2, 0.1])
    words["age"][0] = ""
    COVARIATES.write(files.covariates, pd.DataFrame({"patient_id": names, **words}))
    about = {
        "site": rng.choice(["north", "south"], len(names)),
        "subtype": "",
        "slides": rng.integers(1, 3, len(names)),
    }
    PATIENTS.write(
        files.patients, pd.DataFrame({"patient_id": names, **about, "patches": rng.integers(30, 90, len(names)) * 1.0})
    )


def _reconstruction(fold) -> pd.DataFrame:
    rng = np.random.default_rng(fold)
    group = np.repeat(["Oncogenes", "Protein Kinases"], [7, 12])
    table = pd.DataFrame({"group": group, "gene": [f"G{i}_rnaseq" for i in range(19)], "patients": 40})
    table["spearman"] = rng.uniform(-0.1, 0.6, 19)
    table.loc[fold, "spearman"] = np.nan  # a gene that was constant
    return table.drop(index=[18 - fold])  # and one that was not chosen


def _components(log_hazard) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shared = log_hazard[:, None] * np.eye(1, 6, 5)
    middles = {"common": [0, 0], "synergy": [4, 0], "gene": [0, 8], "slide": [8, 8]}
    return {
        name: rng.normal(0, 0.4, (len(log_hazard), 6)) + shared + np.array([*middle, 0, 0, 0, 0])
        for name, middle in middles.items()
    }


def _c(risk, chosen, time, event) -> float:
    return concordance(risk[chosen], time=time[chosen], event=event[chosen]).value


def _rows(method, metric, values, draws):
    rows = [(method, metric, str(fold), value, np.nan, np.nan, np.nan) for fold, value in enumerate(values)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return [*rows, (method, metric, "all", np.mean(values), low, high, np.std(values))]


def _comparison(methods, metrics, spread) -> pd.DataFrame:
    value = {row[0]: row[3] for row in metrics if row[1] == "c_index" and row[2] == "all"}
    rows = []
    for i, a in enumerate(methods):
        for b in methods[i + 1 :]:
            draws = spread[a] - spread[b]
            low, high = np.quantile(draws, [0.025, 0.975])
            p = min(1.0, 2 * min((draws <= 0).mean(), (draws >= 0).mean()))
            rows.append(("c_index", a, b, value[a] - value[b], low, high, p, min(1.0, p * 1.5 + 0.01)))
    return pd.DataFrame(rows, columns=list(COMPARISON.columns))


def _write_fold(files, method, rho, rng, part_of, names, time, event, risk):
    fold = files.number
    train, test = part_of != fold, part_of == fold
    bins = TimeBins.fit(time[train], event[train])
    baseline = np.array([0.84, 0.66, 0.42, 0.15])
    survival = baseline ** np.exp(0.9 * risk[test])[:, None]
    table = {
        "patient_id": names[test],
        "fold": fold,
        "risk": -survival.sum(1),
        "time": time[test],
        "event": event[test],
    }
    table = pd.DataFrame(table | {f"S_{k}": survival[:, k] for k in range(4)})
    PREDICTIONS.write(files.predictions, table)
    learned = -(baseline ** np.exp(0.9 * risk[train])[:, None]).sum(1)
    TRAINING_RISKS.write(files.training_risks, pd.DataFrame({"patient_id": names[train], "risk": learned}))
    edges = [None, *bins.edges[1:-1].tolist(), None]
    epochs = np.arange(EPOCHS)
    validation = (
        1.45
        - 0.35 * rho * (1 - np.exp(-epochs / 4))
        + 0.012 * np.maximum(epochs - 9 - fold, 0)
        + rng.normal(0, 0.01, EPOCHS)
    )
    chosen = int(validation.argmin())
    card = ModelCard(method, method, {}, {}, fold, tuple(edges), {}, choose="validation_loss", chosen_epoch=chosen)
    write_card(files.card, card)
    if method == "coxph":
        return
    c = 0.5 + 0.3 * rho * (1 - np.exp(-epochs / 3)) - 0.003 * np.maximum(epochs - 11, 0)
    history = {"epoch": epochs, "train_loss": 1.45 - 0.5 * (1 - np.exp(-epochs / 6)), "validation_loss": validation}
    history |= {"validation_c_index": c + rng.normal(0, 0.03, EPOCHS), "test_c_index": c + rng.normal(0, 0.02, EPOCHS)}
    HISTORY.write(files.history, pd.DataFrame(history | {"learning_rate": 2e-4, "chosen": epochs == chosen}))


def _parts(names, part_of, fold, rng) -> pd.DataFrame:
    validation = rng.random(len(names)) < 0.15
    part = np.where(part_of == fold, "test", np.where(validation, "validation", "train"))
    return pd.DataFrame({"patient_id": names, "fold": fold, "part": part})


def _account(patients: int, events: int) -> pd.DataFrame:
    rows = [
        ("Clinical table", patients + 14, events + 6, 0, ""),
        ("Time missing or negative", patients + 11, events + 5, 3, "X001; X002; X003"),
        ("No slide", patients + 4, events + 2, 7, "X004; X005; X006; X007; X008; X009; X010"),
        ("No genes", patients, events, 4, "X011; X012; X013; X014"),
    ]
    return pd.DataFrame(rows, columns=list(ACCOUNT.columns))
