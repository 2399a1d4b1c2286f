"""Rights that are printed and checked, as golden screens show them."""

from __future__ import annotations

from rich.text import Text
from shown_base import LONG, ODD, Made

from bulketl.cli.screens import grants
from bulketl.connections.line import Line
from bulketl.mysql import grants as at_source
from bulketl.mysql.grants import Source
from bulketl.postgres import grants as at_target
from bulketl.postgres.grants import Target, needed
from bulketl.tables.rights import ROLES, Held, Right

TARGET = Target("dw", "raw", "writer")
NEEDED = needed(TARGET, "dashboard")
SOME = (
    Held("source", "reader@%", (), ()),
    Held("loader", "writer", (Right("CREATE", "schema", ("raw",), "tables are made there"),),
         (Right("SUPERUSER", "server"), Right("SELECT", "table", ("public", ODD), "by way of PUBLIC"),
          Right("INSERT", "table", ("public", ODD), "by way of PUBLIC"))),
    Held("dashboard", "bulketl_dashboard", tuple(NEEDED[2:6]), (Right("SELECT", "column", ("bulketl", "reject", "value")),)),
    Held("analyst", "bulketl_analyst", NEEDED, (), there=False),
)  # fmt: skip
LINES = (
    Line(
        "source",
        "mysql://db.example:3306/clinic",
        "MariaDB 11.4.5",
        "TLS 1.3, verified",
        "TLS_AES_256_GCM_SHA384",
        here=False,
    ),
    Line("target", "postgresql://local:5432/dw", "Postgres 18.0", "a local socket", "", here=True),
)
MANY = Held("loader", "writer", (), tuple(Right("SELECT", "table", ("public", f"{LONG}{n}")) for n in range(432)))


def sql() -> Text:
    made = [at_target.grants(TARGET, role, f"bulketl_{role}") for role in ROLES[1:]]
    return Text(grants.sql([at_source.grants(Source("my_clinic", locks=True, lag=True), "reader"), *made]))


GRANTS: dict[str, Made] = {"all": lambda v: sql()}
HELD: dict[str, Made] = {
    "some": lambda v: grants.held(SOME),
    "exact": lambda v: grants.held(SOME[:1]),
    "many": lambda v: grants.held([MANY]),
}
