"""Runbooks: each has the same form, each is carried out by a test, and whatever goes wrong names the one to follow."""

from __future__ import annotations

import re
from typing import get_args

import pytest
import runbooks
from runbooks import FOLDER, ROOT, commands, named, names, text_of

import bulketl.cli.app  # noqa: F401 - so that every error there is has been defined
from bulketl.config.alerts import RULES
from bulketl.errors import BulketlError, Runbook, runbook, runbook_in, with_runbook
from bulketl.operations.alerts.causes import SIDES
from bulketl.operations.alerts.look import UNFINISHED
from bulketl.operations.alerts.runbooks import OF_KIND, OF_RULE
from bulketl.operations.history.standing import FINE, RUNBOOKS, WORDS
from bulketl.postgres.ledger.findings import ODDITIES

SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")}
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "servers").rglob("test_*.py"))
OWN_FORM = ("rotate-mask-key",)  # whose test is in tests/servers/operations
# Of each kind of error, the runbooks that its hints name, or why they name none. A table that fails by any of them, and a
# load that did not begin, has the one of `OF_RULE`.
OF_ERRORS: dict[str, tuple[Runbook, ...] | str] = {
    "ConfigError": "its hint says which line of which file is to be corrected",
    "PlanError": ("schema-changed", "new-target", "rotate-mask-key"),
    "SpanError": "a value on the command line is wrong",
    "OutsideWindowError": ("window-too-short",),
    "RunCancelledError": "somebody asked for it, and is named",
    "SourceError": ("disk-full",),
    "TargetError": ("disk-full",),
    "LockedError": "its hint says who holds the lock",
    "ClusterError": "its hint says what to look at on the cluster",
    "DeliveryError": "its hint says what the mail server wants",
    "BugError": "a mistake in bulketl is reported",
    "MismatchError": "a mistake in bulketl is reported",
    "DataError": ("quality-below-threshold", "audit-request"),
    "MassDeleteError": ("source-restored",),
    "DataQualityError": ("quality-below-threshold",),
}


def kinds(base: type[BulketlError] = BulketlError) -> set[str]:
    """Return the names of all kinds of errors."""
    return {name for one in base.__subclasses__() for name in (one.__name__, *kinds(one))}


def test_every_runbook_is_a_name_that_alerts_and_hints_may_use() -> None:
    """And every such name is a file."""
    assert names() == sorted(get_args(Runbook))
    assert sorted(set(re.findall(r"\]\(([a-z-]+)\.md\)", text_of("README")))) == names()


@pytest.mark.parametrize("name", [name for name in names() if name not in OWN_FORM])
def test_a_runbook_has_the_form_of_the_others(name: str) -> None:
    """When, what to look at, commands with what they print, how it is well again, what not to do, the way back."""
    text = text_of(name)
    places = [text.find(f"**{part}") for part in ("When:**", "Look first:**", "Well again:**", "Do not** ", "To go back:**")]
    assert -1 not in places
    assert places == sorted(places)
    assert all(command.promised for command in commands(name))
    assert len(text.splitlines()) <= 100


def test_every_runbook_is_carried_out_by_a_test() -> None:
    """Which fails when a command of it is left."""
    assert sorted(re.findall(r'walk\(\s*"([a-z-]+)"', TESTS)) == [name for name in names() if name not in OWN_FORM]
    for name in OWN_FORM:
        assert f'"{name}.md"' in TESTS


@pytest.mark.parametrize("name", [name for name in names() if name not in OWN_FORM])
def test_a_command_that_a_runbook_mentions_is_carried_out_somewhere(name: str) -> None:
    """No command is only in prose: nobody would know that it still works."""
    all_of_them = "\n".join(command.text for one in names() for command in commands(one))
    mentioned = re.findall(r"`(bulketl [^`…]+)`", re.sub(runbooks.BLOCK, "", text_of(name)))
    assert [one for one in mentioned if one not in all_of_them] == []


def test_every_rule_of_alerts_names_a_runbook() -> None:
    """By its rule, or more closely by its kind, which is one that there is."""
    assert set(OF_RULE) == set(RULES)
    closer = {*UNFINISHED, *ODDITIES, *SIDES}
    assert all(kind.partition("-")[0] in RULES and kind.partition("-")[2] in closer for kind in OF_KIND)
    assert {*OF_RULE.values(), *OF_KIND.values()} <= set(names())


def test_every_way_to_stand_that_somebody_has_to_look_at_names_a_runbook() -> None:
    """In `status`, on the pages and in the daily report."""
    assert set(RUNBOOKS) == set(WORDS) - set(FINE)


def test_every_kind_of_error_names_its_runbooks_or_why_not() -> None:
    """What a hint names is a file, and no runbook is named by nothing."""
    assert set(OF_ERRORS) == kinds()
    said = {name for text in SOURCES.values() for name in re.findall(r"runbook\(['\"]([a-z-]+)['\"]\)", text)}
    assert said == {name for of in OF_ERRORS.values() if not isinstance(of, str) for name in of}
    assert said | {*OF_RULE.values(), *OF_KIND.values(), *RUNBOOKS.values()} == set(names())


def test_no_path_of_a_runbook_is_written_by_hand() -> None:
    """So that all of them become addresses when RUNBOOKS is one."""
    assert [path for path, text in SOURCES.items() if list(named(text))] == []
    assert [path for path, text in SOURCES.items() if "docs/runbooks" in text and path.parent.name != "errors"] == []
    assert FOLDER.is_dir()


def test_a_hint_names_one_runbook_its_own_first() -> None:
    """Whatever else is known of what it is about."""
    own = f"free space; {runbook('disk-full')}"
    assert with_runbook(own, "nightly") == own
    assert with_runbook("", "nightly") == runbook("nightly") == "runbook: nightly (docs/runbooks/nightly.md)"
    assert with_runbook("look", "nightly") == f"look; {runbook('nightly')}"
    assert (runbook_in(own), runbook_in("look")) == (runbook("disk-full"), "")
