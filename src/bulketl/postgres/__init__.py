"""The target: a Postgres server, what is written into it, what is compared in it, and the ledger.

`target` is the target as a load sees it. Whose a table is, is asked twice: in the plan, and in each transaction that
writes (`ledger.made`), before the lock that some things cannot have and again under it. What depends on a table is read from
`pg_depend`; `inspect` lists what a swap can carry over, and anything else makes the plan refill the table in place, so that
nothing unknown is lost. Staging tables have no statistics and the statistics of other tables may be of yesterday, so no plan
of Postgres may depend on them: `joins` turns nested loops off for whole tables, and all but lookups for few staged rows.
"""
