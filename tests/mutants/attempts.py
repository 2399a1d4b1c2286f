"""A mutant tried: a fork of a process in which all tests are collected takes the fault in, and runs the tests that reach it.

The process that forks runs no test itself: a pool of threads, as Polars has one, does not live on in a fork.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import pickle
import resource
import signal
import sys
import time
import types
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import coverage
import hypothesis
import pytest
from mutation import Mutant

Verdict = Literal["killed", "timed out", "survived"]
SLOW = 3.0  # seconds: a test that takes longer is run by the suite, and for no mutant
LEAST = 5.0  # seconds of CPU that a mutant has at the least; ten times those of its tests at the most
MOST = 400  # tests that are run for a mutant, the quickest
WHOLE = 10.0  # seconds: a file of tests that takes longer is not run as a whole
MEMORY = 6 << 30  # bytes
PLUGINS = ("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=0")
QUIET = ("-q", "-x", "--no-header", "-o", "addopts=", "-W", "ignore::pytest.PytestAssertRewriteWarning", *PLUGINS)


@dataclass(frozen=True)
class Reach:
    """Which tests run each line of a file, and how long each takes; `early` lines run while modules are imported."""

    tests: Mapping[str, Mapping[int, frozenset[str]]]
    early: Mapping[str, frozenset[int]]
    seconds: Mapping[str, float]

    def of(self, mutant: Mutant) -> tuple[list[str], bool]:
        """Return the tests that reach it, the quickest first, and whether its module has to be imported anew."""
        lines = self.tests.get(mutant.path, {})
        anew = not mutant.outer or any(line in self.early.get(mutant.path, ()) for line in mutant.lines)
        found = {test for line in mutant.lines for test in lines.get(line, ())}
        if not found:  # Python runs no line of its own for a part of a tuple of constants, as a text to be yielded
            found = {test for line in mutant.statement for test in lines.get(line, ())}
        if anew and not found:
            found = {test for tests in lines.values() for test in tests}
        return self._quickest(found), anew

    def beside(self, mutant: Mutant, root: Path) -> list[str]:
        """Return the files of tests that import a module, and so may notice a fault in its data; the quickest first."""
        module = ".".join(Path(mutant.path).with_suffix("").parts[1:])
        seconds: dict[str, float] = defaultdict(float)
        for test, lasting in self.seconds.items():
            seconds[test.split("::")[0]] += lasting
        files = [file for file in seconds if module in (root / file).read_text() and seconds[file] <= WHOLE]
        return sorted(files, key=seconds.__getitem__)

    def _quickest(self, tests: Iterable[str]) -> list[str]:
        return sorted((one for one in tests if self.seconds[one] <= SLOW), key=lambda one: self.seconds[one])[:MOST]

    @classmethod
    def joined(cls, parts: Iterable[Reach]) -> Reach:
        """Return what several files of tests reach together."""
        tests: dict[str, dict[int, frozenset[str]]] = defaultdict(dict)
        early: dict[str, frozenset[int]] = {}
        seconds: dict[str, float] = {}
        for part in parts:
            seconds.update(part.seconds)
            for path, lines in part.tests.items():
                early[path] = early.get(path, frozenset()) | part.early[path]
                for line, names in lines.items():
                    tests[path][line] = tests[path].get(line, frozenset()) | names
        return cls(tests, early, seconds)


class Kept:
    """What was seen of each file of tests, in a folder of its own beside the checkout's other caches."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / ".mutants_cache"
        self._folder.mkdir(exist_ok=True)
        (self._folder / ".gitignore").write_text("*\n")
        shared = [*root.glob("src/**/*.py"), *root.glob("tests/support/*.py"), root / "tests/conftest.py"]
        self._shared = b"".join(hashlib.sha256(one.read_bytes()).digest() for one in sorted(shared))

    def of(self, file: str) -> Reach | None:
        """Return what was seen of a file, if nothing has changed since."""
        path = self._folder / self._name(file)
        found = pickle.loads(path.read_bytes()) if path.exists() else None
        return found if isinstance(found, Reach) else None

    def keep(self, file: str, reach: Reach) -> None:
        """Keep what was seen of a file."""
        for old in self._folder.glob(f"{Path(file).stem}-*"):
            old.unlink()
        (self._folder / self._name(file)).write_bytes(pickle.dumps(reach))

    def _name(self, file: str) -> str:
        state = hashlib.sha256(self._shared + (self._root / file).read_bytes()).hexdigest()[:16]
        return f"{Path(file).stem}-{state}"


class Attempts:
    """A plugin of pytest that hands out forks where tests would be run."""

    def __init__(self, root: Path, then: Callable[[Attempts], None]) -> None:
        self._root = root
        self._then = then
        self._items: dict[str, pytest.Item] = {}
        self._held: dict[tuple[str, str, int], list[types.FunctionType]] = defaultdict(list)

    def start(self, folders: Iterable[str]) -> int:
        """Collect the tests of these folders, and call `then` with this."""
        os.environ["CI"] = "1"  # the same examples each time
        return int(pytest.main([*QUIET, *folders], plugins=[_Profile(), self]))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        gc.collect()
        for one in gc.get_objects():
            if type(one) is types.FunctionType and one.__code__.co_filename.startswith(str(self._root / "src")):
                code = one.__code__
                self._held[code.co_filename, code.co_qualname, code.co_firstlineno].append(one)
        gc.freeze()
        self._then(self)
        return True

    def reach(self, files: Sequence[str]) -> Reach:
        """Run every test once, in a process of its own and imported anew, and see which lines of the files it runs.

        What was seen of a file of tests is kept until it changes, or the code, or what tests share.
        """
        kept = Kept(self._root)
        tests = sorted({name.split("::")[0] for name in self._items})
        if unseen := [one for one in tests if kept.of(one) is None]:
            _, found = _forked(lambda: _seen(self._root, unseen, list(self._items), files))
            if not isinstance(found, dict):
                raise SystemExit("a test fails on the code as it is, so no mutant can be tried: run `nox -s unit`")
            for one in unseen:
                kept.keep(one, found[one])
        return Reach.joined([one for one in map(kept.of, tests) if one is not None])

    def verdict(self, mutant: Mutant, reach: Reach) -> Verdict:
        """Run the tests that reach a mutant, until one fails."""
        tests, anew = reach.of(mutant)
        found = self._run(mutant, tests, reach, anew=anew) if tests else "survived"
        if found == "survived" and anew and (more := reach.beside(mutant, self._root)):
            return self._run(mutant, more, reach, anew=True)
        return found

    def _run(self, mutant: Mutant, tests: list[str], reach: Reach, *, anew: bool) -> Verdict:
        limit = max(LEAST, 10 * sum(reach.seconds.get(test, WHOLE) for test in tests))
        if not anew:
            code, failed = _forked(lambda: self._taken_in(mutant, tests, limit))
        else:
            code, failed = _forked(lambda: _again(self._root, mutant, tests, limit))
            if failed == pytest.ExitCode.USAGE_ERROR:  # it has changed how tests are called
                code, failed = _forked(
                    lambda: _again(self._root, mutant, sorted({one.split("::")[0] for one in tests}), limit)
                )
        if -code in (signal.SIGPROF, signal.SIGALRM):
            return "timed out"
        return "killed" if code or failed else "survived"

    def _taken_in(self, mutant: Mutant, tests: list[str], seconds: float) -> int:
        """Give a function the code that it has in the mutant, wherever it is held, and run the tests."""
        _limit(seconds)
        path = str(self._root / mutant.path)
        before, after = (
            [code for code in _codes(compile(text, path, "exec")) if code.co_qualname == mutant.outer]
            for text in (Path(path).read_text(), mutant.source)
        )
        for was, now in zip(before, after, strict=True):
            for function in self._held[path, was.co_qualname, was.co_firstlineno]:
                function.__code__ = now
        return _failed([self._items[test] for test in tests])


class _Profile:
    """A plugin that has Hypothesis take the same examples each time and look for no smaller ones."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, database=None, phases=phases)
        hypothesis.settings.load_profile("mutants")


class _Measured:
    """A plugin that tells coverage which test runs, and takes its time."""

    def __init__(self, lines: coverage.Coverage) -> None:
        self._lines = lines
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        began = time.process_time()
        self._lines.switch_context(item.nodeid)
        done = yield
        self._lines.switch_context("")
        self.seconds[item.nodeid] = time.process_time() - began
        return done


def _forked(work: Callable[[], object]) -> tuple[int, object]:
    """Return the exit code of a fork, negative by a signal, and what the work returned."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            said = answer.read()
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), pickle.loads(said) if said else None
    code = 1
    try:
        os.close(reading)
        _silence()
        said = pickle.dumps(work())
        with os.fdopen(writing, "wb") as answer:
            answer.write(said)
        code = 0
    finally:
        os._exit(code)


def _silence() -> None:
    """Let nothing that this process says be seen, pytest's own copies of its output included."""
    null = os.open(os.devnull, os.O_RDWR)
    seen = {Path(f"/proc/self/fd/{number}").readlink() for number in (1, 2)}
    for entry in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            if entry.readlink() in seen:
                os.dup2(null, int(entry.name))


def _limit(seconds: float) -> None:
    """End this process after that many seconds of CPU, or ten times as many when it waits."""
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * 10)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def _failed(items: list[pytest.Item]) -> int:
    """Run the tests until one fails, and return how many did."""
    session = items[0].session
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            break
    return session.testsfailed


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _codes(one)


def _seen(root: Path, files: list[str], tests: list[str], code: Sequence[str]) -> dict[str, Reach] | None:
    lines = coverage.Coverage(data_file=None, include=[str(root / one) for one in code], config_file=False)
    lines.start()
    _forget(root)
    measured = _Measured(lines)
    failed = pytest.main([*QUIET, *(one for one in tests if one.split("::")[0] in files)], plugins=[_Profile(), measured])
    lines.stop()
    if failed:
        return None
    data = lines.get_data()
    contexts = {str(Path(one).relative_to(root)): data.contexts_by_lineno(one) for one in data.measured_files()}
    early = {path: frozenset(line for line, names in found.items() if "" in names) for path, found in contexts.items()}
    return {
        file: Reach(
            {
                path: {line: reached for line, names in found.items() if (reached := frozenset(_of(file, names)))}
                for path, found in contexts.items()
            },
            early,
            {name: seconds for name, seconds in measured.seconds.items() if name.split("::")[0] == file},
        )
        for file in files
    }


def _of(file: str, tests: Iterable[str]) -> Iterator[str]:
    return (one for one in tests if one.split("::")[0] == file)


def _again(root: Path, mutant: Mutant, tests: list[str], seconds: float) -> int:
    """Import everything of ours anew, with the fault, and run the tests in a session of their own."""
    _limit(seconds + LEAST)
    _forget(root)
    sys.meta_path.insert(0, _Finder(root / mutant.path, mutant.source))
    return int(pytest.main([*QUIET, *tests], plugins=[_Profile()]))


def _forget(root: Path) -> None:
    ours = [name for name, one in sys.modules.items() if str(getattr(one, "__file__", None) or "").startswith(f"{root}/")]
    for name in ours:
        if name not in ("__main__", "attempts", "mutation"):
            del sys.modules[name]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """What imports one file with other text."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        parts = path.with_suffix("").parts
        self._name = ".".join(parts[parts.index("src") + 1 :]).removesuffix(".__init__")

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def get_source(self, fullname: str) -> str:
        return self._text

    def is_package(self, fullname: str) -> bool:
        return self._path.name == "__init__.py"

    def get_filename(self, fullname: str) -> str:
        return str(self._path)
