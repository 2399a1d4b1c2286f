"""What a terminal shows of a plan: what a load would do to each table, its statements, what is new since the last run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulketl.cli.screens.common import MANY, SMALL_ROWS, size
from bulketl.plan.leftout import told
from bulketl.plan.plan import Plan, TableLoad
from bulketl.plan.stale import notes
from bulketl.tables.casts import Cast
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.spec import TIERS

_SAME = {"int": "integer", "decimal": "numeric"}  # the same type in the other server's word


def plan(planned: Plan) -> Group:
    """Return what a load would do: each table with all that is decided of it, or together with small ones like it."""
    loads = list(planned.loads)
    alike = sorted((load for load in loads if len(loads) > MANY and _uneventful(load)), key=_likeness)
    names = {load.spec.table for load in alike}
    shown: list[RenderableType] = [_table(load) for load in loads if load.spec.table not in names]
    shown += [_small(list(same)) for _, same in groupby(alike, key=_likeness)]
    refused = [Text(f"{r.message}\n  {r.hint}\n", style="red") for r in planned.refused]
    told = [Text(f"{note}\n", style="yellow") for note in notes(planned)]
    return Group(*shown, *_skipped(planned), *told, *refused, _sum(planned, loads))


def _skipped(planned: Plan) -> list[Text]:
    told = [
        Text(f"{in_a_line(s.table)} is not loaded: {s.reason}\n", style="yellow") for s in planned.skipped if not s.proof
    ]
    same = [s for s in planned.skipped if s.proof]
    if len(same) > MANY:
        proofs = Counter(s.proof for s in same).items()
        return [*told, *(Text(f"{count_of(n, 'table')} unchanged, by {proof}\n") for proof, n in proofs)]
    return [*told, *(Text(f"{in_a_line(s.table)} is not loaded: {s.reason}\n", style="dim") for s in same)]


def _sum(planned: Plan, loads: Sequence[TableLoad]) -> Text:
    rows, weight = sum(load.rows for load in loads), sum(load.bytes for load in loads)
    end = f"{count_of(len(loads), 'table')}, about {rows:,} rows and {size(weight)}{_took(loads)}, in "
    end += f"{count_of(len(planned.groups), 'group')}, from {planned.source} into schema {planned.schema}; "
    if planned.refused:
        end = f"{count_of(len(planned.refused), 'table')} cannot be loaded (above).\n{end}"
    left = f"not taken from the source: {told(planned.left_out)}\n" if planned.left_out else ""
    return Text(f"{left}{end}TIMESTAMP columns in zone {planned.zone}.\nNothing was changed.")


def _took(loads: Sequence[TableLoad]) -> str:
    """Return how long the tables take one after another, as far as earlier loads tell."""
    known = [load.seconds for load in loads if load.seconds is not None]
    if not known:
        return ""
    seconds, some = sum(known), f" of {len(known)} of them" if len(known) < len(loads) else ""
    amount = f"about {seconds:.1f} s" if seconds < 60 else f"about {seconds / 60:.1f} min"
    amount = amount if seconds >= 0.05 else "under 0.1 s"
    return f", {amount}{' of one worker' if len(loads) > 1 else ''} by the last loads{some}"


def _uneventful(load: TableLoad) -> bool:
    told = load.drift or load.hanging or load.declared or load.compare
    return load.direct and load.rows < SMALL_ROWS and not told


def _likeness(load: TableLoad) -> tuple[int, str, str, str]:
    return TIERS.index(load.tier), load.reason, load.spec.publish, load.spec.consistency


def _small(loads: Sequence[TableLoad]) -> RenderableType:
    """Return what is decided of small tables that are treated alike, and their names."""
    first, rows, weight = loads[0], sum(load.rows for load in loads), sum(load.bytes for load in loads)
    label = loads[0].spec.table if len(loads) == 1 else f"{len(loads)} small tables"
    head = Text.assemble((in_a_line(label), "bold"), f"  {first.tier}, {rows:,} rows, {size(weight)}{_took(loads)}")
    names = {"names": ", ".join(sorted(load.spec.table for load in loads))} if len(loads) > 1 else {}
    types = f"{sum(len(load.spec.casts) for load in loads)} columns by rule, copied by {_encoders(loads)}"
    return _paragraph(head, {**names, **_details(first), "types": types})


def _encoders(loads: Sequence[TableLoad]) -> str:
    return " and ".join(sorted({load.spec.encoder for load in loads}))


def _table(load: TableLoad) -> RenderableType:
    parts = f", {len(load.partitions)} partitions" if len(load.partitions) > 1 else ""
    about = f"  {load.tier}, {load.rows:,} rows, {size(load.bytes)}{parts}{_took([load])}"
    found = {
        **_details(load),
        "kept": ", ".join(load.hanging),
        "columns": "; ".join(load.drift),
        "types": _types(load.spec.casts) + f"; copied by {load.spec.encoder}",
        "declared": "; ".join(load.declared),
        "after": ", ".join(load.after),
    }
    return _paragraph(Text.assemble((in_a_line(load.spec.table), "bold"), about), found)


def _details(load: TableLoad) -> dict[str, str]:
    locks = {"target": load.lock, "source": load.source_lock}
    told = ", ".join(f"at the {where} {lock}" for where, lock in locks.items() if lock)
    return {"why": load.reason, "DDL": ddl(load) or "none", "locks": told or "none", "read as": load.spec.consistency}


def _paragraph(head: Text, details: Mapping[str, str]) -> RenderableType:
    lines = Table.grid(padding=(0, 1, 0, 0))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for name, value in details.items():
        if value:
            lines.add_row(name, Text(in_a_line(value)))
    return Group(head, Padding(lines, (0, 0, 1, 2), expand=False))


def ddl(load: TableLoad) -> str:
    """Return the statements of a load that make, alter or empty tables, in short; '' for none. --sql has them whole."""
    spec = load.spec
    beside = "" if load.direct or load.chunked else "CREATE TABLE beside"
    if spec.publish == "create":
        return "CREATE TABLE" if load.direct else f"{beside}, its key, its new name and schema"
    if spec.publish == "swap":
        views = [thing for thing in load.hanging if thing.startswith("view ")]
        again = f", DROP VIEW and CREATE VIEW of {len(views)}" if views else ""
        return f"{beside}, its key, DROP TABLE of the old one, its name{again}"
    altered = [*(f"ADD COLUMN {column}" for column in spec.added), *(f"ALTER COLUMN {c} TYPE" for c in spec.widened)]
    steps = [beside, "TRUNCATE" if spec.publish == "refill" else "", f"ALTER TABLE {', '.join(altered)}" if altered else ""]
    return ", ".join(step for step in (*steps, "DROP TABLE beside" if beside else "") if step)


def _types(casts: Iterable[Cast]) -> str:
    """Return which columns get a type that is not their own in another word, counted by type."""
    made = [item for item in casts if item.source]
    kinds = Counter((item.source, item.target) for item in made if not _same(item))
    same = len(made) - sum(kinds.values())
    told = [f"{one} -> {other}" + (f" ×{n}" if n > 1 else "") for (one, other), n in kinds.items()]
    return ", ".join([*told, *([f"{_unchanged(same, bool(told))}"] if same else [])])


def _unchanged(count: int, others: bool) -> str:
    words = count_of(count, "other") if others else f"{count:,}"
    return f"{words} as {'it is' if count == 1 else 'they are'}"


def _same(item: Cast) -> bool:
    wanted = item.source_type
    return not wanted.unsigned and _SAME.get(wanted.base, wanted.base) == item.target.partition("(")[0]


def sql(statements: Mapping[str, Sequence[str]]) -> str:
    """Return the statements of every table as one script, its name above each."""
    return "\n\n".join(f"-- {in_a_line(table)}\n" + ";\n".join(found) + ";" for table, found in statements.items())


def plan_changes(run: str, lines: Sequence[str]) -> Text:
    """Return how a plan differs from the last run's."""
    if not run:
        return Text("no run into this schema is on record")
    if not lines:
        return Text(f"the plan is that of run {run}")
    text = Text(f"Since run {run}:\n", style="bold")
    for line in lines:
        text.append(f"  {in_a_line(line)}\n", style={"+": "green", "-": "red"}.get(line[0], "yellow"))
    return text
