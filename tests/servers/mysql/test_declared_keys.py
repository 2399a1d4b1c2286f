"""Declared foreign keys are seen by a user who may read rows and nothing else."""

from __future__ import annotations

from lab import Lab

from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL
from bulketl.tables.catalog import ForeignKey


def test_a_user_with_select_alone_sees_what_refers_to_what(lab: Lab) -> None:
    """Within the database by its tables, and into another as what it is."""
    other = f"{lab.database}_other"
    user = f"u_{lab.database[-8:]}"
    lab.server.execute(f"CREATE DATABASE {other}")
    lab.server.execute("CREATE TABLE far (id int PRIMARY KEY)", database=other)
    lab.mysql(
        "CREATE TABLE near (a int, b int, PRIMARY KEY (a, b))",
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int,"
        " CONSTRAINT both_of FOREIGN KEY (a, b) REFERENCES near (a, b),"
        f" CONSTRAINT away FOREIGN KEY (c) REFERENCES {other}.far (id))",
        f"CREATE USER {user}@'%' IDENTIFIED BY 'pw'",
        f"GRANT SELECT ON {lab.database}.* TO {user}@'%'",
    )
    try:
        catalog = read_catalog(MySQL(lab.server.database(lab.database, user, "pw")))
    finally:
        lab.server.execute(f"DROP USER {user}@'%'")
        lab.mysql("DROP TABLE t")
        lab.server.execute(f"DROP DATABASE {other}")
    (table,) = (one for one in catalog if one.name == "t")
    assert table.references == ("near",)
    assert sorted(table.foreign_keys, key=lambda key: key.name) == [
        ForeignKey("away", ("c",), "far", ("id",), True), ForeignKey("both_of", ("a", "b"), "near", ("a", "b")),
    ]  # fmt: skip
