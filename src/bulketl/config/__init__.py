"""What a person wrote: `bulketl.yaml`, `tables.yaml` and `checks.yaml`, typed, with every mistake and its line.

`yamlfile` gives plain values with the line of every key, and `mistakes` tells everything that is wrong with them, at
once. `read` makes a `Config` of the files and the environment; every decision is based on it.
"""
