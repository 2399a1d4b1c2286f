"""What is proposed for other people's databases, where they lie beside the checkout, and for the clinic's catalogue."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lab import Server
from proposed import broken, is_record

import bulketl
from bulketl.config.read import load_config
from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL
from bulketl.survey.examination import find
from bulketl.survey.findings import Seen
from bulketl.survey.proposals import classify
from bulketl.survey.stamps import cursor_candidates
from bulketl.survey.tablesfile import fixed, missing
from bulketl.tables.catalog import Catalog, Column, Key, Table
from bulketl.tables.evidence import Arrival
from bulketl.tables.measured import Profile

SHARED = Path(__file__).parents[4] / "shared"
CATALOGUE = SHARED / "opendental"
FOREIGN = sorted((SHARED / "foreign").glob("*.sql"))
beside = pytest.mark.skipif(not CATALOGUE.is_dir(), reason=f"the catalogue is not at {CATALOGUE}")


def clinic() -> Catalog:
    """Return the clinic's catalogue at its full size, as schema.json has it."""
    tables = []
    for name, entry in json.loads((CATALOGUE / "schema.json").read_text()).items():
        pk = tuple(entry["pk"])
        counts = len(pk) == 1 and entry.get("auto_increment", True)
        columns = tuple(
            Column(column, kind, nullable, extra="on update CURRENT_TIMESTAMP" if "ON UPDATE" in (default or "")
                   else "auto_increment" if counts and column == pk[0] else "")
            for column, kind, nullable, default in entry["columns"]
        )  # fmt: skip
        keys = (Key("PRIMARY", pk, True),) if pk else ()
        tables.append(Table(name, columns, pk, keys, entry["rows"], int(entry["size_mb"] * 2**20)))
    return Catalog("clinic", "11", "UTC", tuple(tables))


def shapes(catalog: Catalog) -> list[tuple[dict[tuple[str, str], Profile], dict[str, Arrival], Catalog]]:
    """Return values that the tables might hold: none known, all in favour of audit, odd ones; and all tables large."""
    agrees = {table.name: Arrival(1000, 1.0, "x", 0, True) for table in catalog}
    gone = {table.name: Arrival(1000, 9.0, "x", 0, True) for table in catalog}
    large = dataclasses.replace(
        catalog, tables=tuple(dataclasses.replace(table, rows=10**6, bytes=2**28) for table in catalog)
    )
    stamps = [(table.name, column.name) for table in catalog for column in cursor_candidates(table)]
    good, odd = dict.fromkeys(stamps, Profile(1000, 0, 0, 1, 9.0)), dict.fromkeys(stamps, Profile(1000, 300, 300, 300, 9.0))
    return [
        (profiles, arrivals, shape)
        for profiles in ({}, good, odd)
        for arrivals in ({}, agrees, gone)
        for shape in (catalog, large)
    ]


def held(catalog: Catalog) -> None:
    for profiles, arrivals, shape in shapes(catalog):
        assert broken(shape, classify(shape, profiles, (), arrivals)) == []


@beside
def test_the_clinics_catalogue_is_proposed_safely_whatever_its_values() -> None:
    """All 432 tables: nothing edited is audit, no guard is off, no record is mirrored."""
    catalog = clinic()
    assert len(catalog.tables) == 432
    assert sum(is_record(table.name) for table in catalog) >= 20
    held(catalog)


@pytest.mark.filterwarnings("ignore:.*passed over:UserWarning")  # sections of its layout
@beside
def test_the_clinics_old_rules_are_warned_of_where_audit_hides_edits(tmp_path: Path) -> None:
    """By the stamp that says so; the fixes of the file are a fixed point."""
    catalog, path = clinic(), tmp_path / "tables.yaml"
    path.write_bytes((CATALOGUE / "tables.yaml").read_bytes())
    config = load_config(path, None, {})
    profiles = dict.fromkeys(
        ((table.name, c.name) for table in catalog for c in cursor_candidates(table)), Profile(1000, 0, 0, 1, 9.0)
    )
    proposals = {item.table: item for item in classify(catalog, profiles)}
    found = find(Seen(config, catalog, proposals, profiles))
    stamped = {
        table.name
        for table in catalog
        if config.rule(table.name).table_importance == "audit" and any("on update" in c.extra for c in table.columns)
    }
    warned = {item.table for item in found if "is of tier audit, and column" in item.message}
    assert stamped
    assert stamped <= warned, stamped - warned
    fixes: dict[str, dict[str, Any]] = {}
    for item in found:
        fixes.setdefault(item.table, {}).update(item.fix)
    assert len(missing(path.read_text(), fixes)) > 30
    path.write_text(fixed(path.read_text(), fixes))
    again = find(Seen(load_config(path, None, {}), catalog, proposals, profiles))
    assert [item for item in again if item.fix or item.severity == "error"] == []


@pytest.mark.skipif(not FOREIGN or not shutil.which("mariadb"), reason="no other databases are beside the checkout")
@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: path.stem)
def test_other_peoples_databases_are_proposed_safely(mariadb: Server, path: Path) -> None:
    """As they are, with what their tables hold, and whatever they might hold."""
    where = mariadb.uri.rstrip("/").rpartition(":")[2]
    with path.open("rb") as script:
        subprocess.run(["mariadb", "-h127.0.0.1", f"-P{where}", "-uroot"], stdin=script, check=True, capture_output=True)
    try:
        config = load_config(None, None, {"BULKETL_SOURCE": mariadb.database(f"case_{path.stem}")})
        catalog, proposals = bulketl.propose(config)
        assert broken(catalog, proposals) == []
        held(read_catalog(MySQL.of(config)))
    finally:
        mariadb.execute(f"DROP DATABASE IF EXISTS case_{path.stem}")
