"""The sections of a run's page, in its order; contents and absences follow from them."""

from prognoscope.report.page_section import Section
from prognoscope.report.sections import (
    ablations,
    calibration_plots,
    chosen_settings,
    covariates,
    differences,
    epoch_choice,
    explanations,
    method_results,
    modality_worth,
    other_measures,
    patient_account,
    slide_previews,
    sources,
    survival_curves,
    told_genes,
    training_curves,
    verdict,
)

SECTIONS: tuple[Section, ...] = (
    verdict.SECTION,
    patient_account.SECTION,
    covariates.SECTION,
    slide_previews.SECTION,
    method_results.SECTION,
    differences.SECTION,
    ablations.SECTION,
    survival_curves.SECTION,
    calibration_plots.SECTION,
    training_curves.SECTION,
    epoch_choice.SECTION,
    chosen_settings.SECTION,
    modality_worth.SECTION,
    explanations.SECTION,
    told_genes.SECTION,
    other_measures.SUBTYPE_SECTION,
    other_measures.SECTION,
    sources.SECTION,
)
