"""The plain reading of eleven methods and the mean: one patient at a time, every product as it is written.

Modules of ordinary PyTorch with the published parameter names and none of the package's short cuts, in the released
variant where there are several: what benchmarks compare with, and a second implementation that the package must agree
with. Nothing here is shared with the package, and nothing of the package imports it.
"""
