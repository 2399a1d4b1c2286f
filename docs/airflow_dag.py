"""A DAG for Airflow 3: a task per tier, and an event of an asset for each table that was loaded.

Copy it into the folder of DAGs, and set FOLDER, COMMAND and the schedule. A DAG that stands on a table is
`DAG(..., schedule=[table_asset("raw", "patient")])`; nothing runs for tables that are unchanged.
"""

import json
import subprocess
from urllib.parse import quote

import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, task
from airflow.sdk.exceptions import AirflowFailException

FOLDER = "/srv/bulketl"  # where config/ is
COMMAND = ("bulketl", "load")
TIERS = ("critical", "important", "audit", "reference")
WELL = (0, 3, 4)  # done; only tables failed whose tier warns; stopped at the end of the window
WRONG_REQUEST = 2  # --resume has found nothing to go on with


def table_asset(schema: str, table: str) -> Asset:
    """Return the asset of a table in the target."""
    return Asset(name=f"{schema}.{table}", uri=f"bulketl://{quote(schema, safe='')}/{quote(table, safe='')}")


def load(*options: str, outlet_events, alias: AssetAlias) -> str:
    """Run bulketl, and have each table that was loaded be an event; return the run."""
    done = subprocess.run([*COMMAND, *options, "--json"], cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=False)
    summary = json.loads(done.stdout) if done.stdout.strip() else {"run": "", "schema": "", "tables": []}
    for table in summary.get("tables", []):
        if table["outcome"] == "loaded":
            extra = {"run": summary["run"], **{key: table[key] for key in ("rows", "rejects", "seconds")}}
            outlet_events[alias].add(table_asset(summary["schema"], table["table"]), extra=extra)
    nothing_left = "--resume" in options and done.returncode == WRONG_REQUEST
    if done.returncode not in WELL and not nothing_left:
        raise AirflowFailException(f"bulketl {' '.join(options)} ended with {done.returncode}, see the log above")
    return summary.get("run", "")


with DAG(
    "bulketl_tiers",
    schedule="0 21 * * 1-5",
    start_date=pendulum.datetime(2026, 1, 1, tz="America/Chicago"),
    catchup=False,
    max_active_runs=1,
) as dag:
    resumed = AssetAlias("bulketl_resumed")

    @task(task_id="resume", outlets=[resumed])
    def resume(*, outlet_events):
        """Go on with a run that was stopped or interrupted."""
        return load("--resume", "last", outlet_events=outlet_events, alias=resumed)

    last = resume()
    for tier in TIERS:
        alias = AssetAlias(f"bulketl_{tier}")

        @task(task_id=f"load_{tier}", outlets=[alias], trigger_rule="all_done")
        def load_tier(tier: str, *, outlet_events):
            """Load the tables of a tier, whatever became of those before."""
            return load("--tier", tier, outlet_events=outlet_events, alias=AssetAlias(f"bulketl_{tier}"))

        last >> (last := load_tier(tier))
