"""Benchmarks: bulketl beside the obvious alternatives, measured in the same run on the same servers."""
