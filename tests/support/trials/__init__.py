"""Trials: bulketl's commands carried out while something goes wrong, and what became of rows, errors and what was left.

`python -m trials` tries every fault and prints a table; tests/promises/test_trials.py tries a few of each kind.
"""
