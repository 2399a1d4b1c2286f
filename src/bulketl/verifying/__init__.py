"""Comparing the target with the source: rows, keys, sums, months and pairs of queries; and repairing it.

bulketl asks the target before the source, because rows only become newer: a row that the source gets meanwhile is at
worst taken for missing, and a second look corrects that. It looks twice at what differs, and only what both looks say
counts. `tasks` says what of a table can be verified, `servers` holds both sides, and `levels` compares tables at the
requested level: `counts`, `sums`, `keyed` or `keyless`. `verdicts` has what was found, and `repair` mends it.
"""
