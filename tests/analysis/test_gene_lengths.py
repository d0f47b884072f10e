"""How many genes each group keeps, in the mean of the folds: G-HANet's Table 1."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from prognoscope.analysis.gene_lengths import gene_lengths
from prognoscope.cli import app
from prognoscope.runs.tables import GENE_LENGTHS

GROUPS = ("Tumor Suppressor Genes", "Oncogenes")


def chosen(kept: list[int]) -> pd.DataFrame:
    groups = [GROUPS[0]] * 3 + [GROUPS[1]] * 2
    numbers = {"p": 0.1, "p_adjusted": 0.1, "kept": kept, "rule": "welch"}
    return pd.DataFrame({"group": groups, "gene": [f"G{i}" for i in range(5)], **numbers})


def test_lengths_are_means_over_folds_beside_the_published_ones_of_the_cohort():
    table = gene_lengths("tcga_blca", "ghanet", {0: chosen([1, 1, 0, 0, 0]), 1: chosen([1, 1, 1, 0, 1])})
    assert table["group"].tolist() == list(GROUPS)
    assert table["before"].tolist() == [3, 2] and table["after"].tolist() == [2.5, 0.5]
    assert table["sd"].tolist() == [0.5, 0.5] and table["published"].tolist() == [20.2, 73.8]
    assert np.isnan(gene_lengths("mine", "ghanet", {0: chosen([1, 1, 0, 0, 1])})["published"]).all()


def test_the_papers_rule_gives_the_published_lengths_on_the_real_tables(data_pack, tmp_path):
    tcga = data_pack / "tcga"
    table = tcga / "sig" / "tcga_blca_all_clean.csv.zip"
    (tmp_path / "study.yaml").write_text(f"""
name: blca
cohort:
  clinical: {{table: {table}, patient: case_id, time: survival_months, time_unit: months, censored: censorship}}
  omics: {{table: {table}, layout: mcat, groups: {tcga / "signatures.csv"}}}
splits: {{files: '{tcga}/splits/tcga_blca/splits_{{fold}}.csv', validation: 0}}
protocol: paper
methods: [snn]
""")
    done = CliRunner().invoke(app, ["genes", str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    found = GENE_LENGTHS.read(tmp_path / "out" / "gene_lengths.csv")
    assert found["after"].tolist() == pytest.approx([20.2, 73.8, 102.2, 94.6, 351.0, 78.0])
    assert found["published"].tolist() == [20.2, 73.8, 102.2, 94.8, 351.6, 78.2]
    assert "351.0" in done.output and "351.6" in done.output
