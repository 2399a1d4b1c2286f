"""What a table is: its columns, keys, casts, ranges of a key, cursor and checks, and the spec by which one is written.

This room has values only. Nothing here asks a server, and nothing here knows who configured what. `naming` and `evidence`
derive from the names and the newest values of a table how its rows are written; `measured` has what was measured of a
table.
"""
