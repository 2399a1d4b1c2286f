"""What the pages say, without a server: words, sentences, nights, charts, names."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.loading.events import Event, EventsLost, TableFailed
from bulketl.loading.telling import KINDS, from_record
from bulketl.operations.dashboard import charts, rendering, words
from bulketl.operations.dashboard.lines import line_of
from bulketl.operations.dashboard.nights import NIGHTS, night_of, strips
from bulketl.operations.dashboard.overview import choice
from bulketl.operations.dashboard.words import NAMES, OF_WORDS, STATES, sentence, stands
from bulketl.operations.history.standing import WORDS, Standing, Word
from bulketl.postgres.ledger.manynights import MOST_LOADS, Nights
from bulketl.tables.spec import TIERS

NOW = dt.datetime(2026, 11, 27, 7, tzinfo=dt.UTC)


def test_every_word_of_status_is_one_of_the_pages_and_every_one_has_a_name() -> None:
    assert set(OF_WORDS) == set(WORDS)
    assert set(OF_WORDS.values()) | {"running"} == set(STATES) == set(NAMES)
    assert OF_WORDS["never loaded"] == "never"


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(TIERS)), max_size=30), st.sets(st.integers(0, 29)))
def test_the_numbers_of_the_sentence_add_up_and_critical_tables_are_named(
    found: list[tuple[Word, str]], running: set[int]
) -> None:
    tables = [Standing(f"t{n}", tier, word) for n, (word, tier) in enumerate(found)]  # type: ignore[arg-type]
    made = stands(tables, {f"t{n}" for n in running})
    said = sentence(made)
    assert sum(words.counted(made).values()) == len(tables)
    wrong = [one for one in made if one.of.tier == "critical" and one.state in ("failed", "late", "never")]
    for one in wrong[: words.EACH]:
        assert f"{one.of.table} ({NAMES[one.state]})" in said
    if len(wrong) > words.EACH:
        assert f"and {len(wrong) - words.EACH} more" in said
    assert made == sorted(made, key=lambda one: one.rank)
    assert [STATES.index(one.state) for one in made] == sorted(STATES.index(one.state) for one in made)


@pytest.mark.parametrize(
    ("words_of", "said"),
    [(["in part"] * 3, "All 3 tables are on time. All of them in part only, under a limit."),
     (["in part", "well"], "All 2 tables are on time. 1 of them in part only, under a limit."),
     (["in part", "slow"], "1 late, 1 on time. 1 of them in part only, under a limit."),
     (["well"], "The one table is on time.")],
)  # fmt: skip
def test_the_sentence_says_that_tables_are_parts(words_of: list[Word], said: str) -> None:
    assert sentence(stands([Standing(f"t{n}", "reference", word) for n, word in enumerate(words_of)])).endswith(said)


def test_a_night_goes_from_noon_to_noon_in_the_zone_of_the_window() -> None:
    zone = ZoneInfo("America/Chicago")
    assert night_of(dt.datetime(2026, 11, 27, 3, tzinfo=dt.UTC), zone) == dt.date(2026, 11, 26)
    assert night_of(dt.datetime(2026, 11, 27, 17, tzinfo=dt.UTC), zone) == dt.date(2026, 11, 26)
    assert night_of(dt.datetime(2026, 11, 27, 19, tzinfo=dt.UTC), zone) == dt.date(2026, 11, 27)


def nights(*outcomes: str, slow: frozenset[int] = frozenset()) -> Nights:
    began = [NOW - dt.timedelta(days=len(outcomes) - 1 - n, hours=3) for n in range(len(outcomes))]
    return Nights(began, {"t": [(n, word) for n, word in enumerate(outcomes) if word]}, {"t": slow})


def test_the_last_load_of_a_night_tells_how_it_ended_and_a_slow_one_was_late() -> None:
    found = strips(nights("loaded", "failed", "", "unchanged", "loaded", slow=frozenset({4})), NOW, dt.UTC)
    assert len(found.days) == NIGHTS
    assert found.of("t").states[-5:] == ["ontime", "failed", "none", "ontime", "late"]
    assert found.of("t").bad == 2
    assert found.of("other").label == "last 30 nights: 30 without it"
    twice = Nights([NOW - dt.timedelta(hours=3), NOW - dt.timedelta(hours=2)], {"t": [(0, "failed"), (1, "loaded")]}, {})
    assert strips(twice, NOW, dt.UTC).of("t").states[-1] == "ontime"
    skipped = Nights([NOW - dt.timedelta(hours=3), NOW - dt.timedelta(hours=2)], {"t": [(0, "loaded"), (1, "skipped")]}, {})
    assert strips(skipped, NOW, dt.UTC).of("t").states[-1] == "ontime"
    assert strips(twice, NOW, dt.UTC).of("t", last="running").states[-1] == "running"


def test_nights_before_the_loads_that_were_looked_at_are_not_shown_as_nights_without_one() -> None:
    began = [NOW - dt.timedelta(hours=n) for n in range(MOST_LOADS, 0, -1)]
    found = strips(Nights(began, {}, {}), NOW, dt.UTC)
    assert 5 <= len(found.days) <= 7


def test_a_table_that_was_never_loaded_is_hollow_in_the_nights_that_had_a_load() -> None:
    found = strips(nights("loaded", "loaded"), NOW, dt.UTC)
    assert found.of("new", never=True).states[-2:] == ["never", "never"]
    assert found.of("new", never=True).states[:28] == ["none"] * 28


@pytest.mark.parametrize(
    "values", [[None], [None, None], [1.0], [0.0, 0.0], [5.0] * 60, [1e12, None, 3.0, 2e12], [0.001] * 5]
)
def test_a_chart_is_drawn_of_whatever_there_is(values: list[float | None]) -> None:
    at = [NOW + dt.timedelta(days=n) for n in range(len(values))]
    made = charts.chart("Seconds", "s", at, values, {0})
    for drawing in made.drawings:
        assert "nan" not in drawing.line + drawing.band + drawing.median
        assert all(charts.TOP <= y <= charts.HEIGHT - charts.BOTTOM for _, y in drawing.dots)
        assert len({label.text for label in drawing.ys}) == len(drawing.ys)


def test_a_gap_is_no_line_and_a_load_alone_is_a_dot() -> None:
    at = [NOW + dt.timedelta(days=n) for n in range(5)]
    made = charts.chart("Rows", "rows", at, [1.0, 2.0, None, 4.0, None], {2})
    assert made.drawings[0].line.count("M") == 2
    assert len(made.drawings[0].dots) == 1
    assert "1 of 5 loads failed" in made.said


@given(st.text())
def test_no_character_of_a_name_is_unseen_or_turns_what_is_near(name: str) -> None:
    for made in (str(rendering.name(name)), rendering.plain(name)):
        assert not set(made) & {chr(code) for code in (*range(0x20), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    assert "<" not in str(rendering.name(name)).replace("<bdi>", "").replace("</bdi>", "").replace(
        '<span class="ctl">', ""
    ).replace("</span>", "")


def test_commands_in_a_text_stand_out_and_a_lone_backtick_stays() -> None:
    assert str(rendering.text("try `a <b>` now")) == "try <code>a &lt;b&gt;</code> now"
    assert str(rendering.text("a ` b")) == "a ` b"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_event_is_a_line_in_words(kind: str) -> None:
    empty: dict[type, object] = {int: 1, float: 1.0, str: "x", bool: False}
    body: dict[str, object] = {}
    for field in dataclasses.fields(KINDS[kind]):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING and field.name != "run":
            word = str(field.type)
            body[field.name] = (
                {} if word.startswith("Mapping") else [] if word.startswith("tuple") else
                next((value for known, value in empty.items() if word.startswith(known.__name__)), None)
            )  # fmt: skip
    event = from_record("r", kind, body)
    assert event is not None, (kind, body)
    line = line_of(1, NOW, kind, event)
    assert line.text
    assert line.weight in ("", "warn", "bad")
    assert line_of(2, NOW, "some_later_kind", None).text == "some later kind"
    assert len(get_args(Event)) == len(KINDS) + 1


def test_a_failure_is_told_without_what_a_server_said() -> None:
    event = TableFailed("r", "t", "DataError", "table 't': SECRET", "hint", 1.0, public="table 't': a row is bad")
    line = line_of(1, NOW, "table_failed", event)
    assert (line.text, line.more, line.weight) == ("failed", "a row is bad", "bad")
    assert line_of(1, NOW, "events_lost", EventsLost("r", 3)).text == "3 events lost"


def test_a_query_that_asks_for_nonsense_asks_for_nothing() -> None:
    assert choice({"tier": "x", "state": "y", "page": "-3"}) == choice({})
    assert choice({"page": "\u0663"}).page == 1
