"""The days after a load: what somebody asks of bulketl, or has it do, between one night and the next.

`records` says what the ledger knows: states, certificates, chains of audited tables. `rejects` shows, exports and retries
rows that were rejected. `retention` lets old rows leave. `schedulers` writes what systemd, cron or Airflow is to be given.

What will come goes here too, each as a folder of its own: alerts, reports and a dashboard, which read the ledger and a
run's events, and migration, which puts one target in the place of another. A question that is about the rows of both
servers belongs to `verifying`, one about what to configure to `survey`, and the statements themselves to `postgres`.
"""
