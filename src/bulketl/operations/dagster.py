"""Dagster: each table that a load writes as an asset, with the checks of its rule, so that dbt models can depend on it.

Only a program that calls `dagster_assets` needs Dagster, 1.13 or later, which bulketl does not install.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bulketl.config.config import Config
from bulketl.errors import ConfigError
from bulketl.loading.run import load
from bulketl.loading.summary import Summary, TableSummary
from bulketl.operations.alerts.lookout import alerting
from bulketl.operations.checked import checked
from bulketl.operations.dbtsources import dbt_names
from bulketl.operations.lineage import lineage
from bulketl.plan.plan import Plan
from bulketl.survey.planning import make_plan
from bulketl.tables.patterns import matches
from bulketl.tables.spec import Tier

if TYPE_CHECKING:
    from bulketl.loading.events import Observer


def dagster_assets(config: Config, *, tiers: Sequence[Tier] = (), tables: Sequence[str] = ()) -> Any:
    """Return Dagster's AssetsDefinition for the tables that the rules know: one step loads all assets that Dagster selects.

    `tiers` and `tables` (names or patterns) narrow the list. No server is asked: a table is known by its entry in
    tables.yaml or by the snapshot beside that file. Keys are [target schema, table], as dagster-dbt has them for `bulketl
    dbt sources`. An unchanged table is not materialized. The step raises Dagster's Failure, after it has reported what
    went well, when the load ends early, is not certified, or a table of a blocking tier failed. Raise ConfigError when
    Dagster is not installed, or when no table is chosen.
    """
    try:
        import dagster
    except ImportError:
        raise ConfigError("Dagster is not installed", hint="pip install 'dagster>=1.13'") from None
    chosen = [name for name in sorted({*config.tables, *(config.known or ())}) if _chosen(config, name, tiers, tables)]
    if not chosen:
        raise ConfigError(
            "no table for Dagster is known by the rules",
            hint="`bulketl discover --write` writes tables.yaml, with each table of the source and its tier",
        )
    names = dbt_names(chosen)
    keys = {name: dagster.AssetKey([config.target_schema, names[name]]) for name in chosen}
    specs = [_spec(dagster, config, name, key) for name, key in keys.items()]
    checks = [
        dagster.AssetCheckSpec(check, asset=keys[name], blocking=check in _blocking(config, name))
        for name in chosen
        for check in _check_names(config, name).values()
    ]

    def load_tables(context):  # type: ignore[no-untyped-def]  # Dagster takes no annotation but its own
        wanted = [name for name, key in keys.items() if key in context.selected_asset_keys]
        plan = make_plan(config, tables=wanted)
        yield from _results(dagster, config, keys, _loaded(config, plan))

    named = _plain("_".join(["bulketl", config.target_schema, *tiers]))
    return dagster.multi_asset(specs=specs, check_specs=checks, name=named, can_subset=True)(load_tables)


def _chosen(config: Config, name: str, tiers: Sequence[Tier], tables: Sequence[str]) -> bool:
    rule = config.rule(name)
    fits = (not tiers or rule.table_importance in tiers) and (not tables or matches(name, tables))
    return fits and not rule.exclude and not config.waits(name)


def _spec(dagster: Any, config: Config, name: str, key: Any) -> Any:
    place = f"{config.target_schema}.{name}"
    tags = {"bulketl/tier": config.rule(name).table_importance}
    return dagster.AssetSpec(key, skippable=True, kinds={"postgres"}, tags=tags, metadata={"dagster/table_name": place})


def _check_names(config: Config, name: str) -> dict[str, str]:
    """Return what Dagster calls each check of a table, by its label, and what is known without a rule."""
    found: dict[str, str] = {}
    for check in config.rule(name).all_checks:
        plain = _plain("_".join([check.kind, *check.columns]))
        found[check.label] = _apart(plain, check.label) if plain in found.values() else plain
    return {**found, "rejects": "rejects", **({"certified": "certified"} if config.certify else {})}


def _blocking(config: Config, name: str) -> set[str]:
    """Return the checks without which nothing that stands on the table should run: of tiers that only warn, none."""
    if not config.blocks(config.rule(name).table_importance):
        return set()
    labels = _check_names(config, name)
    return {labels[check.label] for check in config.rule(name).all_checks if check.severity == "fail"}


def _loaded(config: Config, plan: Plan) -> Summary:
    """Load, and tell those of it whom the configuration names."""
    with contextlib.ExitStack() as stack:
        observers: list[Observer] = []
        if config.alerts is not None:
            observers.append(stack.enter_context(alerting(config, attended=False)))
        if (told := stack.enter_context(lineage(config))) is not None:
            observers.append(told)
        return load(config, plan, observers)


def _results(dagster: Any, config: Config, keys: Mapping[str, Any], summary: Summary) -> Iterator[Any]:
    """Yield what became of each table; raise Failure at the end when the load did not go as it has to."""
    for name, table in summary.tables.items():
        if table.outcome == "loaded":
            yield dagster.MaterializeResult(keys[name], metadata=_figures(summary.run, table))
        yield from _check_results(dagster, config, keys[name], name, table)
    blocked = [table for table in summary.failed if config.blocks(table.tier)]  # type: ignore[arg-type]
    if blocked or summary.outcome in ("stopped", "not certified"):
        why = "; ".join(f"{table.table}: {table.public or table.message}" for table in blocked)
        raise dagster.Failure(f"run {summary.run}: {why or summary.outcome}", metadata={"run": summary.run})


def _figures(run: str, table: TableSummary) -> dict[str, Any]:
    return {"rows": table.rows, "rejects": table.rejects, "seconds": table.seconds, "run": run}


def _check_results(dagster: Any, config: Config, key: Any, name: str, table: TableSummary) -> Iterator[Any]:
    names = _check_names(config, name)
    checks = config.rule(name).all_checks
    for one in checked(checks, table):
        label = one.check.label if one.check else one.kind
        level = dagster.AssetCheckSeverity.WARN if one.warns else dagster.AssetCheckSeverity.ERROR
        rows = {} if one.rows is None else {"rows": one.rows}
        yield dagster.AssetCheckResult(
            passed=one.held, asset_key=key, check_name=names[label], severity=level, metadata=rows
        )


def _apart(plain: str, label: str) -> str:
    return f"{plain}_{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def _plain(text: str) -> str:
    """Return a name as Dagster takes it, of letters, digits and underscores; a hash keeps two apart."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", text)
    return plain if plain == text else _apart(plain, text)
