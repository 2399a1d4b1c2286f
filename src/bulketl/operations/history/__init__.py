"""History: how every table stands, which runs there were, and what happened in each, from the ledger.

`status` decides how each table stands by `standing`, which is pure. `runs` tells of runs, and of one table through all of
them. Nothing here asks the source, so all of it works with the source down.
"""
