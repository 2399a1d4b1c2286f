"""Each word that says something, in a name that has it and no other such word: what it says, and which word it was."""

from __future__ import annotations

from typing import get_args

import pytest

from bulketl.tables.alterations import KINDS, OF_JSON
from bulketl.tables.casts import Encoder
from bulketl.tables.checks import ON_TABLE, ROW_FUNCTIONS, CheckKind, Severity, misplaced
from bulketl.tables.differences import What
from bulketl.tables.naming import (
    Hint,
    NameKind,
    hint,
    keeps,
    says_added,
    says_edit,
    says_end,
    says_list,
    says_people,
    says_state,
    says_whom,
    singular,
    suggests_edit,
)
from bulketl.tables.owner import WORDS, Owner
from bulketl.tables.personal import Sort
from bulketl.tables.rights import OWNER, ROLES
from bulketl.tables.spec import (
    DELETED_AT,
    GUARD,
    GUARDED_ROWS,
    NAME_BYTES,
    ROW_HASH,
    STAMPS,
    TIERS,
    Adopt,
    Consistency,
    Policy,
    Publish,
    Strategy,
    Tier,
)

# What a table's name says of its rows, and names with that word as one of theirs.
RECORD = (
    "log logs logging hist history histories historic audit audits auditing journal journals trail attempt attempts"
    " changelog auditlog auditlogs syslog eventlog"
)
PASSING = "session sessions token tokens queue queues cache caches signal signals instance instances lock locks"
ENTRIES = "entry entries item items item record records row rows line lines event events message messages"


@pytest.mark.parametrize("word", RECORD.split())
def test_a_word_says_that_rows_record_what_happened(word: str) -> None:
    """Wherever it stands; what is only about them is told apart."""
    assert hint(word) == hint(f"door_{word}") == hint(f"door_{word}_2") == Hint("record", word)
    assert hint(f"{word}_search") == Hint("record", word, main=False)
    for entry in ENTRIES.split():
        assert hint(f"{word}_{entry}") == Hint("record", word)
    assert hint(f"{word}_entry_search").main is False
    assert hint(f"{word}_search_entry").main is False
    assert keeps(f"door_{word}") == says_added(f"door_{word}") == word


@pytest.mark.parametrize("word", PASSING.split())
def test_a_word_at_the_end_says_that_rows_come_and_go(word: str) -> None:
    assert hint(word) == hint(f"door_{word}") == hint(f"log_{word}3") == Hint("passing", word)
    found = hint(f"{word}_door")
    assert found == (Hint("passing", word) if word.startswith("cache") else Hint()), "but a cache, of whatever it is"
    assert keeps(f"door_{word}") == says_added(f"door_{word}") == ""


# Unbroken names, and the end or beginning that is a hint.
PARTS: dict[str, tuple[str, str]] = {
    "doorlogs": ("record", "logs"), "doorlog": ("record", "log"), "doorhist": ("record", "hist"),
    "doorhistory": ("record", "history"), "dooraudit": ("record", "audit"), "doorattempts": ("record", "attempts"),
    "doorattempt": ("record", "attempt"), "auditdoor": ("record", "audit"), "historydoor": ("record", "history"),
    "histdoor": ("record", "hist"), "doorsessions": ("passing", "sessions"), "doorsession": ("passing", "session"),
    "doortokens": ("passing", "tokens"), "doortoken": ("passing", "token"), "doorqueue": ("passing", "queue"),
    "doorcache": ("passing", "cache"), "doorsignal": ("passing", "signal"), "doorinstance": ("passing", "instance"),
    "signaldoor": ("passing", "signal"),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_the_end_or_beginning_of_an_unbroken_name_is_a_hint(name: str) -> None:
    kind, word = PARTS[name]
    assert hint(name) == Hint(kind, word, whole=False)  # type: ignore[arg-type]


OTHERS = (
    "blog blogs clog flog slog vlog vlogs prolog epilog catalog doorcatalogs dialog dialogs backlog backlogs analog analogs"
    " travelog monolog homolog obsession doorobsessions possession possessions histogram histology historian auditorium"
    " auditors door_blog blog_door signal_door door_signaler 7 _ event store_event event_door_store"
)


@pytest.mark.parametrize("name", ["", *OTHERS.split()])
def test_another_word_with_that_end_or_beginning_says_nothing(name: str) -> None:
    assert hint(name) == Hint()


def test_two_words_that_say_something_together() -> None:
    assert hint("event_store") == hint("my_event_store2") == Hint("record", "event_store")


def test_what_is_about_security_is_kept_whatever_it_is() -> None:
    assert keeps("securitything") == keeps("my_security") == "security"
    assert keeps("security_log") == "log"
    assert keeps("insecurity") == keeps("security_queue"[9:]) == ""


ADDED = "hash hashes snapshot snapshots trans response responses attach"


@pytest.mark.parametrize("word", ADDED.split())
def test_a_word_at_the_end_says_that_rows_are_only_added(word: str) -> None:
    assert says_added(word) == says_added(f"door_{word}_2") == word
    assert says_added(f"{word}_door") == ""
    assert says_added(f"door{word}") == (word if word in ("hash", "snapshot", "trans", "response", "attach") else "")
    assert says_added(f"{word}_queue") == ""


LISTS = (
    "def defs definition definitions type types status statuses category categories code codes codesystem country countries"
    " county counties stateabbr zip zips zipcode zipcodes language languages currency currencies unit units priority"
    " priorities genre genres model models manufacturer manufacturers pref prefs preference preferences setting settings"
    " config configs configuration configurations param params parameter parameters option options migration migrations"
    " translation translations plugin plugins sequence sequences locale locales"
)
ENDS = "def type types pref prefs preference preferences settings category categories code codes codesystem status"
NO_LISTS = "prototype prototypes archetype archetypes genotype genotypes phenotype barcode barcodes subtype"


def test_a_list_of_values_is_told_by_its_last_word_or_by_the_end_of_that() -> None:
    for word in LISTS.split():
        assert says_list(word) == says_list(f"door_{word}9") == word
        assert says_list(f"{word}_doors") == ""
    for end in ENDS.split():
        told = says_list(f"sheet{end}")
        assert told
        assert f"sheet{end}".endswith(told)
    for word in NO_LISTS.split():
        assert says_list(word) == says_list(f"my_{word}") == ""
    assert says_list("doorunit") == says_list("7") == says_list("") == ""


WHOM = (
    "user users customer customers client clients patient patients person persons people member members guest guests student"
    " students borrower borrowers"
)
OTHER_PEOPLE = (
    "employee employees staff account accounts contact contacts supplier suppliers vendor vendors teacher teachers agent"
    " agents owner owners author authors company companies organization organizations organisation organisations party"
    " parties"
)


def test_people_are_told_by_the_last_word_and_whom_a_database_is_about() -> None:
    for word in (*WHOM.split(), *OTHER_PEOPLE.split()):
        assert says_people(word) == says_people(f"door_{word}_2") == word
        assert says_people(f"{word}_door") == says_people(f"door{word}") == ""
        assert says_whom(f"door_{word}") == (word in WHOM.split())
    assert not says_whom("orders")


SINGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "indices": "index", "data": "data",
    "categories": "category", "ties": "tie", "dies": "die", "classes": "class", "dishes": "dish", "churches": "church",
    "boxes": "box", "quizzes": "quizz", "statuses": "status", "sizes": "siz", "size": "siz", "caches": "cach",
    "cache": "cach",
    "axe": "axe", "axes": "ax", "use": "use", "uses": "us", "causes": "caus", "cause": "caus", "fosse": "foss",
    "orders": "order",
    "as": "as", "ids": "id", "class": "class", "status": "status", "basis": "basis", "order": "order", "zes": "ze", "": "",
    "dashe": "dash", "maze": "maz",
}  # fmt: skip


@pytest.mark.parametrize("word", SINGULAR)
def test_a_noun_and_its_plural_lose_it_alike(word: str) -> None:
    assert singular(word) == SINGULAR[word]


STAMPED = (
    "updated modified changed edited edit lastmod rowupdated datemodified timechanged rowedited secdatetedit datelastmod"
)
STAMPED += " lastedit"
UNSTAMPED = "credited accredited discredited unchanged exchanged interchanged unmodified unedited"


def test_a_stamp_of_every_change_is_told_by_a_word_or_its_end() -> None:
    for word in STAMPED.split():
        assert says_edit(word), word
        assert says_edit(f"x_{word}_y"), word
        assert suggests_edit(word, time=True)
    for word in UNSTAMPED.split():
        assert not says_edit(word), word
        assert not suggests_edit(word, time=True)
    for word in ("update", "modify", "modification", "mod", "change"):
        assert not says_edit(word)
        for time in ("date", "time", "datetime", "stamp", "timestamp", "at", "on", "ts", "when", "mtime", "last"):
            assert says_edit(f"{time}_{word}"), (time, word)
        assert suggests_edit(word, time=True)
    for word in ("mtime", "last", "touched", "revised", "amended", "rowtstamp", "row_t_stamp", "file_m_time", "filemtime"):
        assert not says_edit(word)
        assert suggests_edit(word, time=True), word
    for word in ("last", "touched", "revised", "amended"):
        assert not suggests_edit(word, time=False)
        for time in ("date", "time", "datetime", "stamp", "timestamp", "at", "on", "ts", "when", "mtime"):
            assert suggests_edit(f"{word}_{time}", time=False), (word, time)


STATES = (
    "status state stage phase progress retry retries tries attempts resolution completion finish end ends ending stop stops"
    " until expire expires expiry expiration logout signout checkout out exit active inactive enabled disabled pending open"
    " valid invalid current final assignee handler paid unpaid sent unsent read unread seen unseen done undone held"
    " withdrawn taken given shown spent left begun complete approved voided"
)
CAME = (
    "created added inserted logged recorded posted entered occurred happened started received issued registered generated"
    " submitted captured raised reported requested placed imported collected measured observed triggered executed performed"
    " used based red need seed feed speed bed embed shed med ned weed breed deed hundred sacred"
)


def test_a_state_is_told_by_a_word_but_not_one_of_how_a_row_came_or_of_what_it_tells() -> None:
    for word in STATES.split():
        assert says_state(f"is_{word}", "doors") == word
        for told in ("old", "new", "from", "to", "before", "after", "previous", "prev", "prior", "original", "by"):
            assert says_state(f"{word}_{told}", "doors") == ""
        assert says_state(word, f"door_{word}") == "", "its rows tell it"
    for word in CAME.split():
        assert says_state(f"is_{word}", "doors") == "", word
    assert says_state("attempt", "x") == says_state("zed", "x") == says_state("fed", "x") == ""
    assert says_state("statuses", "x") == ""
    assert says_state("is_paid_or_sent", "x") == "paid"


def test_when_a_row_ends_is_told_by_a_word() -> None:
    for word in ("expire", "expires", "expired", "expiry", "expiration", "until", "ttl", "lifetime", "timeout"):
        assert says_end(word), word
        assert says_end(f"Row{word.title()}At"), word
    for word in ("end", "expert", "untilled", ""):
        assert not says_end(word)


FUNCTIONS = (
    "abs cast ceil coalesce concat date_part ends_with extract floor greatest if least left length lower ltrim mod nullif"
    " octet_length position regexp_like replace right round rtrim sign starts_with strpos substr trim try_cast upper"
)
GRAMMAR = "and or not in is like ilike between case when then else rlike regexp"


def test_an_expression_may_call_what_a_row_decides_and_nothing_else() -> None:
    """A word of SQL's grammar before a bracket calls nothing."""
    assert {*FUNCTIONS.split()} == ROW_FUNCTIONS
    for word in (*FUNCTIONS.split(), *GRAMMAR.split()):
        assert misplaced(f"{word}(a) = 1") == misplaced(f"{word.upper()} (a)") == ""
        assert misplaced(f"x{word}(a) = 1") == f"x{word}"
    for word in ("sum", "now", "random", "current_date", "row_number"):
        assert misplaced(f"abs({word}(a))") == word


def test_the_words_that_rules_plans_and_the_ledger_are_written_in() -> None:
    """A file of last year, and a plan that was stored, are read by them."""
    assert TIERS == get_args(Tier) == ("critical", "important", "audit", "reference")
    assert get_args(Strategy) == ("full_table", "incremental", "chunked_incremental")
    assert get_args(Consistency) == ("snapshot", "locked", "re-read", "best effort")
    assert get_args(Publish) == ("create", "refill", "swap", "merge", "append")
    assert get_args(Adopt) == ("", "rule", "option")
    assert get_args(Policy) == ("ignore", "mark", "mirror", "fail")
    assert get_args(Encoder) == ("pgpq", "adbc")
    assert get_args(Severity) == ("warn", "reject", "fail")
    assert get_args(CheckKind) == (
        "not_null", "unique", "range", "one_of", "regex", "length", "foreign_key", "fresh", "row_count", "sum", "expression",
    )  # fmt: skip
    assert {"unique", "foreign_key", "fresh", "row_count", "sum"} == ON_TABLE
    assert get_args(What) == ("values", "rows", "columns")
    assert get_args(Sort) == ("text", "long text", "date", "integer")
    assert get_args(NameKind) == ("record", "passing", "")
    assert STAMPS == {"_loaded_at": "timestamptz", "_run_id": "text"}
    assert (DELETED_AT, ROW_HASH, NAME_BYTES, GUARD, GUARDED_ROWS) == ("_deleted_at", "_row_hash", 63, 0.05, 20)


def test_the_words_that_are_on_record_or_on_a_screen() -> None:
    """What a ledger of last year holds is read by them, so they stay."""
    assert KINDS == (
        "invalid date to NULL", "NUL byte stripped", "-0 in JSON to 0", "double key in JSON, the last stays",
        "date whose owner is unknown to NULL",
    )  # fmt: skip
    assert KINDS[2:4] == OF_JSON
    assert ROLES == ("source", "loader", "dashboard", "analyst")
    assert OWNER == "OWNER"
    assert WORDS == {
        "legacy": "the older pipeline serves it",
        "shadow": "the older pipeline serves it, and bulketl loads it beside that one",
        "bulketl": "bulketl serves it",
    }
    assert get_args(Owner) == tuple(WORDS)
