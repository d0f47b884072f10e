"""What the name of a column says, however it is written."""

import re

ID_COLUMNS = frozenset(  # kept as text, so that 05 stays 05; compared as `plain_name` spells them
    {
        *("barcode", "bcr_patient_barcode", "case", "case_id", "case_submitter_id", "patient", "patient_barcode"),
        *("patient_id", "sample", "sample_id", "submitter_id", "site", "tissue_source_site"),
        *("file", "file_name", "filename", "slide", "slide_id"),
    }
)


def plain_name(column: str) -> str:
    """A column's name in lower case, with underscores for blanks, dots and dashes, to compare names by."""
    return re.sub(r"[\s.\-]+", "_", column.strip().lower())


def is_unnamed(column: str) -> bool:
    """Whether an export wrote this column without a name of its own."""
    return re.fullmatch(r"(Unnamed:.*)?", column.strip()) is not None
