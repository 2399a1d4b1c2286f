"""The columns by which tables refer to each other: declared foreign keys, those of checks, and what names and values say."""

from __future__ import annotations

from bulketl.config.config import Config
from bulketl.mysql.server import MySQL
from bulketl.plan.calling import as_at_source
from bulketl.survey.discover import matched
from bulketl.survey.references import believed, guesses
from bulketl.tables.catalog import Catalog
from bulketl.tables.link import Link


def read_links(source: MySQL, config: Config, catalog: Catalog) -> tuple[Link, ...]:
    """Return by which columns tables of the catalogue refer to each other, under the names that the catalogue has.

    A column that a declared foreign key or a check speaks of refers to nothing else. Columns that a load leaves out refer to
    nothing. Raise SourceError.
    """
    tables = {table.origin: table for table in (*catalog.tables, *catalog.views)}
    own = as_at_source(config, catalog)
    checked = [
        Link(table.origin, check.columns, check.table, check.keys)
        for table in tables.values()
        for check in config.rule(table.name).all_checks
        if check.kind == "foreign_key"
    ]
    declared = (
        Link(table.name, key.columns, key.table, key.keys)
        for table in own
        for key in table.foreign_keys
        if not key.elsewhere
    )
    certain = (*declared, *checked)
    settled = {(link.table, column) for link in certain for column in link.columns}
    inferred = (
        Link(guess.table, (guess.column,), guess.target, (guess.key,))
        for guess, _ in believed(guesses(own), matched(source, own))
        if (guess.table, guess.column) not in settled
    )
    found = []
    for link in dict.fromkeys((*certain, *inferred)):
        table, target = tables.get(link.table), tables.get(link.target)
        if table is None or target is None:
            continue
        rules = ((config.rule(table.name), link.columns), (config.rule(target.name), link.keys))
        if all(rule.takes(column) for rule, columns in rules for column in columns):
            found.append(Link(table.name, link.columns, target.name, link.keys))
    return tuple(found)
