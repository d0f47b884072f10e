"""Which columns of a table must never be features, by their names."""

import re

from prognoscope.core.column_names import ID_COLUMNS, is_unnamed, plain_name

METADATA = ID_COLUMNS | {  # spelled as `plain_name` does
    # of MCAT's tables and its relatives
    *("is_female", "oncotree_code", "age", "survival_months", "censorship", "train", "val", "test", "disc_label"),
    # of other tables
    *("age_at_diagnosis", "cancer_type", "censor", "censored", "cls_label", "cohort", "dead", "death", "disease_type"),
    *("event", "fold", "gender", "grade", "is_male", "label", "oncotree", "project_id", "race", "sample_type", "sex"),
    *("split", "stage", "status", "subtype", "time", "tumor_grade", "tumor_stage", "tumour_grade", "tumour_stage"),
}
OF_OUTCOME = re.compile(
    r"(os|dss|dfi|dfs|pfi|pfs|rfs|efs)(_.+)?"
    r"|(.+_)?(survival|censorship|censored|follow_?up|vital_status)(_.+)?"
    r"|(days_to|time|event|status|death|survived)_.+"
    r"|.+_(time|event|status|months|days|censor)"
)


def is_metadata(column: str) -> bool:
    """Whether a column tells of the row, the patient or the outcome, so that it must never be a feature."""
    name = plain_name(column)
    return is_unnamed(column) or name in METADATA or OF_OUTCOME.fullmatch(name) is not None
