"""Measurements of speed and memory; each module is a command, such as `python -m benchmarks.training`."""
