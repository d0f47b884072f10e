"""Gene expression that shows proliferation, immune infiltration, subtype and a programme of its own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from prognoscope.simulation.patients import COHORT, GENES, SUBTYPES, generator, site_number

PREFIXES = {  # of made-up gene symbols: nobody should look for biology in them
    "Tumor Suppressor Genes": "TSG",
    "Oncogenes": "ONC",
    "Protein Kinases": "KIN",
    "Cell Differentiation Markers": "CDM",
    "Transcription Factors": "TRF",
    "Cytokines and Growth Factors": "CGF",
}
SIZES = {
    "Tumor Suppressor Genes": 20,
    "Oncogenes": 50,
    "Protein Kinases": 60,
    "Cell Differentiation Markers": 40,
    "Transcription Factors": 80,
    "Cytokines and Growth Factors": 50,
}
LOADS = {  # group -> factor -> share of its genes that follow it
    "Tumor Suppressor Genes": {"proliferation": 0.2},
    "Oncogenes": {"programme": 0.3, "proliferation": 0.1},
    "Protein Kinases": {"proliferation": 0.35},
    "Cell Differentiation Markers": {"subtype": 0.5},
    "Transcription Factors": {"programme": 0.3, "subtype": 0.1},
    "Cytokines and Growth Factors": {"immune": 0.5},
}
UNGROUPED = 24  # genes in no group, which follow nothing
SHARED = ("ONC001", "Transcription Factors")  # this gene is in two groups
CONSTANT = "TSG020"
MISSING = 0.002  # share of values
CORRELATION = (0.55, 0.85)  # least and most of a gene with the factor that it follows
SITE_SHIFT = 0.15

_WORLD = 20_260  # the genes are the same in all cohorts, so that a model can be tried on another one


@dataclass(frozen=True, slots=True)
class GeneWorld:
    """Which genes there are, and how strongly each follows each factor."""

    groups: dict[str, tuple[str, ...]]
    loadings: pd.DataFrame  # genes x factors, correlations


def gene_world() -> GeneWorld:
    """The genes of every simulated cohort: always the same."""
    rng = generator(_WORLD)
    factors = ["subtype", "proliferation", "immune", "programme"]
    groups, rows = {}, {}
    for group, prefix in PREFIXES.items():
        groups[group] = tuple(f"{prefix}{i + 1:03d}" for i in range(SIZES[group]))
        first = 0
        for factor, share in LOADS[group].items():
            following = groups[group][first : first + round(share * SIZES[group])]
            for gene in following:
                sign = 1 if rng.random() < 0.7 else -1
                rows[gene] = {factor: sign * rng.uniform(*CORRELATION)}
            first += len(following)
    gene, group = SHARED
    groups[group] = (*groups[group], gene)
    every = [*dict.fromkeys(g for genes in groups.values() for g in genes), *ungrouped()]
    loadings = pd.DataFrame.from_dict(rows, orient="index").reindex(index=every, columns=factors).fillna(0.0)
    return GeneWorld(groups, loadings)


def ungrouped() -> list[str]:
    """The names of the genes that are in no group."""
    return [f"UNG{i + 1:03d}" for i in range(UNGROUPED)]


def express(patients: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Expression with mean 0 and deviation 1 in the long run, patients x genes, to four decimals.

    A gene is the sum of its loadings times the factors plus normal noise, plus a small shift that differs between
    sites. A few values are missing (empty) and one gene is constant, as in tables one meets.
    """
    world = gene_world()
    genes = world.loadings.index
    factors = patients[["proliferation", "immune", "programme"]].assign(
        subtype=np.where(patients["subtype"] == SUBTYPES[1], 1.0, -1.0)
    )[world.loadings.columns]
    signal = factors.to_numpy() @ world.loadings.to_numpy().T  # (P, G)
    spread = np.sqrt(1 - (world.loadings.to_numpy() ** 2).sum(axis=1) - SITE_SHIFT**2)
    shifts = {
        site: SITE_SHIFT * generator(seed, COHORT, GENES, site_number(site)).standard_normal(len(genes))
        for site in patients["site"].unique()
    }
    values = np.empty_like(signal)
    for k, site in enumerate(patients["site"]):
        rng = generator(seed, k, GENES)
        noise, missing = rng.standard_normal(len(genes)), rng.random(len(genes)) < MISSING
        values[k] = np.where(missing, np.nan, signal[k] + spread * noise + shifts[site])
    table = pd.DataFrame(values, index=patients.index, columns=genes).round(4)
    table[CONSTANT] = 0.0
    return table


def groups_table() -> pd.DataFrame:
    """The gene groups as signature files have them: one column a group, shorter columns padded with nothing."""
    groups = gene_world().groups
    longest = max(map(len, groups.values()))
    return pd.DataFrame({group: [*genes, *[None] * (longest - len(genes))] for group, genes in groups.items()})


def true_genes() -> pd.DataFrame:
    """One row a gene: `gene`, its correlation with each factor, and whether it `is_prognostic`, as all factors are."""
    loadings = gene_world().loadings
    table = loadings.round(4).rename_axis("gene").reset_index()
    return table.assign(is_prognostic=(loadings != 0).any(axis=1).astype(int).to_numpy())
