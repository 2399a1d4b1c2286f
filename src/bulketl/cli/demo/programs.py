"""The programs of the machine that the throw-away servers and the tests start: one list, found and installed from it.

A server's own package seldom has all that the server needs: without a program of its client's package, Debian's makes no
data folder. So each program is looked for, instead of one that stands for all, and the next call mends a machine that was
left half done. Where there is apt-get and this user may use it, the packages of what is missing are installed, and none is
ever removed for them; elsewhere the error says what to type.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bulketl.errors import BulketlError

_PLACES = ("/usr/sbin", "/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")
_COMMANDS = {  # what installs packages: its command, and where it is found
    "apt-get": ("{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends", "Debian, Ubuntu"),
    "dnf": ("{sudo}dnf install -y", "Fedora and its kin"),
    "brew": ("brew install", "macOS"),
}


@dataclass(frozen=True, slots=True)
class Program:
    """A program, what for, and the package it is in, by the program that installs packages."""

    name: str
    use: str
    packages: Mapping[str, str]


def _of_mariadb(name: str, use: str, package: str) -> Program:
    dnf = "mariadb-server" if "server" in package else "mariadb"
    return Program(name, use, {"apt-get": package, "dnf": dnf, "brew": "mariadb"})


def _of_system(name: str, use: str, package: str, dnf: str = "") -> Program:
    return Program(name, use, {"apt-get": package, "dnf": dnf or package})


_CALLED = "mariadb-install-db calls it"
PROGRAMS = (
    _of_mariadb("mariadbd", "the server", "mariadb-server-core"),
    _of_mariadb("mariadb-install-db", "makes the server's data folder", "mariadb-server-core"),
    _of_mariadb("my_print_defaults", _CALLED, "mariadb-client-core"),
    _of_mariadb("mariadb", "the guard of speed measures it", "mariadb-client-core"),
    _of_system("sh", "mariadb-install-db is a script", "dash", "bash"),
    _of_system("bash", "the tests run commands of the docs", "bash"),
    _of_system("sed", _CALLED, "sed"),
    *(_of_system(name, _CALLED, "coreutils") for name in ("basename", "cat", "chmod", "chown", "dirname", "mkdir", "uname")),
    _of_system("useradd", "root's Postgres runs as a user of its own", "passwd", "shadow-utils"),
)


def needed() -> tuple[Program, ...]:
    """Return the programs that this user needs on this machine: useradd is root's, and of Linux."""
    root = os.geteuid() == 0 and sys.platform == "linux"
    return tuple(one for one in PROGRAMS if root or one.name != "useradd")


def missing() -> tuple[Program, ...]:
    """Return those that are not on this machine."""
    return tuple(one for one in needed() if not program(one.name))


def program(name: str) -> str:
    """Return the path of a program, on PATH or where systems put servers, or ''."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))) or ""


def require() -> None:
    """Raise BulketlError, which says what to type, when a program is not on this machine."""
    if lacks := missing():
        raise _lacking(lacks)


def install_missing() -> str:
    """Install the packages of what is missing, where there is apt-get and this user may use it.

    Return what was done, or '' when nothing was missing. Raise BulketlError, which says what to type, when a program is
    missing afterwards.
    """
    lacks = missing()
    if not lacks:
        return ""
    apt, sudo = program("apt-get"), program("sudo")
    if not apt or (os.geteuid() and not sudo):
        raise _lacking(lacks)
    packages = _packages("apt-get", lacks)
    allowed: list[str] = []
    if os.geteuid():
        prompt = f"bulketl installs {' '.join(packages)}; your password, please: "
        allowed = [sudo, *(["-p", prompt] if sys.stdin.isatty() else ["-n"])]
    options = ["-y", "-qq", "--no-install-recommends", "--no-remove", "-o", "DPkg::Lock::Timeout=120"]
    failed = ""
    # One list of packages that cannot be had fails the update, and need not be the one that matters: the install decides.
    for words in (["update", "-qq"], ["install", *options, *packages]):
        command = [*allowed, "env", "DEBIAN_FRONTEND=noninteractive", apt, *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            failed += f"; apt-get {words[0]} failed: {' '.join(done.stderr.split())[-300:]}"
    if lacks := missing():
        raise _lacking(lacks, failed or f"; {' '.join(packages)} did not bring it")
    return f"installed {' '.join(packages)} from the system's packages"


def what_to_type(lacks: Iterable[Program]) -> str:
    """Return the command that installs them; one per kind of system where it is not known what installs packages."""
    lacks, sudo = tuple(lacks), "" if os.geteuid() == 0 else "sudo "
    typed = {}
    for name, (text, _) in _COMMANDS.items():
        if packages := _packages(name, lacks):
            typed[name] = f"{text.format(sudo=sudo)} {' '.join(packages)}"
    if here := [command for name, command in typed.items() if program(name)]:
        return here[0]
    return "; ".join(f"{command} ({_COMMANDS[name][1]})" for name, command in typed.items())


def _packages(installer: str, lacks: Sequence[Program]) -> list[str]:
    return list(dict.fromkeys(one.packages[installer] for one in lacks if installer in one.packages))


def _lacking(lacks: Sequence[Program], why: str = "") -> BulketlError:
    names = ", ".join(f"{one.name} ({one.use})" for one in lacks)
    return BulketlError(f"not on this machine: {names}{why}", hint=what_to_type(lacks))


def main() -> None:
    """Install what is missing and say so, or end with what to type."""
    try:
        print(install_missing() or "every program that the servers need is there")
    except BulketlError as error:
        sys.exit(f"error: {error}\nhint: {error.hint}")
