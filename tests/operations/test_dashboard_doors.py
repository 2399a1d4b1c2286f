"""Who is let in to the dashboard: every way of asking that a browser, or somebody else's page in it, may try."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from bulketl.errors import ConfigError
from bulketl.operations.dashboard import site
from bulketl.operations.dashboard.doors import HEADERS, Doors, Guard, asked_name, is_here, names
from bulketl.operations.dashboard.serve import place

TOKEN = "0123456789abcdef"
BEARER = {"authorization": f"Bearer {TOKEN}"}
PAGE = {"accept": "text/html"}


async def answer(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


def client(*, always: bool = False, other: str = "dash.clinic.example") -> TestClient:
    doors = Doors(names("127.0.0.1", [other]), TOKEN, always)
    routes = [Route("/x", answer, methods=["GET", "POST", "PUT", "DELETE"]), Route("/login", answer)]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, doors)])
    return TestClient(app, base_url="http://127.0.0.1:8765", follow_redirects=False)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8765",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1:1",
        "[::1]:8765",
        "[::1]",
        "dash.clinic.example:443",
    ],
)
def test_a_name_of_ours_is_answered(host: str) -> None:
    assert client().get("/x", headers={"host": host}).text == "inside"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8765", "", "evil.example:127.0.0.1", "localhost@evil",
     "[::2]:8765", "0.0.0.0:8765", "169.254.169.254", "localhost evil", "127.0.0.1,evil.example"],
)  # fmt: skip
def test_any_other_name_is_refused_for_a_browser_may_be_made_to_ask_by_it(host: str) -> None:
    answer = client().get("/x", headers={"host": host})
    assert answer.status_code == 400
    assert "inside" not in answer.text


def test_two_names_are_refused() -> None:
    answer = client().get("/x", headers=[("host", "localhost"), ("host", "evil.example")])
    assert answer.status_code == 400


def test_reading_at_home_needs_no_token_and_elsewhere_it_does() -> None:
    assert client().get("/x").text == "inside"
    away = client(always=True)
    assert away.get("/x").status_code == 401
    assert away.get("/login").text == "inside"
    sent = away.get("/x?a=b", headers=PAGE)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?to=%2Fx%3Fa%3Db")
    assert away.get("/x", headers=BEARER).text == "inside"
    for wrong in ("", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer \u00e9"):
        assert away.get("/x", headers=[(b"authorization", wrong.encode("latin-1"))]).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_whatever_may_write_needs_the_token_everywhere(method: str) -> None:
    assert client().request(method, "/x").status_code == 401
    assert client().request(method, "/x", headers=BEARER).text == "inside"


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
     {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
)  # fmt: skip
def test_what_another_site_sends_is_not_taken_even_with_the_token(headers: dict[str, str]) -> None:
    assert client().post("/x", headers={**BEARER, **headers}).status_code == 403


def test_our_own_page_may_send() -> None:
    ours = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
    assert client().post("/x", headers={**BEARER, **ours}).text == "inside"


def test_a_cookie_lets_in_only_with_the_value_that_the_token_makes() -> None:
    doors = Doors(names("127.0.0.1", []), TOKEN, True)
    other = Doors(names("127.0.0.1", []), TOKEN[::-1], True)
    assert TOKEN not in doors.session
    assert TOKEN not in repr(doors)
    assert doors.cookie != other.cookie
    away = client(always=True)
    assert away.get("/x", headers={"cookie": f"{doors.cookie}={doors.session}"}).text == "inside"
    for wrong in (f"{doors.cookie}={other.session}", f"{other.cookie}={doors.session}", f"{doors.cookie}=", "x;;=", "\x01"):
        assert away.get("/x", headers={"cookie": wrong}).status_code == 401


def test_every_answer_says_what_its_page_may_do() -> None:
    for path, code in (("/x", 200), ("/nothing", 404)):
        found = client().get(path)
        assert found.status_code == code
        assert {name: found.headers[name] for name in HEADERS} == HEADERS
    assert client().get("/x", headers={"host": "evil"}).headers["content-security-policy"]
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "default-src 'none'" in policy


def test_names_and_addresses_are_read_as_they_are_written() -> None:
    assert asked_name("[::1]:80") == "::1"
    assert asked_name("Dash.Example.:80") == "dash.example"
    assert "0.0.0.0" not in names("0.0.0.0", [])
    assert all(map(is_here, ("127.0.0.1", "::1", "127.8.8.8", "localhost")))
    assert not any(map(is_here, ("0.0.0.0", "::", "10.0.0.1", "dash")))


def test_elsewhere_needs_a_token_that_nobody_guesses() -> None:
    for host in ("0.0.0.0", "::", "10.1.2.3"):
        with pytest.raises(ConfigError, match="no token is set"):
            place({}, host, 0)
    with pytest.raises(ConfigError, match="has 5 characters, and 16 are needed"):
        place({"BULKETL_DASHBOARD_TOKEN": "short"}, "127.0.0.1", 0)
    found = place({"BULKETL_DASHBOARD_TOKEN": TOKEN}, "0.0.0.0", 0)
    found.socket.close()
    assert found.doors.always
    assert not found.made
    here = place({}, "127.0.0.1", 0)
    here.socket.listen()
    with pytest.raises(ConfigError, match=r"cannot be served at 127\.0\.0\.1 port"):
        place({}, "127.0.0.1", here.socket.getsockname()[1])
    here.socket.close()
    assert here.made
    assert len(here.doors.token) >= 16
    assert not here.doors.always


def test_the_token_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    found = place({"BULKETL_DASHBOARD_TOKEN_FILE": str(tmp_path / "token")}, "127.0.0.1", 0)
    found.socket.close()
    assert found.doors.knows(TOKEN)
    with pytest.raises(ConfigError, match="the token of the dashboard"):
        place({"BULKETL_DASHBOARD_TOKEN_FILE": str(tmp_path / "none")}, "127.0.0.1", 0)


def test_the_assets_name_no_other_place() -> None:
    for path in site.ASSETS.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "http:" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https:" not in text
        assert "eval(" not in text
