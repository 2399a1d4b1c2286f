"""Rows in memory, and what both servers can compute of them alike: coerced, checked, hashed, summed, counted.

Checks on rows are a part of coercion: one lazy select of Polars counts what fails each, and only what was found and rejects
or fails is masked. `canonical` writes one text per value on both servers, for hashes; where texts of equal values may
differ, a second look at the values finds the row equal. `reconcile` compares by hashes in buckets of the key: keys are
listed for buckets that differ, rows are read for keys that differ.
"""
