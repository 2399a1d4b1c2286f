"""What names say: the words of a name, and what these let one expect of a table or a column.

A name is read by its words: `ost_queue`, `PaymentLog` and `log2` are split where their spelling splits them, and a word is
never looked for inside another one: `catalog` is no log, `obsession` no session, `credited_at` no edit. Many databases write
words without a break (`securitylog`, `histappointment`); there the beginning or the end of a name is a hint, known as such,
and whoever takes it needs the table's values to agree. What a name says decides nothing alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

NameKind = Literal["record", "passing", ""]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Rows of such tables record what happened, and are worth keeping when the source drops them.
_RECORD = _set(
    "log logs logging hist history histories historic audit audits auditing journal journals trail attempt attempts"
    " changelog auditlog auditlogs syslog eventlog"
)
# What is recorded in a table, beside that word: `audit_entries` is as good as `audit`, `log_types` is not.
_ENTRIES = _set("entry entries item items record records row rows line lines event events message messages")
# Rows of such tables come and go; only the last word of a name says so, for a `queue_column` is no queue.
_PASSING = _set("session sessions token tokens queue queues cache caches signal signals instance instances lock locks")
# To these, rows are added and seldom touched again.
_ADDED_ENDS = ("hash", "snapshot", "trans", "response", "attach")
_ADDED = _set("hash hashes snapshot snapshots trans response responses attach")
# Of whatever else a name with such a word is, its rows are made anew when they are gone.
_CACHES = _set("cache caches")
# Lists of values, and how a program is set; a name without separators may end so.
_LISTS = _set(
    "def defs definition definitions type types status statuses category categories code codes codesystem country countries"
    " county counties stateabbr zip zips zipcode zipcodes language languages currency currencies unit units priority"
    " priorities genre genres model models manufacturer manufacturers pref prefs preference preferences setting settings"
    " config configs configuration configurations param params parameter parameters option options migration migrations"
    " translation translations plugin plugins sequence sequences locale locales"
)
_LIST_ENDS = (
    "def", "type", "types", "pref", "prefs", "preference", "preferences", "settings", "category", "categories", "code",
    "codes", "codesystem", "status",
)  # fmt: skip
_NO_LISTS = _set("prototype prototypes archetype archetypes genotype genotypes phenotype barcode barcodes subtype")
# Whom a database is about, when others refer to them; and others whose names and addresses are no list of values.
_WHOM = _set(
    "user users customer customers client clients patient patients person persons people member members guest guests"
    " student students borrower borrowers"
)
_PEOPLE = _WHOM | _set(
    "employee employees staff account accounts contact contacts supplier suppliers vendor vendors teacher teachers agent"
    " agents owner owners author authors company companies organization organizations organisation organisations party"
    " parties"
)
_ENDS = ("logs", "log", "hist", "history", "audit", "attempts", "attempt")
_PASSING_ENDS = ("sessions", "session", "tokens", "token", "queue", "cache", "signal", "instance")
_BEGINNINGS = ("audit", "history", "hist")
_PASSING_BEGINNINGS = ("signal",)
# Words that only look as if they ended with one of those: the short ones by themselves, the long ones in others too.
_OTHER_WORDS = _set("blog blogs clog flog slog vlog vlogs prolog epilog")
_OTHER_ENDS = tuple(
    _set(
        "catalog catalogs dialog dialogs backlog backlogs analog analogs travelog monolog homolog obsession obsessions"
        " possession possessions"
    )
)
_OTHER_BEGINNINGS = ("histogram", "histolog", "historian", "auditor")

_EDIT = _set("updated modified changed edited edit lastmod")
_EDIT_ENDS = ("updated", "modified", "changed", "edited", "tedit", "lastmod", "lastedit")
_NO_EDIT = _set("credited accredited discredited unchanged exchanged interchanged unmodified unedited")
_EDIT_TOO = _set("update modify modification mod mtime change last touched revised amended")
_STAMPED = _set("update modify modification mod change")  # with a word of time beside, as in `date_mod`

# What a row is told to be in now, or what is still to happen to it, which is written after it came.
_STATE = _set(
    "status state stage phase progress retry retries tries attempts resolution completion finish end ends ending stop stops"
    " until expire expires expiry expiration logout signout checkout out exit active inactive enabled disabled pending open"
    " valid invalid current final assignee handler paid unpaid sent unsent read unread seen unseen done undone held"
    " withdrawn taken given shown spent left begun complete"
)
# Participles say it too (approved, voided, cancelled), but not those of how a row came or of what it tells,
_CAME = _set(
    "created added inserted logged recorded posted entered occurred happened started received issued registered generated"
    " submitted captured raised reported requested placed imported collected measured observed triggered executed performed"
    " used based red need seed feed speed bed embed shed med ned weed breed deed hundred sacred"
)
# nor what a row tells of before and after: it keeps the value that something had then.
_TOLD = _set("old new from to before after previous prev prior original by")

# When a row ends, which is written when it comes.
_END_OF_ROW = _set("expire expires expired expiry expiration until ttl lifetime timeout")

_TIME = _set("date time datetime stamp timestamp at on ts when mtime")
_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman", "indices": "index", "data": "data"}
_RUNS = re.compile(r"[^\W\d_]+|\d+")


@dataclass(frozen=True, slots=True)
class Hint:
    """What a table's name says of its rows: that they are a `record`, or are `passing`; '' when it says nothing.

    `word`: which says so. `whole`: it is a word of the name, not the beginning or the end of one. `main`: the name is of the
    rows themselves; a `log_search` or a `history_type` is only about them.
    """

    kind: NameKind = ""
    word: str = ""
    whole: bool = True
    main: bool = True


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: split at signs, at digits and where small letters become large."""
    return tuple(word.lower() for run in _RUNS.findall(name) for word in _humps(run))


def _humps(run: str) -> list[str]:
    """Return the parts of letters in which `SecDateTEdit` or `SQLLog` is written."""
    starts = [0]
    for n in range(1, len(run)):
        after_small = run[n - 1].islower() and run[n].isupper()
        before_small = run[n - 1].isupper() and run[n].isupper() and run[n + 1 : n + 2].islower()
        if after_small or before_small:
            starts.append(n)
    return [run[one:other] for one, other in zip(starts, [*starts[1:], len(run)], strict=True)]


def hint(name: str) -> Hint:
    """Return what a table's name says of its rows. The last word counts most: a `session_log` is a log."""
    parts = [word for word in words(name) if not word.isdigit()]
    if not parts:
        return Hint()
    last = parts[-1]
    if last in _PASSING:
        return Hint("passing", last)
    for n in range(len(parts) - 1, -1, -1):
        if parts[n] in _RECORD:
            return Hint("record", parts[n], main=_ENTRIES.issuperset(parts[n + 1 :]))
    return _hint_within(parts)


def _hint_within(parts: list[str]) -> Hint:
    """Return what is said by two words, by a word anywhere, or by the end or beginning of an unbroken one."""
    first, last = parts[0], parts[-1]
    if ("event", "store") in pairwise(parts):
        return Hint("record", "event_store")
    if end := _end(last, _ENDS):
        return Hint("record", end, whole=False)
    if kept := next((word for word in parts if word in _CACHES), ""):
        return Hint("passing", kept)
    if end := _end(last, _PASSING_ENDS):
        return Hint("passing", end, whole=False)
    if beginning := next((b for b in _BEGINNINGS if first.startswith(b) and not first.startswith(_OTHER_BEGINNINGS)), ""):
        return Hint("record", beginning, whole=False)
    if len(parts) == 1 and (beginning := next((b for b in _PASSING_BEGINNINGS if first.startswith(b)), "")):
        return Hint("passing", beginning, whole=False)
    return Hint()


def keeps(name: str) -> str:
    """Return the word by which a table's name says that its rows are worth keeping when the source drops them, or ''."""
    found = hint(name)
    secure = any(word.startswith("security") for word in words(name))
    return found.word if found.kind == "record" else "security" if secure else ""


def says_added(name: str) -> str:
    """Return the word by which a table's name says that rows are only added to it, or ''."""
    found = hint(name)
    if found.kind:
        return found.word if found.kind == "record" else ""
    last = next((word for word in reversed(words(name)) if not word.isdigit()), "")
    return last if last in _ADDED else _end(last, _ADDED_ENDS)


def says_list(name: str) -> str:
    """Return the word by which a table's name says that it is a list of values or settings, or ''."""
    last = next((word for word in reversed(words(name)) if not word.isdigit()), "")
    if last in _LISTS:
        return last
    return "" if last in _NO_LISTS else next((end for end in _LIST_ENDS if last.endswith(end)), "")


def says_people(name: str) -> str:
    """Return the word by which a table's name says that it is of people or companies, or ''."""
    last = next((word for word in reversed(words(name)) if not word.isdigit()), "")
    return last if last in _PEOPLE else ""


def says_whom(name: str) -> bool:
    """Tell whether a table's name says that it is of those whom a database is about: customers, patients, users."""
    return says_people(name) in _WHOM


def singular(word: str) -> str:
    """Return an English noun without its plural: `categories` and `category` alike; another word may lose an s too."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith(("sses", "shes", "ches", "xes", "zes", "uses")):
        return word[:-2]
    if len(word) > 3 and word.endswith(("sse", "she", "che", "xe", "ze", "use")):  # `size` as `sizes`, `cache` as `caches`
        return word[:-1]
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def says_edit(name: str) -> bool:
    """Tell whether a column's name says that the application stamps every change."""
    parts = set(words(name))
    if any(word in _EDIT or (word not in _NO_EDIT and word.endswith(_EDIT_ENDS)) for word in parts):
        return True
    return bool(parts & _STAMPED) and bool(parts & (_TIME | {"last"}))


def suggests_edit(name: str, *, time: bool) -> bool:
    """Tell whether a column's name suggests that its row is written again; `time`: it holds one.

    More names say so than names of columns in which every change is stamped: `date_mod`, `DateTStamp`, `last_seen`.
    """
    parts = words(name)
    found = says_edit(name) or bool(_EDIT_TOO & set(parts)) or name.lower().replace("_", "").endswith(("tstamp", "mtime"))
    return found and (time or bool(_TIME & set(parts)))


def says_state(name: str, table: str) -> str:
    """Return the word by which a column's name says that its row has a state, which changes after it came, or ''.

    A word that is in the table's name too is what its rows tell: the status of an `order_status_history`.
    """
    parts = words(name)
    if _TOLD & set(parts):
        return ""
    about = {singular(word) for word in words(table)}
    return next((word for word in parts if _is_state(word) and singular(word) not in about), "")


def says_end(name: str) -> bool:
    """Tell whether a column's name says when its row ends: `expires_at`, `valid_until`."""
    return bool(_END_OF_ROW & set(words(name)))


def _is_state(word: str) -> bool:
    return word in _STATE or (len(word) > 3 and word.endswith("ed") and word not in _CAME)


def _end(word: str, ends: tuple[str, ...]) -> str:
    """Return with which of these a word ends, if it is not this word itself nor another one that has that end."""
    if word in _OTHER_WORDS or word.endswith(_OTHER_ENDS):
        return ""
    return next((end for end in ends if word.endswith(end) and len(word) > len(end)), "")
