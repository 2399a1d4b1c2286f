"""A payments table as practice software keeps it: 18 columns, seeded, any number of rows.

Keys, references of which some are NULL, money as double and as decimal, a date, a datetime, a timestamp that follows
every update, flags, and text from nothing to 255 characters with quotes, tabs, line ends and letters from everywhere.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pymysql
from numpy.random import Generator

SEED = 20260101
CHUNK = 250_000
DATABASE = "bulketl_benchmark"
TABLE = "payment"

CREATE = f"""CREATE TABLE {TABLE} (
    PayNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    PatNum bigint NOT NULL,
    ClinicNum bigint NOT NULL,
    PayType bigint NOT NULL,
    DepositNum bigint,
    PayPlanNum bigint,
    PayAmt double NOT NULL,
    MerchantFee double,
    Tax decimal(12,2) NOT NULL,
    PayDate date NOT NULL,
    DateEntry datetime NOT NULL,
    SecDateTEdit timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    IsSplit tinyint NOT NULL,
    PaymentStatus tinyint unsigned NOT NULL,
    PaymentSource int NOT NULL,
    CheckNum varchar(25) NOT NULL,
    PayNote varchar(255) NOT NULL,
    Receipt varchar(255)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

# The same table as the cast rules make it, for the contenders that do not create their own.
CREATE_TARGET = """CREATE TABLE {0} (
    "PayNum" bigint, "PatNum" bigint, "ClinicNum" bigint, "PayType" bigint, "DepositNum" bigint, "PayPlanNum" bigint,
    "PayAmt" double precision, "MerchantFee" double precision, "Tax" numeric(12,2), "PayDate" date,
    "DateEntry" timestamp(0), "SecDateTEdit" timestamp(0), "IsSplit" smallint, "PaymentStatus" smallint,
    "PaymentSource" integer, "CheckNum" varchar(25), "PayNote" varchar(255), "Receipt" varchar(255))"""

_WORDS = (
    "payment", "received", "by", "card", "check", "cash", "patient", "guarantor", "balance", "insurance", "refund", "plan",
    "monthly", "portal", "deposit", "denied", "applied", "it's", '"copay"', "Müller", "Peña", "оплата", "支払い", "😀",
)  # fmt: skip
# No carriage return: the mariadb client prints it as it is, and COPY takes it for the end of a line.
_JOINS = (" ", " ", " ", " ", " ", ", ", "; ", "\t", "\n", "\n\n", " \\ ")


def fill(connection: pymysql.Connection[pymysql.cursors.Cursor], rows: int, database: str = DATABASE) -> None:
    """Create the database and its table anew, with `rows` rows."""
    with connection.cursor() as cursor, tempfile.TemporaryDirectory(prefix="bulketl-benchmark-") as folder:
        cursor.execute(f"DROP DATABASE IF EXISTS {database}")
        cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {database}")
        cursor.execute("SET time_zone = '+00:00', unique_checks = 0")
        cursor.execute(CREATE)
        path = Path(folder) / "rows.csv"
        notes, receipts = (texts(np.random.default_rng((SEED, n))) for n in (1, 2))
        for start in range(0, rows, CHUNK):
            some = chunk(start, min(CHUNK, rows - start), notes, receipts)
            some.write_csv(path, include_header=False, null_value="NULL", quote_style="non_numeric")
            cursor.execute(
                f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {TABLE} CHARACTER SET utf8mb4 "
                """FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '' LINES TERMINATED BY '\\n'"""
            )
        connection.commit()
        cursor.execute(f"ANALYZE TABLE {TABLE}")


def texts(generator: Generator) -> pl.Series:
    """Return a pool of texts: a third empty, most of the others short, a few up to 255 characters."""
    pool = []
    for length in (generator.pareto(1.2, 20_000) * 25).astype(int).clip(0, 255):
        words = generator.choice(_WORDS, length // 4 + 1)
        joins = generator.choice(_JOINS, length // 4 + 1)
        pool.append("".join(word + join for word, join in zip(words, joins, strict=True))[:length] if length > 9 else "")
    return pl.Series(pool)


def chunk(start: int, rows: int, notes: pl.Series, receipts: pl.Series) -> pl.DataFrame:
    """Return `rows` rows after the first `start`, the same ones every time."""
    g = np.random.default_rng((SEED, start))
    # A few gaps, as deleted payments leave them, and few enough for the key to be cut without a walk.
    key = start * 11 // 10 + np.sort(g.choice(rows * 11 // 10, rows, replace=False)) + 1
    entered = np.datetime64("2018-01-01T08:00:00", "us") + (key * 120 + g.integers(0, 86_400, rows)).astype("m8[s]")
    edited = entered + (g.exponential(40 * 86_400, rows)).astype("m8[s]")
    amount = g.lognormal(4.3, 1.1, rows)
    return pl.DataFrame(
        {
            "PayNum": key,
            "PatNum": g.integers(1, 400_000, rows),
            "ClinicNum": g.integers(0, 12, rows),
            "PayType": g.integers(300, 330, rows),
            "DepositNum": absent(pl.Series(g.integers(1, 90_000, rows)), 0.4, g),
            "PayPlanNum": absent(pl.Series(g.integers(1, 9_000, rows)), 0.9, g),
            "PayAmt": np.where(g.random(rows) < 0.7, amount.round(2), amount),  # some with all their digits
            "MerchantFee": absent(pl.Series((amount * 0.029).round(4)), 0.5, g),
            "Tax": (amount * 0.0825).round(2),
            "PayDate": entered.astype("M8[D]"),
            "DateEntry": pl.Series(entered).dt.strftime("%Y-%m-%d %H:%M:%S"),
            "SecDateTEdit": pl.Series(edited).dt.strftime("%Y-%m-%d %H:%M:%S"),
            "IsSplit": g.integers(0, 2, rows),
            "PaymentStatus": g.integers(0, 4, rows),
            "PaymentSource": g.integers(0, 20, rows),
            "CheckNum": pl.Series(np.where(g.random(rows) < 0.6, "", g.integers(1000, 999_999, rows).astype(str))),
            "PayNote": notes.gather(pl.Series(g.integers(0, len(notes), rows))),
            "Receipt": absent(receipts.gather(pl.Series(g.integers(0, len(receipts), rows))), 0.5, g),
        }
    )


def absent(values: pl.Series, share: float, generator: Generator) -> pl.Series:
    """Return the values with about that share of them NULL."""
    gone = pl.Series("gone", generator.random(len(values)) < share)
    return pl.select(pl.when(~gone).then(values)).to_series()
