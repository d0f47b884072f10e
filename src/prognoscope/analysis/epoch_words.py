"""Which epoch of a training counts when finished runs are compared; light, for the command line."""

from typing import Literal

At = Literal["honest", "last", "best_on_test"]
WORDS: dict[str, str] = {
    "honest": "the epoch that no reported patient chose",
    "last": "the last epoch",
    "best_on_test": "the epoch of the greatest C-index on the reported fold",
}
