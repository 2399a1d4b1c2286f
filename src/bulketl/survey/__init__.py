"""A look at both servers that changes nothing: what to configure, what is wrong, and the plan.

The order matters. bulketl asks the target first, because it reads nothing for a target that is not there. It measures the
cursor of a table before anything else of it, so that a watermark is never newer than the rows that are read after it.
"""
