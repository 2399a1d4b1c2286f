"""What a person does with bulketl between one night and the next, and what runs beside a load and tells others about it.

`history` says how every table stands and what happened in each run. `watching` looks at a run while it goes on,
`following` and `underway` say what these looks show, and `cancelling` ends a run from anywhere. `anomalies` finds what is
not normal by a table's earlier nights, and `capacity` says when something will be full. `alerts` tells people what goes
wrong, at night too. `heartbeat` and `watchdog` report silence, each from another place. `metrics` and `traces` (with
`spans`) are for programs that gather figures, and `lineage` (with `runevents`) for programs that know which table comes
from which. `checked` says which checks have held, also for `dagster`, which makes assets of tables; `dbtsources` declares
them for dbt. `records` says what the ledger knows: states, and chains of audited tables. `certificates` and `why` prove
and explain. `rejects` shows, exports and retries rows that were rejected, `undo` restores a table to its previous
version, and `retention` removes old rows. `schedulers` writes what systemd, cron or Airflow needs. `migrate` takes tables
over from an older pipeline. `dashboard` shows all of that as web pages, and `reports` tells of a night, a period or a
run.

A question about the rows of both servers belongs to `verifying`, a question about what to configure to `survey`, and the
statements themselves to `postgres`.
"""
