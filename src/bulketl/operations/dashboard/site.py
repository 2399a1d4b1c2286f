"""The pages, by their addresses. Reading asks the ledger, in a thread; an acknowledgement is all that is written."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from bulketl.config.config import Config
from bulketl.config.windows import zone_of_window
from bulketl.errors import BulketlError, PlanError
from bulketl.operations.capacity.forecast import capacity_in
from bulketl.operations.dashboard import alertpage, reportpage, runpage, tablepage
from bulketl.operations.dashboard.doors import DAYS, Doors, Guard
from bulketl.operations.dashboard.live import Live
from bulketl.operations.dashboard.overview import Overview, choice, overview
from bulketl.operations.dashboard.rendering import link, renderer
from bulketl.operations.dashboard.sight import sight

ASSETS = Path(__file__).parent / "assets"
FRESH_SECONDS = 4.0  # that the overview is shown to others as it was read
PING_SECONDS = 15
LARGEST = 10_000  # bytes of a form
Clock = Callable[[], dt.datetime]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Site:
    """The pages over the ledger of a configuration. `clock`: the present time, aware."""

    def __init__(self, config: Config, doors: Doors, clock: Clock = _now) -> None:
        self._config, self._doors, self._clock = config, doors, clock
        self._zone = zone_of_window(config.windows)
        self._render = renderer(config)
        self.live = Live(config, runpage.drawn(config, self._render, clock), runpage.told_lines(self._render))
        self._reading = threading.Lock()
        self._read: tuple[float, Overview] | None = None

    def app(self) -> Starlette:
        """Return the pages as an application."""

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            self.live.open()
            try:
                yield
            finally:
                self.live.close()

        pages = [
            Route("/", self._page("overview", self.overview)),
            Route("/tables", self._page("tables", self.tables)),
            Route("/table", self._page("table", self.table)),
            Route("/run", self._page("run", self.run)),
            Route("/runs", self._page("runs", self.runs)),
            Route("/alerts", self._page("alerts", self.alerts)),
            Route("/reports", self._page("reports", self.reports)),
            Route("/report", self.report),
            Route("/capacity", self._page("capacity", self.capacity)),
            Route("/alerts/{number:int}/acknowledge", self.acknowledge, methods=["POST"]),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/live", self.stream),
            Mount("/assets", StaticFiles(directory=ASSETS)),
        ]
        return Starlette(
            routes=pages,
            middleware=[Middleware(Guard, self._doors)],
            lifespan=lifespan,
            exception_handlers={404: self._missing, 500: self._broken},
        )

    def _page(self, name: str, values: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Any]:
        """Return what answers a request with a template; what the ledger refuses is told on a page as well."""

        def made(request: Request) -> Response:
            try:
                found = values(request)
            except BulketlError as error:
                return self._trouble(request, name, error)
            return HTMLResponse(self._render(name, **{**self._around(request, name), **found}))

        async def answer(request: Request) -> Response:
            return await run_in_threadpool(made, request)

        return answer

    def _trouble(self, request: Request, page: str, error: BulketlError) -> Response:
        said = self._render("trouble", **self._around(request, page), said=error.public, hint=error.hint)
        return HTMLResponse(said, 404 if isinstance(error, PlanError) else 503)

    def _around(self, request: Request, page: str) -> dict[str, Any]:
        """Return what every page shows: which one it is, as of when, and whether this browser is signed in."""
        known = self._read[1] if self._read else None
        return {
            "page": page,
            "now": self._clock(),
            "signed_in": self._doors.signed_in(request.headers),
            "asks": self._doors.always,
            "open_alerts": len(known.alerts) if known else 0,
        }

    def _overview(self) -> Overview:
        """Return the overview, as it was read a moment ago where many ask for it."""
        with self._reading:
            if self._read is None or time.monotonic() - self._read[0] > FRESH_SECONDS:
                found = overview(self._config, self._clock(), self._zone)
                if found.running is not None:
                    moment = self.live.now()
                    found = overview(self._config, self._clock(), self._zone, moment)
                self._read = (time.monotonic(), found)
            return self._read[1]

    def overview(self, _request: Request) -> dict[str, Any]:
        """Return what the overview shows."""
        found = self._overview()
        return {"o": found, "tiers": found.tiers(self._config), "shown": found.mattering, "mark": self._mark(),
                "now": found.status.now}  # fmt: skip

    def _mark(self) -> str:
        moment = self.live.known
        return moment.mark if moment else ""

    def tables(self, request: Request) -> dict[str, Any]:
        """Return what the list of all tables shows."""
        found, chosen = self._overview(), choice(request.query_params)
        fitting = chosen.of(found.stands)
        part, pages = chosen.part(fitting)
        chosen = dataclasses.replace(chosen, page=min(max(chosen.page, 1), pages))
        return {"o": found, "chosen": chosen, "count": len(fitting), "shown": found.nights(part), "pages": pages,
                "mark": self._mark(), "now": found.status.now}  # fmt: skip

    def table(self, request: Request) -> dict[str, Any]:
        """Return what the page about a table shows."""
        name = request.query_params.get("name", "")
        every = bool(request.query_params.get("all"))
        found, config = self._overview(), self._config
        coming = found.coming.of(name) if found.coming else ""
        stand = next((one for one in found.stands if one.of.table == name), None)
        if stand is None and coming:
            config, stand = tablepage.beside(config, name, self._clock())
        if stand is None:
            what = f"; {coming}" if coming else ""
            raise PlanError(
                f"no load and no rule has a table {name!r} into schema {config.target_schema!r}{what}",
                hint="check the spelling, and the schema: Tables, at the top, has all of them",
            )
        return {"t": tablepage.table_page(config, stand, self._clock(), every=every), "coming": coming}

    def runs(self, _request: Request) -> dict[str, Any]:
        """Return what the list of runs shows."""
        return {"runs": runpage.run_list(self._config), "most": runpage.RUNS}

    def run(self, request: Request) -> dict[str, Any]:
        """Return what the page about a run shows: the one that is under way, or the last, unless another is named."""
        name = request.query_params.get("name", "")
        moment = self.live.now() if not request.query_params.get("record") else None
        if moment is not None and name in ("", moment.run) and (moment.run or not name):
            return {"moment": moment, "r": None, "most": 60}
        if not name:
            return {"moment": None, "r": None, "most": 0}
        return {"moment": None, "r": runpage.run_page(self._config, name, every=bool(request.query_params.get("all")))}

    def alerts(self, request: Request) -> dict[str, Any]:
        """Return what the list of alerts shows."""
        every = bool(request.query_params.get("all"))
        with sight(self._config) as look:
            found = alertpage.listed(look, self._config.target_schema, self._clock(), every=every)
        return {"alerts": found, "every": every, "said": request.query_params.get("said", "")[:20], "most": alertpage.MOST}

    def reports(self, _request: Request) -> dict[str, Any]:
        """Return what the list of reports shows."""
        return {"kept": reportpage.kept(self._config), "most": reportpage.MOST}

    def capacity(self, _request: Request) -> dict[str, Any]:
        """Return what the page about what fills up shows."""
        with sight(self._config) as look:
            return {"capacity": capacity_in(look, self._config, self._clock())}

    async def report(self, request: Request) -> Response:
        """Answer with a report, which is a page of its own."""
        asked = request.query_params
        try:
            made = await run_in_threadpool(reportpage.report, self._config, asked.get("name", ""), asked.get("of", ""))
        except BulketlError as error:
            return self._trouble(request, "reports", error)
        return HTMLResponse(made[0], headers={"content-security-policy": made[1]})

    async def acknowledge(self, request: Request) -> Response:
        """Put on record that somebody looks after an alert, who has given the token, as the guard saw to."""
        form = await _form(request)
        number, by = request.path_params["number"], form.get("by", "").strip()[:100]
        if not by:
            return RedirectResponse(link("alerts", said="noname"), 303)
        try:
            taken = await run_in_threadpool(alertpage.take, self._config, number, by, _hours(form.get("hours", "")))
        except BulketlError as error:
            return self._trouble(request, "alerts", error)
        return RedirectResponse(link("alerts", said="taken" if taken else "over"), 303)

    async def login(self, request: Request) -> Response:
        """Show the form for the token, or take it."""
        to = request.query_params.get("to", "/")
        if request.method != "POST":
            return HTMLResponse(self._render("login", **self._around(request, "login"), to=to, wrong=False))
        form = await _form(request)
        to = form.get("to", "/")
        if not self._doors.knows(form.get("token", "").strip()):
            return HTMLResponse(self._render("login", **self._around(request, "login"), to=to, wrong=True), 403)
        answer = RedirectResponse(to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            self._doors.cookie, self._doors.session, DAYS * 86400, httponly=True, samesite="strict", secure=secure
        )
        return answer

    async def stream(self, request: Request) -> Response:
        """Send what happens in the run, from the event on whose number the browser had last."""
        seen = request.headers.get("last-event-id") or request.query_params.get("after", "")
        run, _, number = seen.rpartition("/")
        seq = int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0
        bare = bool(request.query_params.get("marks"))

        async def events() -> AsyncIterator[ServerSentEvent]:
            before, mark = run, ""
            async for moment, lines, missed in self.live.watch(run, seq):
                at = f"{moment.run}/{moment.seq}"
                if bare:
                    if moment.mark != mark:
                        mark = moment.mark
                        yield ServerSentEvent(mark, event="mark", id=at)
                    continue
                if before != moment.run:
                    before = moment.run
                    yield ServerSentEvent(moment.run, event="begin")
                if missed:
                    yield ServerSentEvent(str(missed), event="missed")
                if lines:
                    yield ServerSentEvent("\n".join(lines), event="lines", id=at)
                yield ServerSentEvent(moment.frame, event="frame", id=at)

        return EventSourceResponse(events(), ping=PING_SECONDS, headers={"cache-control": "no-store"})

    def _missing(self, request: Request, _error: Exception) -> Response:
        around = self._around(request, "trouble")
        hint = "the pages are in the line at the top"
        return HTMLResponse(self._render("trouble", **around, said="There is no such page.", hint=hint), 404)

    def _broken(self, _request: Request, _error: Exception) -> Response:
        return PlainTextResponse("bulketl: this page broke; its log has more.\n", 500)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form, of which each has one value; of one that is too large none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            return {}
    found = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in found.items()}


def _hours(text: str) -> float | None:
    """Return for how many seconds somebody looks after an alert, None where nothing sensible is said."""
    try:
        hours = float(text)
    except ValueError:
        return None
    return hours * 3600 if 0 < hours <= 24 * 30 else None
