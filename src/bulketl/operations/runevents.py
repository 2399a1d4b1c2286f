"""OpenLineage's events of a load, made of bulketl's by OpenLineage's library: only `lineage` imports this.

A run is a run of the job `load.DATABASE.SCHEMA`, and each try at a table one of `load.DATABASE.SCHEMA.TABLE`, whose parent
is the first.
"""

from __future__ import annotations

import datetime as dt
import urllib.parse
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    data_quality_assertions_dataset,
    datasource_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)
from openlineage.client.naming.dataset import MySQL, Postgres
from openlineage.client.serde import Serde
from openlineage.client.uuid import generate_new_uuid

from bulketl.config.config import Config
from bulketl.loading.events import Event, RunFinished, RunStarted, TableFailed, TablePublished, TableRetried, TableStarted
from bulketl.loading.summary import Summary, TableSummary
from bulketl.operations.checked import checked
from bulketl.postgres.session import parameters
from bulketl.tables.printable import count_of

_PRODUCER = "https://pypi.org/project/bulketl/"
_ENDS = {"done": RunState.COMPLETE, "stopped": RunState.ABORT}


class RunEvents:
    """Takes the events of a load, and gives a collector's, each as a document of JSON."""

    def __init__(self, config: Config, send: Callable[[str], object]) -> None:
        """`config`: both servers, the rules with the checks, and the namespace of jobs."""
        self._config, self._send = config, send
        self._namespace = config.openlineage.namespace if config.openlineage else "bulketl"
        source = urllib.parse.urlsplit(config.uri("source"))
        self._source = (_host(source.hostname or ""), str(source.port or 3306), urllib.parse.unquote(source.path.strip("/")))
        given = parameters(config.uri("target"))[1]
        host, port = (str(given.get(key) or "").split(",")[0] for key in ("host", "port"))
        self._target = (_host(host), port or "5432", str(given.get("dbname") or given.get("user") or "postgres"))
        self._summary = Summary()
        self._job = ""
        self._run = ""
        self._open: dict[str, str] = {}  # by table, the try that is on
        self._columns: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {}

    def add(self, event: Event) -> None:
        """Take one event."""
        whole = not isinstance(event, TablePublished) or event.rows <= self._summary.tables[event.table].rows
        self._summary.add(event)
        match event:
            case RunStarted():
                self._job = f"{event.kind}.{self._source[2]}.{event.schema}"
                self._run = str(generate_new_uuid())
                self._tell_run(RunState.START)
            case TableStarted(table=table):
                self._columns[table] = (event.read, event.written)
                self._begin(table)
            case TableRetried(table=table):
                self._begin(table)
            case TablePublished(table=table):
                self._end(table, RunState.COMPLETE, whole=whole)
            case TableFailed(table=table):
                self._end(table, RunState.FAIL, error=event.public or event.kind)
            case RunFinished():
                self._abort_tables()
                outcome = self._summary.outcome
                self._tell_run(_ends(outcome), "" if outcome in _ENDS else self._said(outcome))
                self._run = ""

    def close(self) -> None:
        """End what a run that was interrupted has left open."""
        self._abort_tables()
        if self._run:
            self._tell_run(RunState.ABORT)
            self._run = ""

    def _said(self, outcome: str) -> str:
        failed = ", ".join(table.table for table in self._summary.failed)
        return f"{outcome}: {count_of(len(self._summary.failed), 'table')} failed{': ' if failed else ''}{failed}"

    def _begin(self, table: str) -> None:
        self._open[table] = str(generate_new_uuid())
        self._tell_table(table, RunState.START)

    def _end(self, table: str, state: RunState, *, whole: bool = True, error: str = "") -> None:
        """End the try at a table; one that the plan refused has not begun."""
        if table not in self._open:
            self._begin(table)
        self._tell_table(table, state, self._summary.tables[table], whole=whole, error=error)
        del self._open[table]

    def _abort_tables(self) -> None:
        for table in list(self._open):
            self._tell_table(table, RunState.ABORT)
            del self._open[table]

    def _tell_run(self, state: RunState, error: str = "") -> None:
        self._tell(state, self._run, self._job, "LOAD", _facets_of_run(error))

    def _tell_table(
        self, table: str, state: RunState, found: TableSummary | None = None, *, whole: bool = True, error: str = ""
    ) -> None:
        parent = parent_run.ParentRunFacet(
            run=parent_run.Run(runId=self._run), job=parent_run.Job(namespace=self._namespace, name=self._job)
        )
        inputs, outputs = (
            self._read(table, found, whole),
            self._written(table, found if state == RunState.COMPLETE else None),
        )
        facets = {**_facets_of_run(error), "parent": parent}
        self._tell(state, self._open[table], f"{self._job}.{table}", "TABLE", facets, [inputs], [outputs])

    def _tell(
        self, state: RunState, run: str, job: str, kind: str, facets: dict[str, Any], inputs: Any = (), outputs: Any = ()
    ) -> None:
        about = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="BULKETL", jobType=kind)
        event = RunEvent(
            eventTime=dt.datetime.now(dt.UTC).isoformat(),
            producer=_PRODUCER,
            eventType=state,
            run=Run(runId=run, facets=facets),
            job=Job(namespace=self._namespace, name=job, facets={"jobType": about}),
            inputs=list(inputs),
            outputs=list(outputs),
        )
        self._send(Serde.to_json(event))

    def _read(self, table: str, found: TableSummary | None, whole: bool) -> Any:
        """Return the table of the source, with what the checks of the rows that were read have found."""
        name = MySQL(*self._source, self._config.source_name(table))
        facets = {}
        if found is not None and (assertions := self._assertions(found, whole)):
            facets["dataQualityAssertions"] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions)
        columns = self._columns.get(table, ({}, {}))[0]
        return InputDataset(name.get_namespace(), name.get_name(), facets=_described(name, columns), inputFacets=facets)

    def _written(self, table: str, found: TableSummary | None) -> Any:
        """Return the table of the target, with the rows and bytes that were written when it is published."""
        name = Postgres(*self._target, self._summary.schema, table)
        facets = {}
        if found is not None:
            counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(found.rows, found.bytes)
            facets["outputStatistics"] = counted
        columns = self._columns.get(table, ({}, {}))[1]
        return OutputDataset(name.get_namespace(), name.get_name(), facets=_described(name, columns), outputFacets=facets)

    def _assertions(self, found: TableSummary, whole: bool) -> list[Any]:
        return [
            data_quality_assertions_dataset.Assertion(
                assertion=one.kind,
                success=one.held,
                column=one.columns[0] if len(one.columns) == 1 else None,
                severity="warn" if one.warns else "error",
                name=one.name,
                actual=None if one.rows is None else str(one.rows),
                expected=None if one.rows is None else "0",
            )
            for one in checked(self._config.rule(found.table).all_checks, found, whole=whole)
        ]


def _ends(outcome: str) -> RunState:
    return _ENDS.get(outcome, RunState.FAIL)


def _host(host: str) -> str:
    """Return a host as a namespace has it: IPv6 in brackets, and this machine for the folder of a socket or none."""
    if not host or host.startswith(("/", "@")):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _facets_of_run(error: str) -> dict[str, Any]:
    engine = processing_engine_run.ProcessingEngineRunFacet(version=version("bulketl"), name="bulketl")
    failed = {"errorMessage": error_message_run.ErrorMessageRunFacet(error, "python")} if error else {}
    return {"processing_engine": engine, **failed}


def _described(name: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return where a table is, and its columns where they are known."""
    fields = [schema_dataset.SchemaDatasetFacetFields(name=column, type=kind) for column, kind in columns.items()]
    place = datasource_dataset.DatasourceDatasetFacet(name=name.get_namespace(), uri=name.get_namespace())
    return {"dataSource": place, **({"schema": schema_dataset.SchemaDatasetFacet(fields=fields)} if fields else {})}
