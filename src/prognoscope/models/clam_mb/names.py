"""Published names of CLAM's parameters, one branch per bin, in its own code and in the survival ports."""

from prognoscope.models.clam_sb.names import SHARED, arguments

__all__ = ["NAMES", "UNUSED", "arguments"]

NAMES = {**SHARED, "classifiers": "heads"}
UNUSED = ("cls_head.",)  # made by the MCTI port, and read by nothing
