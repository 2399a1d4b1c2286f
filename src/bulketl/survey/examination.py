"""Every rule by which `validate` finds something, and the findings of all of them."""

from __future__ import annotations

import dataclasses

from bulketl.survey.findings import SEVERITIES, Finding, Rule, Seen
from bulketl.survey.sourcefindings import AFTER_TABLES, BEFORE_TABLES
from bulketl.survey.tablefindings import TABLE_RULES
from bulketl.survey.targetfindings import FORESEEN, OF_TARGET

FINDING_RULES: tuple[Rule, ...] = (*FORESEEN, *BEFORE_TABLES, *TABLE_RULES, *AFTER_TABLES, *OF_TARGET)


def find(seen: Seen) -> tuple[Finding, ...]:
    """Return every finding: errors first, then by table, then in the order of the rules."""
    found = [dataclasses.replace(one, kind=rule.name) for rule in FINDING_RULES for one in rule.find(seen)]
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.table)))
