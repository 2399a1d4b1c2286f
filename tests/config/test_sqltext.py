"""SQL that a person wrote: one SELECT or a refusal, and its placeholders where no text or comment is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.config.sqltext import Dialect, bound, placeholders, problem

DIALECTS: tuple[Dialect, ...] = ("mysql", "postgres")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "select 1;",
        "  SELECT 1 ; \n -- the end; really\n",
        "-- first a word\nSELECT 1",
        "/* DELETE */ SELECT 'DELETE; FROM', 'a''; INTO' FROM t",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION (SELECT 2)",
        'SELECT "into", "for update" FROM t',
        "SELECT into_date, intolerance FROM t",
    ],
)
def test_one_select_is_taken(dialect: Dialect, text: str) -> None:
    """With WITH before it, in parentheses, and whatever stands in texts, names and comments."""
    assert problem(text, dialect) == ""


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a SELECT is expected"),
        ("-- nothing\n", "a SELECT is expected"),
        ("DELETE FROM t", "it begins with DELETE"),
        ("EXPLAIN SELECT 1", "it begins with EXPLAIN"),
        ("SELECT 1; DELETE FROM t", "a second after ;"),
        ("SELECT 1;; SELECT 2", "a second after ;"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "INTO"),
        ("SELECT * INTO t2 FROM t", "INTO"),
        ("SELECT 1 FROM t FOR  UPDATE", "locks rows"),
        ("SELECT 1 FROM t for share", "locks rows"),
        ("SELECT 1 FROM t LOCK IN SHARE MODE", "locks rows"),
        ("'x' SELECT 1", "it begins with"),
    ],
)
def test_anything_else_is_refused_with_the_reason(dialect: Dialect, text: str, words: str) -> None:
    """Before a server hears of it."""
    assert words in problem(text, dialect)


@pytest.mark.parametrize(
    "comment", ["/*!50000 INTO OUTFILE '/tmp/x' */", "/*M! INTO OUTFILE '/tmp/x' */", "/*! FOR UPDATE */"]
)
def test_a_comment_that_mysql_executes_is_no_comment(comment: str) -> None:
    """They hold SQL."""
    assert problem(f"SELECT 1 {comment}", "mysql")


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("mysql", "SELECT '50%:since' -- :since %", "SELECT '50%%:since' -- :since %%"),
        ("mysql", "SELECT 1 WHERE d >= :since", "SELECT 1 WHERE d >= DATE %(since)s"),
        ("mysql", "SELECT @a := 1, 'it\\'s :since', 7 % 2;", "SELECT @a := 1, 'it\\'s :since', 7 %% 2 "),
        ("mysql", 'SELECT `:since`, ":since" # :since\n;', 'SELECT `:since`, ":since" # :since '),
        ("mysql", "SELECT 1 ; ;\n-- :since;\n", "SELECT 1 -- :since;\n"),
        ("postgres", "SELECT :since::date, '1'::int, \":since\"", "SELECT %(since)s::date, '1'::int, \":since\""),
        ("postgres", "SELECT $q$:since$q$, E'\\':since'", "SELECT $q$:since$q$, E'\\':since'"),
        ("postgres", "SELECT a[1:n], 'c:\\'", "SELECT a[1:n], 'c:\\'"),
        ("postgres", "SELECT 'x\\' WHERE d = :today", "SELECT 'x\\' WHERE d = %(today)s"),
    ],
)
def test_placeholders_are_bound_outside_of_texts_names_and_comments(dialect: Dialect, text: str, expected: str) -> None:
    """And a percent sign stays one."""
    assert bound(text, dialect) == expected


@given(st.text(alphabet="ab:since '\"`\\$-/*#%;\n", max_size=40), st.sampled_from(DIALECTS))
def test_what_is_bound_says_the_same(text: str, dialect: Dialect) -> None:
    """Whatever the text: with the placeholders put back, only semicolons and blanks may be gone."""
    names = placeholders(text, dialect)
    back = bound(text, dialect).replace("DATE %(", "%(") % {name: f":{name}" for name in names}
    assert re.sub(r"[;\s]", "", back) == re.sub(r"[;\s]", "", text)
    assert all(f":{name}" in text for name in names)
