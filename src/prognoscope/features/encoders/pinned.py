"""Which commit of an encoder's repository is fetched, and the SHA-256 of the file in it.

They were not checked against the hub itself. Each value is one that at least two independent public projects keep for
their own use of the file, but that of OpenMidnight's sum one of the two prints the ends alone; what has not two is left
out.
"""

PINNED: dict[str, dict[str, str]] = {
    "virchow": {
        "revision": "19eebc84ae33e79f1b2d866e6ff90ae50e522f9a",
        "sha256": "3416891b37a2349a2d9ce7ecf00b64a6277011b41351436c1ceb0abb80805408",
    },
    "hoptimus0": {"revision": "b145cc1e6c6b30d3251aa8b1f844e6974188a743"},
    "midnight": {
        "revision": "adc6b15679c981cce6f9b018bbad09d16eeeda9f",
        "sha256": "52c14f20386ca17c2af8a7bf32c31c352668a8fbf6aefc88d86be6eaa0c72ca1",
    },
    "openmidnight": {
        "revision": "87189e6674d397a14a5cd342c97b1a1615a185aa",
        "sha256": "b57121fc10e2b04c9e85514fa5e4c23b75329301e05bfc756c3bca57312505be",
    },
    "resnet50_trunc": {
        "revision": "78f3ecfdb38e06d9b8397f662e7ab8fee96026fa",
        "sha256": "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
    },
    "gigapath": {
        "revision": "64f9e26c15019f2d4f6d9113c6822f88bb16b01b",
        "sha256": "877947214318afa9e011754b74bbc3894a1f480a253afc7bc8045b8321dedd63",
    },
    "virchow2": {
        "revision": "3158645804b69e3f3bc4439d4116edddf0840a72",
        "sha256": "8d6cea947eb2418c3b0dff48cfb9b238e47744ab0dfca21b2b0637b140769b4b",
    },
    "hoptimus1": {
        "revision": "3592cb220dec7a150c5d7813fb56e68bd57473b9",
        "sha256": "c4f1e5b457ddf00679626053b0bf2899be6a19c3a04ad191c87ad1cdfd1abfe1",
    },
    "h0_mini": {"revision": "5b5cc0505d19ae558270045eb0df8c34df4d9609"},
    "uni_v1": {
        "revision": "b55a5ec6cade1a39edfe6534189a9b8ca7a022f0",
        "sha256": "56ef09b44a25dc5c7eedc55551b3d47bcd17659a7a33837cf9abc9ec4e2ffb40",
    },
    "uni_v2": {
        "revision": "d517a8dd47902dd7c308b3c36f63bce47e7b9a43",
        "sha256": "6e077eda234bebc595868d918d3458d9dd32a050199b0ff04443b2f46a0a3b1e",
    },
    "phikon": {"revision": "057cc0295895c2df3dd7681a89680da6015cbefe"},
    "phikon_v2": {
        "revision": "2ae989a9c40cffaa27f0a6cb29cc94d1d6f9a5fd",
        "sha256": "261ae680fa699b3b951597fd57aa19c02ef735805acb104b93af69b36d928569",
    },
}
