"""Measures speed and memory, with verification; run by `python -m tests.bench.run`."""
