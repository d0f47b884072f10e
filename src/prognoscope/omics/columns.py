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
_ENDPOINT = r"(os|dss|dfi|dfs|pfi|pfs|rfs|efs|css|ttp|mfs|dmfs|drfs|lrfs|eln?fs)"
_HAPPENED = r"(death|event|relapse|recurrence|progression|metastasis|new_tumou?r|last_(contact|follow_?up|known_alive))"
TELLS_OUTCOME = re.compile(  # narrower than OF_OUTCOME, for er_status and days_to_birth may well be covariates
    rf"(.+_)?{_ENDPOINT}((_.+)|time|days|months|years|status|event|censor)?"
    r"|(.+_)?(survival|survived|censorship|censored|censor|censoring|follow_?ups?|vital_?status|cause_of_death)(_.+)?"
    r"|(.+_)?(disease|progression|recurrence|relapse|metastasis|event)_?free(_.+)?"
    rf"|(.+_)?(days|time|months|years|date|day|month|year)_?(to|of|until)_{_HAPPENED}(_.+)?"
    rf"|(.+_)?{_HAPPENED}_?(time|days|months|years|date|status|event|indicator|flag)(_.+)?"
    r"|(.+_)?(tumou?r_status|cancer_status|new_tumou?r_event)(_.+)?"
    r"|(.+_)?(is_)?(dead|death|died|deceased|alive)(_.+)?"
    r"|(daysto|timeto|monthsto)(death|last\w*|event|relapse|recurrence|progression)"
    r"|(t|y|fu|death|surv)_?(event|time|stat|status)"
    r"|event|events|time|times|status|relapse|recurrence|relapsed|recurred|progressed|outcome|outcomes|disc_label"
)


def tells_outcome(column: str) -> bool:
    """Whether a column's name says that it tells the follow-up, so that it must never be an input."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.strip())  # daysToDeath
    return any(TELLS_OUTCOME.fullmatch(plain_name(name)) for name in (column, split))


def is_metadata(column: str) -> bool:
    """Whether a column tells of the row, the patient or the outcome, so that it must never be a feature."""
    name = plain_name(column)
    return is_unnamed(column) or name in METADATA or OF_OUTCOME.fullmatch(name) is not None or tells_outcome(column)
