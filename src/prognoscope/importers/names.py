"""What portals call the columns of their clinical tables, and what a cohort calls them."""

import pandas as pd

from prognoscope.core.column_names import plain_name

TABLES = frozenset(  # of the GDC's model: demographic.vital_status in its own files, vital_status.demographic in Xena's
    {
        *("cases", "project", "demographic", "diagnoses", "follow_ups", "samples", "treatments", "pathology_details"),
        *("exposures", "family_histories", "molecular_tests", "annotations", "other_clinical_attributes", "sites"),
        *("tissue_source_site", "portions", "analytes", "aliquots", "slides"),
    }
)
OF_PATIENTS = frozenset({"cases", "project", "demographic", "diagnoses", "follow_ups", "samples"})
PATIENT = ("case_submitter_id", "bcr_patient_barcode", "_patient", "patient_id", "submitter_id")
SAMPLE = ("sample", "sampleid", "sample_id")
VITAL, DEATH = ("vital_status",), ("days_to_death", "death_days_to")
LAST = ("days_to_last_follow_up", "days_to_last_followup", "days_to_follow_up", "last_contact_days_to")
LAST += ("days_to_last_known_disease_status", "days_to_last_known_alive")
WANTED = {  # column of the cohort -> what portals call it, best first
    "age": (
        *("age_at_index", "age_at_initial_pathologic_diagnosis", "age", "diagnosis_age", "age_at_diagnosis"),
        *("age_at_earliest_diagnosis_in_years", "age_at_earliest_diagnosis"),
    ),
    "sex": ("sex", "gender", "sex_at_birth"),
    "stage": (
        *("ajcc_pathologic_stage", "ajcc_pathologic_tumor_stage", "pathologic_stage", "tumor_stage", "figo_stage"),
        *("ajcc_clinical_stage", "clinical_stage", "ajcc_tumor_pathologic_stage", "ajcc_staging_edition_stage"),
    ),
    "grade": ("tumor_grade", "histological_grade", "neoplasm_histologic_grade", "grade", "histologic_grade"),
    "race": ("race", "race_category"),
    "ethnicity": ("ethnicity", "ethnicity_category"),
    "cancer_type": ("cancer_type_abbreviation", "cancer_type_acronym", "project_id", "tcga_pancanatlas_cancer_type"),
    "oncotree_code": ("oncotree_code",),
    "subtype": ("subtype",),
}
ENDPOINTS = ("OS", "DSS", "DFI", "PFI", "DFS", "PFS", "RFS", "EFS", "MFS", "CSS", "TTP")
LONG = {  # the portal's web page writes names out
    "overall_survival_(months)": "os_months",
    "overall_survival_status": "os_status",
    "disease_free_(months)": "dfs_months",
    "disease_free_status": "dfs_status",
    "progression_free_survival_(months)": "pfs_months",
    "progression_free_status": "pfs_status",
    "progress_free_survival_(months)": "pfs_months",
    "months_of_disease_specific_survival": "dss_months",
    "disease_specific_survival_status": "dss_status",
}


def bare(column: str) -> str:
    """A column's plain name without the table that it is of: vital_status of `demographic.vital_status`.

    What belongs to a treatment or a portion, of which a patient has many, keeps its table's name.
    """
    parts = column.strip().split(".")
    if len(parts) > 1 and parts[0].lower() in TABLES:
        table, name = parts[0].lower(), "_".join(parts[1:])
    elif len(parts) > 1 and parts[1].lower() in TABLES:
        table, name = parts[1].lower(), parts[0]
    else:
        plain = plain_name(column)
        return LONG.get(plain, plain)
    if name == "submitter_id":
        return {"cases": "case_submitter_id", "samples": "sample"}.get(table, f"{table}_submitter_id")
    return plain_name(name) if table in OF_PATIENTS else f"{table}_{plain_name(name)}"


def with_bare_names(table: pd.DataFrame) -> pd.DataFrame:
    """The table with bare names; of columns that then have one name, the first."""
    names = [bare(str(column)) for column in table.columns]
    first = [name not in names[:i] for i, name in enumerate(names)]
    kept = table.loc[:, first].copy()
    kept.columns = [name for name, is_first in zip(names, first, strict=True) if is_first]
    written = zip(reversed(names), reversed(list(table.columns)), strict=True)
    kept.attrs |= {"written": {name: str(column) for name, column in written}}
    return kept
