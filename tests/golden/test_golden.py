"""Every golden file, by the check that its `meta` names."""

from importlib import import_module

import pytest

from tests.conftest import ABSENT, GOLDEN

from .case import Case

CHECKS = {
    "abmil": "check_single:check_abmil",
    "ccl_alignment": "check_ccl:check_ccl_alignment",
    "ccl_forward": "check_ccl:check_ccl_forward",
    "ccl_interaction": "check_ccl:check_ccl_interaction",
    "ccl_kmeans": "check_ccl:check_ccl_kmeans",
    "ccl_paper": "check_ccl:check_ccl_paper",
    "ccl_train_sequence": "check_ccl:check_ccl_train_sequence",
    "clam_mb": "check_clam:check_clam",
    "clam_sb": "check_clam:check_clam",
    "cmta_ablations": "check_cmta:check_cmta_ablations",
    "cmta_batch": "check_cmta:check_cmta_batch",
    "cmta_grad": "check_cmta:check_cmta_grad",
    "cmta_paper": "check_cmta:check_cmta",
    "cmta_released": "check_cmta:check_cmta",
    "common_survival_metrics": "check_metrics:check_common_survival_metrics",
    "crossattn_paper": "check_cmta:check_crossattn_paper",
    "crossattn_released": "check_cmta:check_crossattn_released",
    "deepattnmisl": "check_deepattnmisl:check_deepattnmisl",
    "deepattnmisl_original": "check_deepattnmisl:check_deepattnmisl_original",
    "dsmil": "check_dsmil:check_dsmil",
    "dsmil_mctiversion": "check_dsmil:check_dsmil_mctiversion",
    "dtfd_mil": "check_dtfd_mil:check_dtfd_mil",
    "dualtrans": "check_cmta:check_dualtrans",
    "ghanet_differential": "check_ghanet_genes:check_ghanet_differential",
    "ghanet_modules": "check_ghanet:check_ghanet_modules",
    "ghanet_paper": "check_ghanet:check_ghanet",
    "ghanet_released": "check_ghanet:check_ghanet",
    "ghanet_spearman": "check_ghanet_genes:check_ghanet_spearman",
    "gpdbn": "check_gpdbn:check_gpdbn",
    "hfbsurv": "check_hfbsurv:check_hfbsurv",
    "kd": "check_kd:check_kd",
    "loss_ccl_cohort": "check_ccl:check_loss_ccl_cohort",
    "loss_cmta": "check_cmta:check_loss_cmta",
    "loss_nll_surv": "check_losses:check_loss_nll_surv",
    "loss_sce": "check_ghanet:check_loss_sce",
    "loss_time_bins": "check_losses:check_loss_time_bins",
    "m3if": "check_m3if:check_m3if",
    "mcat": "check_mcat:check_mcat",
    "maxmil_embed_pool": "check_single:check_pooled",
    "maxmil_pool_mlp": "check_single:check_pooled",
    "mcti_bottleneck": "check_mcti_released:check_mcti_bottleneck",
    "mcti_decblock": "check_mcti_released:check_mcti_decblock",
    "mcti_dsmilenc": "check_mcti_released:check_mcti_dsmilenc",
    "mcti_encblock": "check_mcti_released:check_mcti_encblock",
    "mcti_geneenc": "check_mcti_released:check_mcti_geneenc",
    "mcti_ot": "check_mcti:check_mcti_ot",
    "mcti_ot_batched": "check_mcti:check_mcti_ot_batched",
    "mcti_paper": "check_mcti:check_mcti_paper",
    "mcti_released": "check_mcti_released:check_mcti_released",
    "mcti_tgmsa": "check_mcti_released:check_mcti_tgmsa",
    "mcti_uotcoattn": "check_mcti_released:check_mcti_uotcoattn",
    "meanmil_embed_pool": "check_single:check_pooled",
    "meanmil_pool_mlp": "check_single:check_pooled",
    "motcat": "check_motcat:check_motcat",
    "motcat_microbatch": "check_motcat:check_motcat_microbatch",
    "motcat_ot": "check_motcat:check_motcat_ot",
    "nystrom": "check_nystrom:check_nystrom",
    "nystrom_translayer": "check_nystrom:check_nystrom_translayer",
    "porpoise": "check_porpoise:check_porpoise",
    "ppeg": "check_nystrom:check_ppeg",
    "snn": "check_single:check_snn",
    "snntrans": "check_single:check_snntrans",
    "surformer": "check_surformer:check_surformer",
    "survpath": "check_survpath:check_survpath",
    "transmil": "check_transmil:check_transmil",
}
FILES = sorted(GOLDEN.glob("*.npz"))
CASES = [Case(path) for path in FILES]


@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"{ABSENT}: no folder {GOLDEN}")
def test_the_golden_folder_is_not_empty():
    assert CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.stem)
def test_golden(case):
    assert case.meta["check"] in CHECKS, f"no check is known for {case.meta['check']!r}"
    module, function = CHECKS[case.meta["check"]].split(":")
    getattr(import_module(f"tests.golden.{module}"), function)(case)
