"""Seeded tables of other kinds than payments: each scenario is a database, made the same way every time.

Rows are made in chunks, written as CSV and brought in by LOAD DATA. Texts have no carriage return, which the pipe of two
clients cannot carry.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pymysql
from numpy.random import Generator

from benchmarks.payments import SEED, absent, texts

CHUNK = 250_000
BLOB_BYTES = 1_400_000
TINY_TABLES, TINY_ROWS = 300, 60
Made = Callable[[int, int, Generator], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Seeded:
    """One table: its columns in MySQL's words, and what makes `rows` rows after the first `start`.

    `key`: the integer key that it may be read in partitions of. `hexed`: columns written as hexadecimal digits.
    `casts`: columns with the type that bulketl is told to make of them.
    """

    name: str
    columns: str
    make: Made
    rows: int
    key: str = "id"
    hexed: tuple[str, ...] = ()
    chunk: int = CHUNK
    casts: tuple[tuple[str, str], ...] = ()


def rules(tables: list[Seeded]) -> str:
    """Return the tables.yaml of what is declared, '' for nothing."""
    found = [
        f"{table.name}: {{casts: {{{', '.join(f'{c}: {kind}' for c, kind in table.casts)}}}}}"
        for table in tables
        if table.casts
    ]
    return "\n".join(["source_tables:", *(f"  {line}" for line in found)]) + "\n" if found else ""


def fill(connection: pymysql.Connection[pymysql.cursors.Cursor], database: str, tables: list[Seeded], share: float) -> int:
    """Create the database anew, each table with that share of its rows, one at least; return the rows of all."""
    total = 0
    with connection.cursor() as cursor, tempfile.TemporaryDirectory(prefix="bulketl-benchmark-") as folder:
        cursor.execute(f"DROP DATABASE IF EXISTS {database}")
        cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {database}")
        cursor.execute("SET time_zone = '+00:00', unique_checks = 0")
        path = Path(folder) / "rows.csv"
        for table in tables:
            cursor.execute(f"CREATE TABLE {table.name} ({table.columns}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")
            rows = max(1, round(table.rows * share))
            for start in range(0, rows, table.chunk):
                some = table.make(start, min(table.chunk, rows - start), np.random.default_rng((SEED, start)))
                some.write_csv(path, include_header=False, null_value="NULL", quote_style="non_numeric")
                names = ", ".join(f"@{name}" if name in table.hexed else name for name in some.columns)
                sets = ", ".join(f"{name} = UNHEX(@{name})" for name in table.hexed)
                cursor.execute(
                    f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table.name} CHARACTER SET utf8mb4 "
                    """FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '' LINES TERMINATED BY '\\n' """
                    + (f"({names}) SET {sets}" if sets else f"({names})")
                )
            connection.commit()
            cursor.execute(f"ANALYZE TABLE {table.name}")
            total += rows
    return total


def _narrow(start: int, rows: int, g: Generator) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": np.arange(start + 1, start + rows + 1),
            "patient": g.integers(1, 400_000, rows),
            "provider": g.integers(1, 300, rows, dtype=np.int32),
            "kind": g.integers(-128, 128, rows),
            "units": g.integers(0, 65_536, rows),
            "total": absent(pl.Series(g.integers(-(2**62), 2**62, rows)), 0.1, g),
        }
    )


def _wide(start: int, rows: int, g: Generator) -> pl.DataFrame:
    pool = texts(np.random.default_rng((SEED, 3)))
    # Whole paragraphs: a note is six texts of the pool, most of them short, none very short.
    some = pool.filter(pool.str.len_chars() > 60)

    def note(parts: int) -> pl.Series:
        drawn = [some.gather(pl.Series(g.integers(0, len(some), rows))).alias(str(n)) for n in range(parts)]
        return pl.DataFrame(drawn).select(pl.concat_str(pl.all(), separator=" ")).to_series()

    return pl.DataFrame(
        {
            "id": np.arange(start + 1, start + rows + 1),
            "note": note(6),
            "letter": absent(note(4), 0.2, g),
            "history": note(3),
            "subject": note(1),
        }
    )


def _decimals(start: int, rows: int, g: Generator) -> pl.DataFrame:
    day = np.datetime64("1990-01-01") + g.integers(0, 12_000, rows).astype("m8[D]")
    at = day.astype("M8[us]") + g.integers(0, 86_400_000_000, rows).astype("m8[us]")
    whole, part = g.integers(-(10**9), 10**9, rows), g.integers(0, 10**6, rows)
    exact = pl.DataFrame({"w": whole, "p": part}).select(
        pl.concat_str(pl.col("w"), pl.lit("."), pl.col("p").cast(pl.String).str.zfill(6))
    )
    return pl.DataFrame(
        {
            "id": np.arange(start + 1, start + rows + 1),
            "fee": g.lognormal(4.3, 1.1, rows).round(2),
            "paid": absent(pl.Series(g.lognormal(4.0, 1.3, rows).round(2)), 0.3, g),
            "rate": (g.random(rows) * 9).round(4),
            "exact": exact.to_series(),
            "thousands": g.integers(1, 500_000, rows) * 10_000,
            "born": absent(pl.Series(day), 0.2, g),
            "seen": pl.Series(at).dt.strftime("%Y-%m-%d %H:%M:%S%.6f"),
            "edited": pl.Series(at + np.timedelta64(90, "m")).dt.strftime("%Y-%m-%d %H:%M:%S"),
        }
    )


def _digits(start: int, rows: int, g: Generator) -> pl.DataFrame:
    def exact(places: int) -> pl.Series:
        """Numbers of up to 65 digits, each of its parts drawn by itself."""
        parts = {str(n): g.integers(0, 10**13, rows) for n in range(5)}
        padded = [pl.col(name).cast(pl.String).str.zfill(13) for name in parts]
        joined = pl.DataFrame(parts).select(pl.concat_str(padded).alias("n"))["n"]
        return joined.str.slice(0, 65 - places) + "." + joined.str.slice(65 - places) if places else joined

    return pl.DataFrame(
        {"id": np.arange(start + 1, start + rows + 1), "balance": exact(30), "serial": exact(0), "rate": exact(10)}
    )


def _forms(start: int, rows: int, g: Generator) -> pl.DataFrame:
    # As jsonb prints them: shorter keys first, and a blank after each comma and colon.
    patient, visits = g.integers(0, 10**6, rows).tolist(), g.integers(0, 100, rows).tolist()
    answers = [
        f'{{"smoker": false, "history": {{"note": "none", "visits": {v}}}, "patient": {p}, "allergies": ["dust {v}"]}}'
        for p, v in zip(patient, visits, strict=True)
    ]
    marks = [f"[{v}, {p}]" for p, v in zip(patient, visits, strict=True)]
    return pl.DataFrame({"id": np.arange(start + 1, start + rows + 1), "answers": answers, "marks": marks})


def _blobs(start: int, rows: int, g: Generator) -> pl.DataFrame:
    sizes = g.integers(BLOB_BYTES * 9 // 10, BLOB_BYTES * 11 // 10, rows)
    return pl.DataFrame(
        {"id": np.arange(start + 1, start + rows + 1), "image": [g.bytes(int(size)).hex() for size in sizes]}
    )


def _tiny(start: int, rows: int, g: Generator) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": np.arange(start + 1, start + rows + 1),
            "name": [f"entry {n}" for n in g.integers(0, 10**6, rows)],
            "place": g.integers(0, 100, rows),
            "made": (np.datetime64("2020-01-01") + g.integers(0, 2000, rows).astype("m8[D]")),
        }
    )


def _skewed(start: int, rows: int, g: Generator) -> pl.DataFrame:
    """Nine tenths at the beginning, then clusters further and further away: most of the key's range is empty."""
    at = np.arange(start, start + rows)
    place = np.array([1] * 9 + [10**8, 10**9, 10**12, 10**15, 4 * 10**18])[at % 14]
    return pl.DataFrame(
        {
            "id": place + at,
            "patient": g.integers(1, 400_000, rows),
            "amount": g.lognormal(4.3, 1.1, rows).round(2),
            "noted": texts(np.random.default_rng((SEED, 4))).gather(pl.Series(g.integers(0, 20_000, rows))),
        }
    )


_INT = "bigint NOT NULL"
_KEY = f"id {_INT} PRIMARY KEY"
NARROW = (
    f"{_KEY}, patient {_INT}, provider int NOT NULL, kind tinyint NOT NULL, units smallint unsigned NOT NULL, total bigint"
)
WIDE = f"{_KEY}, note text NOT NULL, letter mediumtext, history varchar(2000) NOT NULL, subject varchar(255) NOT NULL"
DECIMALS = (
    f"{_KEY}, fee decimal(10,2) NOT NULL, paid decimal(12,2), rate decimal(8,4) NOT NULL, exact decimal(18,6) NOT NULL,"
    " thousands decimal(15,2) NOT NULL, born date, seen datetime(6) NOT NULL, edited datetime NOT NULL"
)
DIGITS = f"{_KEY}, balance decimal(65,30) NOT NULL, serial decimal(65,0) NOT NULL, rate decimal(65,10)"
FORMS = f"{_KEY}, answers json NOT NULL, marks json"
TINY = f"{_KEY}, name varchar(60) NOT NULL, place int NOT NULL, made date NOT NULL"
SKEWED = f"{_KEY}, patient {_INT}, amount double NOT NULL, noted varchar(255) NOT NULL"

SCENARIOS: dict[str, list[Seeded]] = {
    "narrow": [Seeded("measurement", NARROW, _narrow, 1_500_000)],
    "text": [Seeded("letters", WIDE, _wide, 80_000, chunk=40_000)],
    "decimals": [Seeded("fees", DECIMALS, _decimals, 500_000)],
    "digits": [Seeded("accounts", DIGITS, _digits, 200_000)],
    "json": [Seeded("forms", FORMS, _forms, 300_000, casts=(("answers", "jsonb"), ("marks", "jsonb")))],
    "blobs": [Seeded("documents", f"{_KEY}, image longblob NOT NULL", _blobs, 120, hexed=("image",), chunk=25)],
    "tiny": [Seeded(f"list{n:03}", TINY, _tiny, TINY_ROWS) for n in range(TINY_TABLES)],
    "skewed": [Seeded("events", SKEWED, _skewed, 700_000)],
}
