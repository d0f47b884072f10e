"""The plain reading of the four methods: one patient at a time, every product as it is written.

Modules of ordinary PyTorch in the released variants, with the published parameter names and none of the package's short
cuts: what benchmarks compare with, and a second implementation that the package must agree with. Nothing here is shared
with the package, and nothing of the package imports it.
"""
