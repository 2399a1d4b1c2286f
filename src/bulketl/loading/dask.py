"""More machines: the steps of a run on a Dask cluster, through the one seam that threads go through too.

What may go wrong with a cluster becomes a BulketlError here and nowhere else. A step that the cluster loses is a passing
failure, and any step may run twice; a cluster that is gone ends the run, which can be resumed. Nothing that a step raises
is raised inside Dask: it comes back as a value, since Dask logs what its tasks raise, arguments included. `distributed`
is an extra and is imported only when a cluster is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import pickle
import socket
import sys
import threading
import time
import traceback
import uuid
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, InvalidStateError, ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from bulketl.config.libraries import LEAST_VERSIONS, check_libraries
from bulketl.errors import ON_WORKER, BulketlError, ClusterError, ConfigError, RunEndedError
from bulketl.postgres.write.copy import leave
from bulketl.tables.printable import in_a_line

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 5
WORKERLESS_SECONDS = 60.0  # a nanny starts a new worker in a few; a cluster that scales in a minute or it is gone
_LOOK_SECONDS = 0.5  # sooner than a worker that died is there again
_THE_SAME = ("bulketl", "distributed")  # of one version in every process; the scheduler unpickles steps too
_SCHEMES = ("tcp", "tls")
_FORM = "write it as tls://host:8786, or tcp://host:8786 where nobody else is on the network"
_GO_ON = "`bulketl load --resume last --executor dask` goes on"


@contextlib.contextmanager
def dask(scheduler: str | Client) -> Iterator[Callable[[str, int], contextlib.AbstractContextManager[Executor]]]:
    """Connect to a Dask cluster, check it, and give the `executor` for `load` and `resume`.

    `scheduler`: an address such as `tls://host:8786`, with the certificates of Dask's own configuration; or a client,
    which stays open. Raise ConfigError when the address is not valid, the extra is not installed, or scheduler or workers
    have another version of bulketl or Python than this process; ClusterError when nobody answers or there is no worker.
    """
    with _connected(scheduler) as client:
        _check(client)
        yield lambda run, _at_once: _executor(client, run)


def check_address(scheduler: str) -> None:
    """Raise ConfigError unless it is the address of a scheduler."""
    try:
        parts = urlsplit(scheduler)
        good = parts.scheme in _SCHEMES and bool(parts.hostname) and bool(parts.port) and not parts.path.strip("/")
    except ValueError:
        good = False
    if not scheduler:
        raise ConfigError("the address of the Dask scheduler is missing", hint=f"--scheduler names it: {_FORM}")
    if not good or "@" in scheduler:
        shown = repr(scheduler) if "@" not in scheduler else "what has a user or password"
        raise ConfigError(f"{shown} is not the address of a Dask scheduler", hint=_FORM)


def _connected(scheduler: str | Client) -> contextlib.AbstractContextManager[Client]:
    if not isinstance(scheduler, str):
        return contextlib.nullcontext(scheduler)
    check_address(scheduler)
    try:
        from distributed import Client, Security
        from distributed.versions import VersionMismatchWarning
    except ImportError:
        raise ConfigError("Dask is not installed", hint="pip install 'bulketl[dask]'") from None
    security = Security()
    arguments = security.get_connection_args("client")
    if scheduler.startswith("tls") and arguments["ssl_context"] is None:
        raise ConfigError(
            f"there are no certificates for the Dask scheduler {scheduler}",
            hint="name them in Dask's configuration, distributed.comm.tls, or in the environment: "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT, …__CLIENT__KEY",
        )
    try:
        _greet(scheduler, arguments)
        with warnings.catch_warnings():  # that numpy is another one there; what must be the same is checked below
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False, name="bulketl", security=security)
    except Exception as error:  # whatever Dask makes of an answer that is none, a lack of memory too
        raise ClusterError(
            f"the Dask scheduler {scheduler} does not answer: {_text(error)}",
            said=_text(error),
            hint="check host and port, that it is a scheduler that runs there, and that both sides use TLS or neither",
        ) from None
    return cast(contextlib.AbstractContextManager[Client], client)


def _greet(scheduler: str, arguments: dict[str, Any]) -> None:
    """Connect and part: a client that cannot connect would say so late, and go on trying behind the scenes."""
    from distributed.comm import connect

    async def greet() -> None:
        # Its own limit does not hold for who takes the connection and says nothing.
        comm = await asyncio.wait_for(connect(scheduler, timeout=CONNECT_SECONDS, **arguments), CONNECT_SECONDS)
        await comm.close()

    parts = urlsplit(scheduler)
    with socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS), ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, greet()).result()  # aside, because a notebook's thread has a loop of its own


def _check(client: Client) -> None:
    """Raise unless there are workers, and they and the scheduler have this bulketl and this Python."""
    names = (*_THE_SAME, *LEAST_VERSIONS)
    try:
        found = client.get_versions(packages=names)
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            f"the Dask scheduler {_address(client)} does not answer: {_text(error)}", said=_text(error)
        ) from None
    if not found["workers"]:
        raise ClusterError(
            f"the Dask cluster of {_address(client)} has no workers",
            hint=f"start some: dask worker {_address(client)}; a cluster that scales itself keeps one with minimum=1",
        )
    wrong = []
    for who, there in ((" ".join(("worker", address)), found["workers"][address]) for address in sorted(found["workers"])):
        packages = there["packages"]
        if lines := _differing(packages):
            wrong.append(f"{who}: {', '.join(lines)}")
        else:
            check_libraries(packages, f" on {who}")
    if lines := _differing(found["scheduler"]["packages"]):
        wrong.insert(0, f"the scheduler: {', '.join(lines)}")
    if wrong:
        raise ConfigError(
            f"the Dask cluster of {_address(client)} has other versions; here are Python {_python(sys.version_info)}, "
            f"{', '.join(f'{name} {version(name)}' for name in _THE_SAME)}, and there\n  "
            + "\n  ".join(map(in_a_line, wrong)),
            hint="install the same versions there, and start it again",
        )


def _differing(packages: Mapping[str, str | None]) -> list[str]:
    theirs = _python((packages["python"] or "").split("."))
    lines = [f"Python {theirs}"] if theirs != _python(sys.version_info) else []
    other = (name for name in _THE_SAME if packages[name] != version(name))
    return [*lines, *(f"{name} {packages[name]}" if packages[name] else f"no {name}" for name in other)]


def _python(numbers: Any) -> str:
    return ".".join(str(number) for number in numbers[:2])


@contextlib.contextmanager
def _executor(client: Client, run: str) -> Iterator[Executor]:
    executor, ended = _Cluster(client, run), threading.Event()
    watch = threading.Thread(target=executor.watch, args=(ended,), name="bulketl-dask", daemon=True)
    watch.start()
    try:
        yield executor
    except RunEndedError as gone:
        raise gone.why from None
    finally:
        ended.set()
        watch.join(CONNECT_SECONDS)


class _Cluster(Executor):
    """Steps as Dask tasks, each bound to one worker and waited for: no worker can be stopped in the middle of one.

    Bound, because Dask would run the step of a worker that died on another one and say nothing, and readers that are to see
    the same rows must begin at once and be read again together. So only the schedule tries again, here too.
    """

    def __init__(self, client: Client, run: str) -> None:
        self._client, self._run, self._version = client, run, version("bulketl")
        self._inner = client.get_executor(pure=False, retries=0)  # pure: an equal call, tried again, would not run again
        self._open: dict[Future[Any], tuple[Future[Any], str]] = {}  # with Dask's, and the worker it is bound to
        self._threads: dict[str, int] = {}  # of each worker that is ready, as last seen
        self._waiting: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = deque()
        self._lock = threading.Lock()
        self._gone: ClusterError | None = None
        self._look_at_workers()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a step to a worker, as soon as there is one; raise when the cluster is gone."""
        self._look_at_scheduler()
        if self._gone:
            raise RunEndedError(self._gone)
        outer: Future[Any] = Future()
        outer.set_running_or_notify_cancel()
        self._waiting.append((outer, fn, args, kwargs))
        self._hand_out()
        return outer

    def _hand_out(self) -> None:
        """Give what waits to the workers that have least to do, if there is any."""
        with self._lock:
            while self._waiting and self._threads:
                outer, fn, args, kwargs = self._waiting.popleft()
                taken = Counter(worker for _, worker in list(self._open.values()))
                worker = min(self._threads, key=lambda name: taken[name] / max(self._threads[name], 1))
                key = f"bulketl-{getattr(args[-1], 'kind', 'step')}-{uuid.uuid4().hex}"  # it is shown and logged
                where = {"workers": [worker], "allow_other_workers": False}
                inner = self._inner.submit(attempt, self._version, fn, *args, **kwargs, **where, key=key)
                self._open[outer] = (inner, worker)
                inner.add_done_callback(lambda done, outer=outer: self._settle(outer, done))

    def _settle(self, outer: Future[Any], inner: Future[Any]) -> None:
        self._open.pop(outer, None)
        self._look_at_scheduler()
        error = CancelledError() if inner.cancelled() else inner.exception()
        result = inner.result() if error is None else RunEndedError(self._gone) if self._gone else _lost(error)
        self._end(outer, result)

    def _end(self, outer: Future[Any], result: Any) -> None:
        with contextlib.suppress(InvalidStateError):  # it was given up before
            if isinstance(result, BaseException):
                outer.set_exception(result)
            else:
                outer.set_result(result)

    def _look_at_scheduler(self) -> None:
        if self._client.status != "running":
            self._gone = self._gone or ClusterError(f"the Dask scheduler {_address(self._client)} went away", hint=_GO_ON)

    def _look_at_workers(self) -> None:
        """Note which workers are there; a new one imports what steps need before it gets any, for readers begin together."""
        found = dict(self._client.nthreads())
        if new := [worker for worker in found if worker not in self._threads]:
            self._threads = {worker: threads for worker, threads in self._threads.items() if worker in found}
            ready = self._client.run(_own_version, workers=new, on_error="ignore")
            found = {worker: threads for worker, threads in found.items() if worker in ready or worker not in new}
        self._threads = found

    def watch(self, ended: threading.Event) -> None:
        """Give up the steps of workers that are gone, and all when none comes back: Dask itself would wait for ever."""
        seen = time.monotonic()
        while not ended.wait(_LOOK_SECONDS):
            self._look_at_scheduler()
            if not self._gone:
                with contextlib.suppress(Exception):  # something has gone since the line before; the next look tells
                    self._look_at_workers()
            if self._threads:
                seen = time.monotonic()
            elif time.monotonic() - seen > WORKERLESS_SECONDS:
                text = f"the Dask cluster of {_address(self._client)} has had no workers for {WORKERLESS_SECONDS:g} seconds"
                self._gone = self._gone or ClusterError(text, hint=f"start workers; then {_GO_ON}")
            for outer, (inner, worker) in list(self._open.items()):
                if self._gone or worker not in self._threads:
                    self._open.pop(outer, None)
                    self._end(outer, RunEndedError(self._gone) if self._gone else _dead_worker())
                    inner.cancel()
            if self._gone:
                while self._waiting:
                    self._end(self._waiting.popleft()[0], RunEndedError(self._gone))
            else:
                self._hand_out()


def attempt(wanted: str, fn: Callable[..., Any], source: Any, target: Any, step: Any) -> Any:
    """Carry out a step on a worker, and return its result or, as a value, what it raised.

    The connections to the target live as long as the step: so the most steps at once are the most connections, however
    many threads the cluster has, and a run whose process was killed leaves none behind.
    """
    if (here := _own_version()) != wanted:  # a worker that came later
        return ConfigError(
            f"a Dask worker has bulketl {here}, and the run began with {wanted}", hint="install the same version on both"
        )
    try:
        return fn(source, target, step)
    except BulketlError as error:
        return error
    except Exception as error:
        error.add_note(f"{ON_WORKER}\n{''.join(traceback.format_tb(error.__traceback__))}")
        return _portable(error)
    finally:
        leave()


@functools.cache  # looking it up costs as much as a small step
def _own_version() -> str:
    return version("bulketl")


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301, our own
    except Exception:
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        plain.__notes__ = error.__notes__
        return plain
    return error


def _lost(error: BaseException) -> ClusterError:
    """Return what to raise for an error of Dask's own: `attempt` raises none."""
    if type(error).__name__ == "KilledWorker":
        return _dead_worker()
    if isinstance(error, CancelledError):
        return ClusterError("the Dask cluster dropped the step", transient=True)
    return ClusterError(
        f"the Dask cluster could not run the step: {_text(error)}",
        said=_text(error),
        hint="the logs of its workers tell more",
        transient=isinstance(error, (OSError, TimeoutError)),
    )


def _dead_worker() -> ClusterError:
    return ClusterError(
        "the Dask worker that ran the step died",
        hint="out of memory, perhaps: give workers more, or fewer threads each; their logs tell",
        transient=True,
    )


def _address(client: Client) -> str:
    return str(client.scheduler.address) if client.scheduler else ""


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
