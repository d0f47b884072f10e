"""Names of DualTrans' parameters: nothing is published; those of a CMTA checkpoint, and `fusion_encoder`."""

from torch import Tensor

from prognoscope.models.cmta.names import NAMES, arguments_of_encoders

__all__ = ["NAMES", "arguments"]


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; landmarks and steps leave no trace in them."""
    fusion = "transformer" if "fuse.encoder.class_token" in state else "concat"
    return {**arguments_of_encoders(state), "fusion": fusion}
