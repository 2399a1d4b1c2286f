"""What the throw-away servers need is looked for program by program, and installed, or the error says exactly what to type.

The machine is a folder of empty programs; one that is hidden is not on it. Its apt-get writes down how it was called and
brings the programs of the packages that it is told to install, and its sudo does the rest of its line.
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

from bulketl.cli.demo import programs
from bulketl.cli.demo.programs import PROGRAMS, install_missing, missing, require, what_to_type
from bulketl.errors import BulketlError

ROOT = Path(__file__).parents[2]
PACKAGES = {one.name: one.packages["apt-get"] for one in PROGRAMS}
FOR_ROOT = "apt-get update && apt-get install -y --no-install-recommends"
FOR_OTHERS = "sudo apt-get update && sudo apt-get install -y --no-install-recommends"
ELSEWHERE = {
    "systemd-analyze": "its test is skipped without it",
    "chromium": "its tests are skipped without it; nox -s browser installs it",
    "npm": "nox -s browser installs it",
    "pgbouncer": "its test is skipped without it; nox -s integrations installs it",
    "git": "tells a development session what has changed; no test needs it",
    "mount": "only root has it try a small disk, and every Linux has both",
    "umount": "the same",
    "promtool": "its test is skipped without it; nox -s integrations installs it",
}
APT = """#!{python} -IS
import os, pathlib, sys
with open({log!r}, "a") as log:
    print(os.environ.get("DEBIAN_FRONTEND"), *sys.argv[1:], file=log)
if sys.argv[1] in {fails!r}:
    sys.exit("E: " + sys.argv[1] + " is not to be had")
for name, package in {brings!r}.items():
    if package in sys.argv[2:]:
        pathlib.Path({folder!r}, name).touch(0o755)
"""


class Machine:
    """A folder as the only place of programs: all of them are there at first, and nothing that installs packages."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "bin", folder / "log"
        self.folder.mkdir()
        self.log.touch()
        self.have(*PACKAGES)
        (self.folder / "env").symlink_to("/usr/bin/env")

    def have(self, *names: str, text: str = "") -> None:
        for name in names:
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)

    def lack(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    def have_apt(self, *fails: str, brings: dict[str, str] = PACKAGES) -> None:
        given = {"log": str(self.log), "fails": fails, "brings": brings, "folder": str(self.folder)}
        self.have("apt-get", text=APT.format(python=sys.executable, **given))

    def have_sudo(self) -> None:
        self.have("sudo", text='#!/bin/sh\necho "sudo $1" >>' + str(self.log) + '\nshift\nexec "$@"\n')

    @property
    def called(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with every program, whose user is root."""
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.folder))
    monkeypatch.setattr(programs, "_PLACES", ())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return made


@pytest.fixture
def person(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The same, whose user is not root, and has no terminal."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    return machine


def refused() -> BulketlError:
    """Return the error of a try to install what is missing."""
    with pytest.raises(BulketlError) as raised:
        install_missing()
    return raised.value


def test_a_machine_with_every_program_is_left_alone(machine: Machine) -> None:
    machine.have_apt()
    assert (missing(), install_missing(), machine.called) == ((), "", [])
    require()


@pytest.mark.parametrize("name", PACKAGES)
def test_each_program_that_is_missing_is_installed_by_its_package(machine: Machine, name: str) -> None:
    """However much of the rest is there. Nothing is removed for it, and the next call finds nothing to do."""
    machine.lack(name)
    machine.have_apt()
    assert install_missing() == f"installed {PACKAGES[name]} from the system's packages"
    update, install = machine.called
    assert update == "noninteractive update -qq"
    assert install.startswith("noninteractive install -y")
    assert install.endswith(f" {PACKAGES[name]}")
    assert "--no-remove" in install
    assert install_missing() == ""


@pytest.mark.parametrize("name", PACKAGES)
def test_each_program_that_is_missing_is_named_with_what_to_type(machine: Machine, name: str) -> None:
    """Where there is no apt-get, each kind of system has its line; nothing is started then."""
    machine.lack(name)
    with pytest.raises(BulketlError) as raised:
        require()
    for error in (refused(), raised.value):
        assert error.message.startswith(f"not on this machine: {name} (")
        assert f"{FOR_ROOT} {PACKAGES[name]} (Debian, Ubuntu); dnf install -y " in error.hint


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "useradd"])
def test_who_is_not_root_installs_with_sudo_or_is_told(person: Machine, name: str) -> None:
    """Sudo is not asked for a password where nobody can type one."""
    person.lack(name)
    person.have_apt()
    assert refused().hint == f"{FOR_OTHERS} {PACKAGES[name]}"
    assert person.called == []
    person.have_sudo()
    assert install_missing() == f"installed {PACKAGES[name]} from the system's packages"
    assert person.called[::2] == ["sudo -n", "sudo -n"]
    assert [line.split()[0] for line in person.called[1::2]] == ["noninteractive", "noninteractive"]


def test_useradd_is_needed_by_root_alone(person: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root's Postgres needs a user of its own."""
    person.lack("useradd")
    assert missing() == ()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert [one.name for one in missing()] == ["useradd"]


@pytest.mark.parametrize(
    ("installer", "line"),
    [("apt-get", f"{FOR_ROOT} mariadb-server-core mariadb-client-core"), ("dnf", "dnf install -y mariadb-server mariadb"),
     ("brew", "brew install mariadb")],
)  # fmt: skip
def test_what_to_type_is_in_the_words_of_the_machine(machine: Machine, installer: str, line: str) -> None:
    machine.lack("mariadbd", "my_print_defaults", "mariadb-install-db")
    machine.have(installer)
    assert what_to_type(missing()) == line


def test_an_update_that_fails_does_not_matter_when_the_packages_came(machine: Machine) -> None:
    """A list of packages that nobody needs may be out of reach."""
    machine.lack("mariadbd")
    machine.have_apt("update")
    assert install_missing() == "installed mariadb-server-core from the system's packages"


def test_packages_that_cannot_be_had_are_an_error_with_the_words_of_apt(machine: Machine) -> None:
    machine.lack("mariadbd", "my_print_defaults")
    machine.have_apt("update", "install")
    error = refused()
    assert error.message == (
        "not on this machine: mariadbd (the server), my_print_defaults (mariadb-install-db calls it)"
        "; apt-get update failed: E: update is not to be had; apt-get install failed: E: install is not to be had"
    )
    assert error.hint == f"{FOR_ROOT} mariadb-server-core mariadb-client-core"


def test_packages_that_do_not_bring_the_program_are_an_error(machine: Machine) -> None:
    """Having installed something is not taken for having it."""
    machine.lack("my_print_defaults")
    machine.have_apt(brings={})
    assert refused().message.endswith("; mariadb-client-core did not bring it")


def started() -> set[str]:
    """Return the programs that the code starts by a name of its own: sources, tests and the guard of speed."""
    found = set()
    bare = ROOT / "tests/bare.py"  # which runs on a machine that has all it needs, or says so
    paths = {*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), ROOT / "benchmarks/guard.py"} - {bare}
    for path in sorted(paths):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            first: ast.expr | None = None
            if isinstance(node, ast.Call) and node.args:
                of = ast.unparse(node.func)
                if of.startswith("subprocess.") or of in {"shutil.which", "program"}:
                    first = node.args[0]
            elif isinstance(node, ast.Assign) and path.name == "guard.py":
                first = node.value
            if isinstance(first, ast.List | ast.Tuple) and first.elts:
                first = first.elts[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value[:1].isalpha():
                found.add(first.value)
    return found


def test_the_list_has_every_program_that_the_code_starts() -> None:
    """A test that starts another one needs a line in the list, or a reason here."""
    installers = {"apt-get", "sudo", "psql", "bulketl"}  # those that this is about; in the wheel; this program
    assert started() - set(PACKAGES) - installers - set(ELSEWHERE) == set()
    assert {"mariadbd", "mariadb-install-db", "mariadb", "bash", "sh"} <= started()
