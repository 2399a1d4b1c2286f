"""The ledger: what bulketl knows of its own work, in the schema `bulketl` of the target.

Only this room knows its columns. `schema` makes it and brings it up to date, migration after migration. `entries` are the
statements inside the rows' own transactions, `runs` what is written from events, `states` how far each table is loaded,
`rejects` the rows that were not loaded, `made` whose each table is.
"""
