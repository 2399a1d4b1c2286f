"""What somebody asks of bulketl, or has it do, between one night and the next; and what runs beside a load, for others.

`history` says how every table stands and what happened in each run. `watching` looks at a run as it goes on, `following`
and `underway` say what these looks tell of it, and `cancelling` ends one from anywhere. `anomalies` finds what is not normal
by a table's nights. `alerts` tells people of what goes wrong, at night too; `heartbeat` and `watchdog` make silence heard,
each from another place. `metrics` and `traces` (of `spans`) are for programs that gather figures, and
`lineage` (of `runevents`) for those that know which table comes from which; `checked` says which checks have held, also to
`dagster`, which makes assets of tables.

`records` says what the ledger knows: states, chains of audited tables. `certificates` and `why` prove and explain.
`rejects` shows, exports and retries rows that were rejected. `retention` lets old rows leave. `schedulers` writes what
systemd, cron or Airflow is to be given.

`dashboard` shows all of that as web pages, and `reports` answers for a period: so far for the audit tables.

Migration, which puts one target in the place of another, goes here too when it comes, as a folder of its own. A question
that is about the rows of both servers belongs to `verifying`, one about what to configure to `survey`, and the statements
themselves to `postgres`.
"""
