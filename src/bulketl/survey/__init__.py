"""Both servers looked at, and nothing changed: what to configure, what is wrong, and the plan.

The order matters. The target is asked first, for nothing is read for a target that is not there. The cursors are measured
before anything else of a table, so that a watermark is never newer than the rows that are read after it.
"""
