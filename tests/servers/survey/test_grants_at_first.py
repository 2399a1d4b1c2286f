"""What a user lacks at a target into which nothing was loaded yet."""

from __future__ import annotations

import secrets

from lab import Lab, configure, execute
from psycopg.conninfo import make_conninfo

import bulketl


def test_the_owner_of_a_new_database_lacks_nothing(maria_lab: Lab, empty: str) -> None:
    """For a load makes its schemas by itself; who may not create any lacks them."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    name = f"w_{secrets.token_hex(4)}"
    database = execute(empty, "SELECT current_database()")[0][0]
    execute(empty, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    config = configure(maria_lab.source, make_conninfo(empty, user=name, password="pw"), "raw")
    try:
        (lacking,) = bulketl.check_grants(config, ["loader"])
        assert {str(right) for right in lacking.missing} == {
            "OWNER on schema bulketl", "USAGE on schema bulketl_staging", "CREATE on schema bulketl_staging",
            "USAGE on schema raw", "CREATE on schema raw",
        }  # fmt: skip
        execute(empty, f"ALTER DATABASE {database} OWNER TO {name}")
        (owner,) = bulketl.check_grants(config, ["loader"])
        assert owner.missing == ()
        assert bulketl.load(config, bulketl.make_plan(config)).outcome == "done"
        (owner,) = bulketl.check_grants(config, ["loader"])
        assert owner.missing == ()
    finally:
        execute(empty, f"ALTER DATABASE {database} OWNER TO CURRENT_USER; DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
