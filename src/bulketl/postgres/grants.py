"""The rights that each role needs at the target: the list of them, and the SQL that grants it.

`bulketl.postgres.heldrights` looks at what a role has of them, and beyond them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from bulketl.postgres.ddl import columns, name, value
from bulketl.postgres.ledger.acknowledgements import GIVEN
from bulketl.postgres.ledger.readable import READABLE
from bulketl.postgres.server import LEDGER, STAGING
from bulketl.tables.rights import OWNER, Grants, Right, Role

WISHES, WISHED = "acknowledgement", "an alert is acknowledged there, which is all that the dashboard writes"
ACTING = "so that an administrator who is no superuser acts for the loader; not where the loader itself runs this"
THEIRS, OWNERS = "the older pipeline's tables in schema", "owners of tables in schema"  # kinds of things, in rights
CREATED = "once a load has made the ledger"


class Target(NamedTuple):
    """Where rows go: the database, the schema, and the user who loads.

    `shadow`: the schema for tables beside an older pipeline's, '' where none is configured. `keeps`: whether loads keep what
    tables were before.
    """

    database: str
    schema: str
    loader: str
    shadow: str = ""
    keeps: bool = False


def needed(target: Target, role: Role) -> tuple[Right, ...]:
    """Return the rights that a role needs, and no other, of what there is once a load has run."""
    database, schema, ledger = (target.database,), (target.schema,), (LEDGER,)
    found = [Right("CONNECT", "database", database, "to be let in")]
    if role == "loader":
        found.append(Right("TEMPORARY", "database", database, "rows are merged, compared and tried in temporary tables"))
        found.append(Right(OWNER, "schema", ledger, "the ledger's version is in the comment of its schema"))
        if target.shadow or target.keeps:
            found.append(Right("CREATE", "database", database, "tables that were replaced are kept in schemas of their own"))
        places = [(STAGING, "large tables are gathered there unseen"), (target.schema, "tables are made there")]
        places += [(target.shadow, "tables are made there beside the older pipeline's")] if target.shadow else []
        for place, why in places:
            found += [Right(privilege, "schema", (place,), why) for privilege in ("USAGE", "CREATE")]
        if target.shadow:
            found.append(Right("SELECT", THEIRS, schema, "they are compared"))
            found.append(Right("MEMBER", OWNERS, schema, "what takes the place of a table becomes its owner's"))
    elif role == "dashboard":
        found.append(Right("USAGE", "schema", ledger, "the ledger is there"))
        for table, names in READABLE.items():
            found += [Right("SELECT", "column", (LEDGER, table, column), "no value of a row is in it") for column in names]
        found += [Right("INSERT", "column", (LEDGER, WISHES, column), WISHED) for column in GIVEN]
    elif role == "analyst":
        found.append(Right("USAGE", "schema", schema, "the tables are there"))
        found.append(Right("SELECT", "tables in schema", schema, "they are read"))
        found.append(Right("SELECT", "tables to come in schema", (target.schema, target.loader), "they will be read"))
    return tuple(found)


def grants(target: Target, role: Role, user: str) -> Grants:
    """Return the SQL for an administrator of the target, or what of it the loader itself may do."""
    loader = name(target.loader)
    made = [_created(role, user), (_unless_it_is(target.loader, f"GRANT {loader} TO CURRENT_USER"), ACTING)]
    alike: dict[Right, list[str]] = {}  # privileges on the same thing, for the same reason, are one statement
    for right in needed(target, role):
        if right.kind != "column":
            alike.setdefault(replace(right, privilege=right.why), []).append(right.privilege)
    for right, privileges in alike.items():
        made += _statements(replace(right, privilege=", ".join(privileges)), user)
    if role == "dashboard":
        why = f"all but values of rows; the loader may grant it, {CREATED}"
        for table, names in READABLE.items():
            made.append((f"GRANT SELECT ({columns(names)}) ON {name(LEDGER, table)} TO {name(user)}", why))
        made.append((f"GRANT INSERT ({columns(GIVEN)}) ON {name(LEDGER, WISHES)} TO {name(user)}", f"{WISHED}; {CREATED}"))
    made.append((_unless_it_is(target.loader, f"REVOKE {loader} FROM CURRENT_USER"), "which ends here"))
    return Grants(role, user, "Postgres", tuple(dict.fromkeys(made)))


def _unless_it_is(loader: str, statement: str) -> str:
    """Return what carries out a statement, but for the loader itself, which is no member of itself."""
    return f"DO $do$ BEGIN IF current_user <> {value(loader)} THEN {statement}; END IF; END $do$"


def _joining(schema: str, user: str) -> str:
    """Return what makes a user a member of every owner of tables in a schema; of a superuser nobody is made one."""
    found = (
        "SELECT DISTINCT r.rolname, r.rolsuper FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        f" WHERE c.relnamespace = to_regnamespace({value(name(schema))}) AND c.relkind IN ('r', 'p', 'v')"
        f" AND r.rolname <> {value(user)}"
    )
    warned = "RAISE WARNING 'tables of % stay its own, a superuser: ALTER TABLE ... OWNER TO another role', o.rolname"
    made = f"EXECUTE format('GRANT %I TO %I', o.rolname, {value(user)})"
    loop = f"FOR o IN {found} LOOP IF o.rolsuper THEN {warned}; ELSE {made}; END IF; END LOOP"
    return f"DO $do$ DECLARE o record; BEGIN {loop}; END $do$"


def _created(role: Role, user: str) -> tuple[str, str]:
    if role == "loader":
        return f"CREATE ROLE {name(user)} LOGIN PASSWORD 'choose a password'", "unless it is there"
    return f"CREATE ROLE {name(user)}", f"unless it is there; then GRANT {name(user)} TO whoever it is for"


def _statements(right: Right, user: str) -> Iterator[tuple[str, str]]:
    who, on = name(user), right.on
    if right.kind == "database":
        yield f"GRANT {right.privilege} ON DATABASE {name(*on)} TO {who}", right.why
    elif right.kind == "schema" and right.privilege == OWNER:
        yield f"CREATE SCHEMA IF NOT EXISTS {name(*on)} AUTHORIZATION {who}", right.why
    elif right.kind == "schema":
        if on != (LEDGER,):
            yield f"CREATE SCHEMA IF NOT EXISTS {name(*on)}", right.why
        yield f"GRANT {right.privilege} ON SCHEMA {name(*on)} TO {who}", right.why
    elif right.kind == THEIRS:
        said = f"{right.why}; whoever owns them may grant it"
        yield f"GRANT {right.privilege} ON ALL TABLES IN SCHEMA {name(*on)} TO {who}", said
    elif right.kind == OWNERS:
        yield _joining(on[0], user), f"{right.why}; before the first promotion, and it is enough for comparing too"
    elif right.kind == "tables in schema":
        yield (
            f"GRANT {right.privilege} ON ALL TABLES IN SCHEMA {name(*on)} TO {who}",
            f"{right.why}; the loader may grant it",
        )
    elif right.kind == "tables to come in schema":
        schema, loader = on
        whose = f"ALTER DEFAULT PRIVILEGES FOR ROLE {name(loader)} IN SCHEMA {name(schema)}"
        yield f"{whose} GRANT {right.privilege} ON TABLES TO {who}", f"{right.why}; the loader may grant it"
