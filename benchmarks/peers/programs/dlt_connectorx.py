"""dlt: `sql_database` with the connectorx backend, Parquet as loader format, which dlt loads by ADBC, or another format."""

import os
import sys

import dlt
from dlt.sources.sql_database import sql_database


def main() -> None:
    """Load the tables named on the command line as TABLE:KEY."""
    source, target, schema = (os.environ[f"CONTENDER_{word}"] for word in ("SOURCE", "TARGET", "SCHEMA"))
    tables = sql_database(
        source.partition("?")[0].replace("mysql:", "mysql+pymysql:", 1),
        table_names=[word.partition(":")[0] for word in sys.argv[1:]],
        backend="connectorx",
        backend_kwargs={"conn": source, "return_type": "arrow"},
    ).parallelize()
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=os.environ["CONTENDER_FOLDER"],
        dataset_name=schema,
        destination=dlt.destinations.postgres(target),
    )
    pipeline.run(
        tables, write_disposition="replace", loader_file_format=os.environ.get("CONTENDER_FORMAT", "parquet")
    ).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
