"""Names of DSMIL's released code, and of its copy in MCTI's."""

NAMES = {
    "i_classifier.fc.0": "patch_classifier",
    "i_classifier.fc": "patch_classifier",  # of another class of the same code
    "b_classifier.q": "query",
    "b_classifier.v": "value",
    "b_classifier.fcc.weight": "bag_weight",
    "b_classifier.fcc.bias": "bag_bias",
    "b_classifier.proj": "project",
}
