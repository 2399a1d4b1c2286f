"""The runbooks for what changes around a load: the source, its columns, the target, and who asks about it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from lab import execute
from psycopg.conninfo import make_conninfo
from runbooks import Clinic, Walk

Begin = Callable[..., Walk]


def test_differs_from_source(clinic: Clinic, walk: Begin) -> None:
    """Somebody changes a row of the target; it is found, explained, and taken from the source."""
    clinic.well("bulketl load")
    clinic.pg('UPDATE raw.patient SET "LName" = \'other\' WHERE "PatNum" = 7')
    walk("differs-from-source", TABLE="patient", KEY="7").steps(1, 2, 3, 4)
    assert clinic.pg('SELECT "LName" FROM raw.patient WHERE "PatNum" = 7') == [("name 7",)]


def test_source_restored(clinic: Clinic, walk: Begin) -> None:
    """A backup is restored, and the application goes on: lost keys are given away anew, beyond the stamps that were read."""
    clinic.well("bulketl load")
    clinic.mysql(
        "CREATE TABLE before_it AS SELECT * FROM patient",
        "INSERT INTO patient (PatNum, LName) SELECT seq, 'lost' FROM seq_301_to_400",
        "UPDATE patient SET LName = 'lost' WHERE PatNum < 50",
        "INSERT INTO securitylog VALUES (101, 'lost', '2026-02-01')",
    )
    clinic.well("bulketl load --exclude before_it")
    clinic.mysql(
        "DELETE FROM patient",
        "INSERT INTO patient SELECT * FROM before_it",
        "DROP TABLE before_it",
        "DELETE FROM securitylog WHERE LogNum = 101",
        "INSERT INTO securitylog VALUES (101, 'another', '2026-02-02')",
        "INSERT INTO patient VALUES (301, 'another', 1, '2027-01-01')",
    )
    restored = walk("source-restored")
    restored.steps(1, 2)
    assert clinic.pg("SELECT count(*) FROM raw.patient WHERE \"LName\" = 'lost'") == [(149,)]
    restored.steps(3)
    assert clinic.pg('SELECT count(*), max("LName") FILTER (WHERE "PatNum" = 301) FROM raw.patient') == [(301, "another")]
    assert clinic.pg('SELECT "What" FROM raw.securitylog WHERE "LogNum" = 101') == [("lost",)]
    restored.steps(4, 5)


def test_schema_changed(clinic: Clinic, walk: Begin) -> None:
    """A column comes, one becomes wider, and a table has another key."""
    clinic.well("bulketl load")
    clinic.pg('CREATE VIEW raw.names AS SELECT "LName" FROM raw.patient')
    clinic.mysql(
        "ALTER TABLE patient ADD COLUMN Email varchar(40), MODIFY LName varchar(80)",
        "UPDATE patient SET Email = 'a@b.example'",
        "ALTER TABLE zipcode DROP PRIMARY KEY, ADD PRIMARY KEY (Id, Zip)",
    )
    walk("schema-changed", TABLE="patient", OTHER="zipcode").steps(1, 2, 3, 4, 5)
    assert clinic.pg('SELECT count("Email") FROM raw.patient') == [(300,)]
    assert clinic.pg("SELECT count(*) FROM raw.names") == [(300,)]
    assert clinic.pg("SELECT count(*) FROM raw.before_the_change") == [(2,)]


def test_audit_request(clinic: Clinic, walk: Begin) -> None:
    """The chain verifies, the report is signed, and its reader checks it with the public key alone."""
    clinic.well(
        "openssl genpkey -algorithm ed25519 -outform DER | base64 > report.key\n"
        "base64 -d report.key | openssl pkey -inform DER -pubout -out report.pub"
    )
    clinic.environ["BULKETL_REPORT_KEY_FILE"] = str(clinic.folder / "report.key")
    clinic.well("bulketl load")
    walk("audit-request", TABLE="securitylog", KEY="9").steps(1, 2, 3, 4, 5)
    assert (clinic.folder / "compliance.html").is_file()
    clinic.pg("ALTER TABLE raw.securitylog DISABLE TRIGGER ALL")
    clinic.pg('UPDATE raw.securitylog SET "What" = \'forged\' WHERE "LogNum" = 9')
    altered = clinic.run("bulketl audit verify")
    assert altered.returncode == 1
    assert "rows in it are not as they were loaded" in altered.stdout  # the words by which the runbook is found


def test_new_target(clinic: Clinic, walk: Begin, postgres: str) -> None:
    """Everything moves to another database, with the rows of an audit table that the source has no more."""
    clinic.well("bulketl load")
    clinic.mysql("DELETE FROM securitylog WHERE LogNum < 4")
    clinic.well("bulketl load")
    name = f"t_{secrets.token_hex(5)}"
    execute(postgres, f"CREATE DATABASE {name}")
    try:
        clinic.environ["NEW_TARGET"] = make_conninfo(postgres, dbname=name)
        move = walk("new-target")
        move.steps(1, 2, 3)
        refused = clinic.run('BULKETL_TARGET="$NEW_TARGET" bulketl plan')
        assert "new-target.md" in refused.stdout
        move.steps(4, 5)
        clinic.environ["BULKETL_TARGET"] = clinic.environ["NEW_TARGET"]
        move.steps(6)
        assert clinic.pg("SELECT count(*) FROM raw.securitylog") == [(100,)]
    finally:
        execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def test_rollback(clinic: Clinic, walk: Begin) -> None:
    """A table that was promoted goes back to the older pipeline, with the view that stands on it, and comes again."""
    clinic.settings(
        alerts={"command": ["true"]},
        migration={
            "shadow": "raw_shadow",
            "legacy": {"told": ["sh", "-c", "echo $0 >> told", "{tables}"]},
            "promote_after": {"equal_nights": 1},
        },
    )
    clinic.pg(
        'CREATE SCHEMA raw; CREATE TABLE raw.zipcode ("Id" integer PRIMARY KEY, "Zip" varchar(9));'
        "INSERT INTO raw.zipcode VALUES (1, '00001'), (2, '12345'); CREATE VIEW raw.zips AS SELECT \"Zip\" FROM raw.zipcode"
    )
    clinic.mysql("UPDATE zipcode SET Zip = 'wrong' WHERE Id = 2")
    clinic.well("bulketl migrate shadow --tables zipcode --reason 'week 1' && bulketl load --hybrid")
    clinic.well("bulketl migrate promote --tables zipcode --reason 'a try' --force")
    assert clinic.pg('SELECT max("Zip") FROM raw.zips') == [("wrong",)]
    back = walk("rollback", TABLE="zipcode", REASON="wrong zips", ALERT="1")
    back.steps(1, 2)
    assert clinic.pg('SELECT max("Zip") FROM raw.zips') == [("12345",)]
    back.steps(3, 4)
    clinic.mysql("UPDATE zipcode SET Zip = '12345' WHERE Id = 2")
    back.steps(5, 6)
    assert (clinic.folder / "told").read_text(encoding="utf-8").split() == ["zipcode"] * 3
    assert clinic.pg('SELECT max("Zip") FROM raw.zips') == [("12345",)]
