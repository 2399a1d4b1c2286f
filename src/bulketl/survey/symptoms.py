"""What the condition of either server means for a load: rules over values, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from bulketl.config.config import Config
from bulketl.mysql.condition import SourceCondition
from bulketl.postgres.condition import TargetCondition
from bulketl.survey.checked import Checked, Side
from bulketl.survey.tried import PAGE, SOURCES, TARGETS, source_series, target_series
from bulketl.tables.clocks import Clock
from bulketl.tables.printable import lasting, size

MOST_OFF = 5.0  # seconds that a clock may be wrong by
PACKET = 16 << 20  # bytes that a row may have at the least
LARGE = 1 << 30  # bytes of a database, from which it matters how much memory a server takes
POOL_SHARE = 4  # a source reads well whose memory holds so many times less than its tables
WAL, INDEXING, SHARED = 4 << 30, 256 << 20, 1 << 30  # bytes with which a target writes much at once


def of_source(config: Config, found: SourceCondition, doubled: bool) -> Iterator[Checked]:
    """Yield what the condition of the source means; `doubled`: an hour of the zone of its TIMESTAMPs comes twice."""
    product, series = source_series(found.version)
    yield _version("source", f"{product} {found.version}", f"{product} {series}", series in SOURCES[product])
    yield _clock("source", found.clock)
    yield _source_zone(config, found, doubled)
    yield _sessions("source", config.at_once, found.connections, found.others)
    yield from _source_settings(found)


def of_target(config: Config, found: TargetCondition, source_bytes: int | None) -> Iterator[Checked]:
    """Yield what the condition of the target means; `source_bytes`: of the source, None where it did not answer."""
    series = target_series(found.version)
    yield _version("target", f"Postgres {found.version}", f"Postgres {series}", series in TARGETS)
    yield _clock("target", found.clock)
    yield Checked(
        "target", "zone", "fine", f"readers see times in {found.zone}; bulketl's own sessions are in UTC, whatever is set"
    )
    # Beside the workers there are the sessions that hold a run's locks and write what happened in it.
    yield _sessions("target", config.at_once + 2, found.connections, found.others)
    yield _disk(config, found, source_bytes)
    if found.encoding != "UTF8":
        yield Checked(
            "target", "encoding", "doubtful", f"the database is in {found.encoding}: rows with characters that it lacks are "
            "rejected", "load into a database in UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )  # fmt: skip
    yield from _target_settings(found, max(source_bytes or 0, found.bytes))


def _version(side: Side, said: str, series: str, tried: bool) -> Checked:
    if tried:
        return Checked(side, "version", "fine", f"{said}: {series} is among those that were tried ({PAGE})")
    return Checked(
        side, "version", "unknown", f"{said}: nobody has tried {series} ({PAGE})",
        "verify the first load: `bulketl load --certify`, then `bulketl verify --level rows`",
    )  # fmt: skip


def _clock(side: Side, clock: Clock) -> Checked:
    ahead = f"{lasting(abs(clock.ahead))} {'ahead of' if clock.ahead > 0 else 'behind'} this machine"
    if clock.off <= MOST_OFF:
        said = "its clock and this machine's agree" if abs(clock.ahead) < 1 else f"its clock is {ahead}"
        return Checked(
            side, "clock", "fine", f"{said}, as far as the line can tell: within {max(clock.within, 0.001):.3f} s"
        )
    return Checked(
        side, "clock", "doubtful", f"its clock is {ahead}: windows, ages and the ledger's times are wrong by that",
        "set the clocks of all three machines by NTP",
    )  # fmt: skip


def _source_zone(config: Config, found: SourceCondition, doubled: bool) -> Checked:
    zone = config.session_zone or found.zone
    by = "timestamp_zone" if config.session_zone else "the server's own zone"
    if not doubled:
        return Checked("source", "zone", "fine", f"TIMESTAMPs are read in {zone} ({by}), in which no hour comes twice")
    return Checked(
        "source", "zone", "doubtful", f"TIMESTAMPs are read in {zone} ({by}): an hour of each autumn comes twice in it, and "
        "values of the two look alike", "write timestamp_zone: '+00:00' in bulketl.yaml, unless readers need that zone",
    )  # fmt: skip


def _sessions(side: Side, needed: int, most: int, others: int) -> Checked:
    said = f"this user may have {most:,} sessions, others have {others:,}, and a load takes {needed:,}"
    if needed <= most - others:
        return Checked(side, "sessions", "fine", said)
    return Checked(
        side, "sessions", "wrong" if needed > most else "doubtful", said,
        "lower workers, or raise the limit of the user or the server",
    )  # fmt: skip


def _source_settings(found: SourceCondition) -> Iterator[Checked]:
    packet, pool = (int(found.settings.get(name) or 0) for name in ("max_allowed_packet", "innodb_buffer_pool_size"))
    if 0 < packet < PACKET:
        yield Checked(
            "source", "max_allowed_packet", "doubtful", f"{size(packet)}: a table with a longer row fails",
            "raise it on the server: SET GLOBAL max_allowed_packet = 1073741824, and in its options",
        )  # fmt: skip
    if found.bytes > LARGE and 0 < pool < found.bytes / POOL_SHARE:
        yield Checked(
            "source", "innodb_buffer_pool_size", "slow", f"{size(pool)} for tables of {size(found.bytes)}: rows come "
            "from the disk, and a load displaces what others read",
            "raise it to half of the server's memory, or read from a replica",
        )  # fmt: skip
    if found.settings.get("general_log") == "ON":
        yield Checked(
            "source", "general_log", "slow", "ON: the server writes every statement into a file",
            "SET GLOBAL general_log = OFF",
        )  # fmt: skip
    if found.settings.get("innodb_stats_on_metadata") == "ON":
        yield Checked(
            "source", "innodb_stats_on_metadata", "slow", "ON: each look at the tables samples all of them",
            "SET GLOBAL innodb_stats_on_metadata = OFF",
        )  # fmt: skip


def _target_settings(found: TargetCondition, most: int) -> Iterator[Checked]:
    """Yield which settings lose or slow what is loaded; `most`: bytes of the larger of the two databases."""
    settings = found.settings
    for name, lost in (
        ("fsync", "a crash of the machine loses or damages what the ledger calls loaded"),
        ("full_page_writes", "a crash of the machine may leave half a page, which no load notices"),
        ("autovacuum", "rows that loads replaced stay on the disk, and readers get plans of old statistics"),
    ):
        if settings.get(name) == "off":
            yield Checked(
                "target", name, "doubtful", f"off: {lost}", f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()"
            )
    limit = settings.get("temp_file_limit", "-1")
    if limit != "-1":
        yield Checked(
            "target", "temp_file_limit", "doubtful", f"{size(float(limit))}: an index that needs more to be built fails its "
            "table", "raise it for the loading role: ALTER ROLE … SET temp_file_limit = -1",
        )  # fmt: skip
    if settings.get("log_statement") in ("mod", "all"):
        yield Checked(
            "target", "log_statement", "slow", f"{settings['log_statement']}: statements of a load fill the server's "
            "log, and those that put rejects on record have values of rows in them",
            "ALTER ROLE … SET log_statement = 'ddl' for the loading role",
        )  # fmt: skip
    if settings.get("synchronous_standby_names"):
        yield Checked(
            "target", "synchronous_standby_names", "slow", "each commit waits for a standby",
            "ALTER ROLE … SET synchronous_commit = 'local' for the loading role, if standbys may be behind",
        )  # fmt: skip
    if most <= LARGE:
        return
    for name, least, why in (
        ("max_wal_size", WAL, "checkpoints come one after the other while much is written"),
        ("maintenance_work_mem", INDEXING, "indexes are built in many passes"),
        ("shared_buffers", SHARED, "pages that are written again and again do not stay in memory"),
    ):
        value = int(float(settings.get(name) or 0))
        if 0 < value < least:
            yield Checked(
                "target", name, "slow", f"{size(value)}: {why}",
                f"ALTER SYSTEM SET {name} = '{least >> 20}MB'" + ("; restart" if name == "shared_buffers" else ""),
            )  # fmt: skip


def _disk(config: Config, found: TargetCondition, source_bytes: int | None) -> Checked:
    """Return whether there is room for a second copy of everything, which a first load or a full one may need."""
    most, why = config.capacity.disk, "capacity.disk"
    free = found.free if found.free is not None else (most - found.bytes if most else None)
    if free is None:
        return Checked(
            "target", "disk", "unknown", f"the database has {size(found.bytes)}; Postgres tells nobody how much is free",
            "write `capacity: {disk: 200 GB}` with what there is into bulketl.yaml",
        )  # fmt: skip
    said = f"{size(max(free, 0))} free" + ("" if found.free is not None else f" of {size(most or 0)} by {why}")
    said += f"; the database has {size(found.bytes)}"
    if source_bytes is None:
        return Checked("target", "disk", "unknown", f"{said}; how large the source is, is not known: it did not answer")
    said += f", the source's tables have {size(source_bytes)}"
    if free >= source_bytes:
        return Checked("target", "disk", "fine", said)
    return Checked(
        "target", "disk", "doubtful", f"{said}: a table that is replaced is there twice until its load ends",
        "make room, or load in parts by --tables",
    )  # fmt: skip
