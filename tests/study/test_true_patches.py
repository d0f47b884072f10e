"""What a simulation tells of patches and genes, beside the embeddings that were cut."""

import pandas as pd
import pytest

from prognoscope.features.store import read_embeddings
from prognoscope.simulation.genes import gene_world
from prognoscope.study.study_file import StudyFile
from prognoscope.study.true_patches import truth_of


@pytest.fixture
def study(study_folder):
    return StudyFile.load(study_folder / "study.yaml")


def of(study, slide):
    return read_embeddings(study.folder / "features" / f"{slide}.h5")


def test_each_patch_is_of_the_class_that_the_simulation_drew_in_the_order_of_the_bag(study):
    slides = ["SIM-0002-A", "SIM-0001-A"]
    told = truth_of(study, [of(study, slide) for slide in slides])
    drawn = pd.concat([pd.read_csv(study.folder / "truth" / "patches" / f"{slide}.csv") for slide in slides])
    assert told.patches["tumour"].tolist() == drawn["class"].str.startswith("tumour").tolist()
    known = drawn["class"].str.startswith("tumour") | drawn["class"].isin(["lymphocytes", "necrosis"])
    assert told.patches["prognostic"].tolist() == known.tolist()


def test_genes_that_follow_a_factor_carry_the_signal(study):
    loadings = gene_world().loadings
    assert truth_of(study, []).genes == frozenset(loadings.index[(loadings != 0).any(axis=1)])


def test_a_slide_of_which_nothing_is_known_and_a_real_cohort_have_no_truth(study, change):
    embeddings = of(study, "SIM-0001-A")
    (study.folder / "truth" / "patches" / "SIM-0001-A.csv").unlink()
    assert truth_of(study, [embeddings]) is None
    assert truth_of(StudyFile.load(change(**{"cohort.truth": None})), [embeddings]) is None
