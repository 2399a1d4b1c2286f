"""Names are read by their words: what a name says, and above all what it does not say."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.tables.naming import hint, keeps, says_added, says_edit, says_list, suggests_edit, words

SPLIT = {
    "ost_queue": "ost queue", "PaymentLog": "payment log", "SecDateTEdit": "sec date t edit", "log2": "log 2",
    "HTTPSession": "http session", "a.b-c d": "a b c d", "__x__": "x", "größe_log": "größe log",
    "SQLLog": "sql log", "securitylog": "securitylog", "ÄnderungsLog": "änderungs log", "": "",
}  # fmt: skip
# What a name says: the kind, and whether a word says it or only the end or the beginning of one.
SAID = {
    "record word": "log payments_log PaymentLog glpi_logs user_history audit audit_entries login_attempts event_log"
    " ost_syslog session_log log_2024 mw_logging changelog auditTrail cache_log",
    "record part": "securitylog procedurelog commlog tsitranslog updatehistory histappointment loginattempt"
    " glpi_crontasklogs mw_updatelog taskhist accesslog weblog dblog cache_accesslog",
    "passing word": "session ost_session user_sessions ost_queue update_queue data_source_stats_command_cache signal_queue"
    " ost_lock api_tokens UserToken ost_plugin_instance cache_messages Cache",
    "passing part": "sessiontoken activeinstance signalod mw_objectcache hiequeue",
    " word": "catalog product_catalog productcatalog catalogs dialog backlog mail_backlog blog blog_posts analog obsession"
    " possessions login logo logistics prolog updates update_site instanceof queue_column ost_queue_columns cachet"
    " sessional histogram salary_histogram historians auditorium auditors ecology apology technology_list orders ''",
}  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), SPLIT.items())
def test_a_name_is_split_where_its_spelling_splits_it(name: str, expected: str) -> None:
    assert words(name) == tuple(expected.split())


@pytest.mark.parametrize(
    ("name", "said"), [(name.strip("'"), said) for said, names in SAID.items() for name in names.split()]
)
def test_what_a_table_is_for_is_said_by_words_or_hinted_at(name: str, said: str) -> None:
    found = hint(name)
    assert f"{found.kind} {'word' if found.whole else 'part'}" == said, found


LETTERS = st.text(string.ascii_lowercase, min_size=2, max_size=6)
ENDS = ("log", "logs", "hist", "history", "audit", "attempt", "attempts", "session", "sessions", "token", "tokens", "queue",
        "cache", "signal", "instance")  # fmt: skip
RECORDS = st.sampled_from(ENDS)


@given(LETTERS, RECORDS, LETTERS, st.sampled_from(["", "x_", "x_y_"]), st.sampled_from(["", "_z", "_z_9"]))
def test_a_word_inside_another_one_says_nothing(before: str, word: str, after: str, prefix: str, suffix: str) -> None:
    """Whatever stands around it, unless what stands around it says something itself."""
    alone = hint(f"{prefix}{before}{after}{suffix}")
    inside = hint(f"{prefix}{before}{word}{after}{suffix}")
    made = f"{before}{word}{after}"
    if alone.kind or made.endswith(ENDS) or made.startswith(("hist", "audit", "signal")):
        return
    assert inside.kind == "", inside


@given(LETTERS, RECORDS)
def test_the_end_of_a_word_is_never_more_than_a_hint(before: str, word: str) -> None:
    found = hint(before + word)
    assert not (found.kind and found.whole) or (before + word) in ("changelog", "auditlog", "syslog", "eventlog"), found


@pytest.mark.parametrize("name", ["securitylog", "securityloghash", "security_events", "payments_log", "log_types", "audit"])
def test_records_and_what_is_about_security_are_worth_keeping(name: str) -> None:
    assert keeps(name)


@pytest.mark.parametrize("name", ["catalog", "ost_queue", "session", "insecurity", "orders", "blog"])
def test_other_tables_follow_their_source(name: str) -> None:
    assert not keeps(name)


@pytest.mark.parametrize(
    "name", ["updated_at", "SecDateTEdit", "DateTimeLastEdit", "last_modified", "datemodified", "changed"]
)
def test_a_stamp_of_the_application_is_known_by_its_words(name: str) -> None:
    assert says_edit(name)
    assert suggests_edit(name, time=True)


@pytest.mark.parametrize(
    "name", ["credited_at", "unchanged_since", "exchanged_on", "created_at", "audited", "id", "accredited"]
)
def test_a_word_inside_another_one_is_no_stamp(name: str) -> None:
    assert not says_edit(name)


@pytest.mark.parametrize("name", ["DateTStamp", "date_mod", "DateTimeLastActive", "last_seen", "mtime", "datetstamp"])
def test_more_names_suggest_that_rows_are_edited_than_are_taken_for_a_cursor(name: str) -> None:
    assert suggests_edit(name, time=True)


def test_a_number_that_changed_is_no_time_of_a_change() -> None:
    assert not suggests_edit("change", time=False)
    assert suggests_edit("updated_at", time=False)
    assert not suggests_edit("eventtime", time=True)


def test_a_table_to_which_rows_are_added_is_known_by_more_words() -> None:
    assert [bool(says_added(n)) for n in ("claimsnapshot", "etrans", "eobattach", "payments_log")] == [True] * 4
    assert [bool(says_added(n)) for n in ("catalog", "session_hash_queue", "transport")] == [False] * 3


LISTS = "order_type TicketStatus sd_configs currency zipcode sheetdef apptpref insfilingcode ww_settings"
NO_LISTS = "orders prototype barcode catalog order_type_history typewriter configurator statuses_log"


@pytest.mark.parametrize("name", [*LISTS.split(), *NO_LISTS.split()])
def test_a_list_of_values_is_told_by_the_last_word(name: str) -> None:
    assert bool(says_list(name)) == (name in LISTS.split())


EDITS = "date_mod last_update updated_at DateTLastModified modified_on changed_ts lastedit time_modified"
NO_EDITS = "credited_at update_key last_seen last_login mod exchanged changes created_at due_date model"


@pytest.mark.parametrize("name", [*EDITS.split(), *NO_EDITS.split()])
def test_a_stamp_of_every_change_is_told_by_its_words(name: str) -> None:
    assert says_edit(name) == (name in EDITS.split())
