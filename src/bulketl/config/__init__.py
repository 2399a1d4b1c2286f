"""What a person wrote: `bulketl.yaml`, `tables.yaml` and `checks.yaml`, typed, with every mistake and its line.

`yamlfile` gives plain values with the line of every key, `mistakes` tells what is wrong with them, all of it at once.
`read` makes a `Config` of the files and the environment, from which every decision is taken.
"""
