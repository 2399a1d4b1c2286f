"""The target's side of a comparison: rows, hashes and figures, by the key or without one.

A large table is compared by bytes (`image`): Postgres has one binary form of each value and the encoder of a load writes
that very form, so nothing is decoded and no hash can hide a difference. Other tables are hashed in buckets of the key.
"""
