"""The target compared with the source: rows, keys, sums, months and pairs of queries; and repaired.

The target is asked before the source, because rows only become newer: one that the source gets meanwhile is at worst taken
for missing, and a second look finds it. What differs is looked at twice, and only what both looks say counts.

`tasks` says what of a table can be verified, `servers` holds both sides, `levels` compares tables at the level that was
asked for: `counts`, `sums`, `keyed` or `keyless`. `verdicts` has what is found, `repair` what is done about it.
"""
