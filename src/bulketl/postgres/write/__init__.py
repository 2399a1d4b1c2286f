"""Rows written into the target: copied, staged, merged, published, guarded, and counted where they are written.

Postgres says of each COPY how many rows it took. Before a table is published all its staged rows are counted in one scan
and compared with the sum of the records; only when they differ they are counted per partition, by the number of the
transaction that each row carries as `xmin`. What acts on a target table, a trigger, a rule, row security, a cascading key,
may drop, change or add rows after that: `written` compares what Postgres counted in the transaction, whoever did it, and
where something acts also the values. Small tables are not staged: one transaction creates or truncates them and copies, and
its statements are sent in one DO block, for what such a table costs is round trips.

Rows that only Postgres refuses are found by copies into a temporary table, because the driver has no savepoints: the error
says at which line a copy stopped, that row is tried alone, and the next copy begins after it.

The chain of an audited table adds up row hashes (SHA-256 over the row as jsonb without NULLs, in four numbers of 60 bits),
so publishing costs only its own rows and needs no column in the table. Sums tell that rows were altered, not which.
"""
