"""What a table is: its columns, keys, casts, ranges of a key, cursor and checks, and the spec by which one is written.

Values alone. Nothing here asks a server, and nothing here knows who configured what. `naming` and `evidence` read what the
names and the newest values of a table say about how it is written; `measured` has what was measured of one.
"""
