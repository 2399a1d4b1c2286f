"""What a table is: columns, keys, casts, ranges, its cursor, its checks, and the spec by which one is written.

Values alone: nothing here asks a server, and nothing here knows who configured what.
"""
