"""The README's commands on bare machines: a new Debian or Ubuntu with Python and nothing else, made by debootstrap.

    python tests/bare.py [debian-12] [debian-13] [ubuntu-26.04] [demo] [tests] [own]

Each command runs letter for letter as the README has it, in a system of its own, on a copy of the files that git knows of.
`own` is the way to a first verified load of one's own databases, with a watch: it begins when these are there, and says
how many seconds have gone by after each command.
What pip needs to reach its index from here (its configuration, PIP_*, proxies, certificates) is handed over. Mounts and
processes are in namespaces of their own, so that none is left however this ends; the folder is removed. Without Ubuntu's
keyring on this machine its packages are taken unverified, and the report says so. The exit code is 1 when a command failed,
or when a system that was asked for by name was not reachable.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
UNREACHABLE = "NOT REACHABLE"
Row = tuple[str, str, str, float]  # system, step, outcome, seconds
OUTSIDE = "/mnt/outside"  # where a system finds what is handed over to it
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
ENTER = """
set -e
root=$1 command=$2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
shift 2
for path; do
    if [ -d "$path" ]; then mkdir -p "$root$OUTSIDE$path"
    else mkdir -p "$root$OUTSIDE$(dirname "$path")"; touch "$root$OUTSIDE$path"; fi
    mount --bind "$path" "$root$OUTSIDE$path"
done
unset OUTSIDE
exec chroot "$root" /bin/sh -ec "cd /root/bulketl && $command"
"""


@dataclass(frozen=True, slots=True)
class System:
    """A release as its archive knows it. `script` is debootstrap's for releases that are newer than itself."""

    suite: str
    mirror: str
    keyring: str
    components: str = "main"
    script: str = "sid"


_DEBIAN = ("http://deb.debian.org/debian", "debian-archive-keyring.gpg")
_UBUNTU = "http://archive.ubuntu.com/ubuntu" if platform.machine() == "x86_64" else "http://ports.ubuntu.com/ubuntu-ports"
SYSTEMS = {
    "debian-12": System("bookworm", *_DEBIAN),
    "debian-13": System("trixie", *_DEBIAN),
    "ubuntu-26.04": System("resolute", _UBUNTU, "ubuntu-archive-keyring.gpg", "main,universe", "gutsy"),
}


def commands(readme: str) -> dict[str, str]:
    """Return what the README has a new machine type: `venv`, which may be needed first, each nox session, and `own`.

    The last one has the databases of tests/support/own_databases.sh in the place of those that a person would name.
    """
    trying, own = (re.findall(r"^```sh\n(.*?)^```$", part, re.DOTALL | re.MULTILINE) for part in readme.split("\n## ")[1:3])
    found = {"venv": re.findall(r"`(apt-get [^`]+)`", readme)[0]}
    found |= {block.strip().rpartition(" ")[2]: block.strip() for block in trying}
    typed = [line for block in own[:2] for line in block.splitlines() if not line.startswith("export BULKETL_")]
    answered = [f"echo y | {line}" if line.startswith("bulketl") else line for line in typed]  # discover asks
    watched = [f'{line}\necho "-- $(($(date +%s) - began)) s gone by"' for line in answered]
    found["own"] = "\n".join([". tests/support/own_databases.sh", "began=$(date +%s)", *watched])
    return found


def handed_over(environ: dict[str, str], configured: str) -> tuple[dict[str, str], list[str]]:
    """Return the environment for pip inside, and the files and folders outside that it names.

    `configured` is what `pip config list` says; of its sections the later ones win.
    """
    given = {}
    lines = [line.partition("=") for line in configured.splitlines()]
    for section in ("global.", "install.", ":env:."):
        for key, _, value in lines:
            if key.startswith(section):
                name = key.removeprefix(section).upper().replace("-", "_")
                given[f"PIP_{name}"] = " ".join(str(ast.literal_eval(value)).split())
    given |= {key: value for key, value in environ.items() if key.lower() in PROXIES or key in CERTIFICATES}
    paths: dict[str, None] = {}
    for key, value in given.items():
        words = []
        for word in value.split(" "):
            path = word.removeprefix("file://")
            if path.startswith("/") and Path(path).exists():
                # The files of an index lie beside its pages.
                paths[str(Path(path).parent) if path.rstrip("/").endswith("/simple") else path] = None
                word = word.replace(path, OUTSIDE + path)
            words.append(word)
        given[key] = " ".join(words)
    return given, list(paths)


def reachable(system: System) -> bool:
    """Return whether the archive has the release."""
    try:
        with urllib.request.urlopen(f"{system.mirror}/dists/{system.suite}/InRelease", timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def debootstrap(system: System, root: Path, *packages: str) -> bool:
    """Make a system of what every one needs and some packages; return whether signatures were verified."""
    keyring, scripts = Path("/usr/share/keyrings", system.keyring), Path("/usr/share/debootstrap/scripts")
    script = scripts / (system.suite if (scripts / system.suite).exists() else system.script)
    command = [
        *NAMESPACES, "debootstrap", "--variant=minbase", *(f"--include={one}" for one in packages),
        f"--components={system.components}",
        f"--keyring={keyring}" if keyring.exists() else "--no-check-gpg",
        system.suite, str(root), system.mirror, str(script),
    ]  # fmt: skip
    _run(command)
    # As every installer does, and debootstrap not.
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
    return keyring.exists()


def make(system: System, root: Path) -> str:
    """Make a system with Python and nothing else, and this checkout in it. Return a word about its signatures."""
    verified = debootstrap(system, root, "python3")
    for name in _run(["git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"]).split("\0"):
        if name and (ROOT / name).is_file():
            inside = root / "root/bulketl" / name
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, inside)
    return "made" if verified else f"made of packages that were not verified: no {system.keyring} here"


def enter(root: Path, command: str, environ: dict[str, str], paths: list[str]) -> int:
    """Run a command inside, show what it says, and return its exit code."""
    plain = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "OUTSIDE": OUTSIDE}
    words = [*NAMESPACES, "sh", "-c", ENTER, "sh", str(root), command, *paths]
    print(f"$ {command}", flush=True)
    return subprocess.run(words, env=plain | environ, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT).returncode


def main() -> int:
    """Run what was asked for, and say what came of each."""
    readme = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    first, known = readme.pop("venv"), [*SYSTEMS, *readme]
    parser = argparse.ArgumentParser(prog="nox -s bare --", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"of systems and commands, these only: {', '.join(known)}")
    asked = parser.parse_args().what
    if unknown := set(asked).difference(known):
        parser.error(f"neither a system nor a command of the README: {', '.join(sorted(unknown))}")
    _prepare()
    report: list[Row] = []
    for name in [one for one in SYSTEMS if one in asked] or SYSTEMS:
        report += on(name, SYSTEMS[name], first, {one: readme[one] for one in readme if one in asked} or readme)
    for name, called, outcome, seconds in report:
        print(f"{name:<14}{called:<13}{seconds:>7.1f} s  {outcome}")
    failed = [row for row in report if row[2].startswith("FAILED") or (row[2].startswith(UNREACHABLE) and row[0] in asked)]
    return 1 if failed or all(row[2].startswith(UNREACHABLE) for row in report) else 0


def on(name: str, system: System, first: str, wanted: dict[str, str]) -> Iterator[Row]:
    """Run commands on a system, each in a copy of it, and yield what came of each step."""
    if not reachable(system):
        yield name, "-", f"{UNREACHABLE}: {system.suite} of {system.mirror}; none of its commands was run", 0.0
        return
    environ, paths = handed_over(dict(os.environ), _run([sys.executable, "-m", "pip", "config", "list"]))
    folder = Path(tempfile.mkdtemp(prefix="bulketl-bare-", dir="/var/tmp"))
    steps = {"debootstrap": "", "venv": first} | wanted
    try:
        for step, command in steps.items():
            began, root = time.monotonic(), folder / "base"
            if step in wanted and step != list(wanted)[-1]:  # the last one may have what the others are copied from
                root = folder / step
                _run(["cp", "-a", str(folder / "base"), str(root)])
                began = time.monotonic()
            try:
                code = enter(root, command, environ, paths) if command else 0
                outcome = (f"FAILED with {code}" if code else "passed") if command else make(system, root)
            except RuntimeError as error:
                code, outcome = 1, f"FAILED: {error}"
            yield name, step, outcome, time.monotonic() - began
            if code and step not in wanted:
                return
            if root != folder / "base":
                _remove(root)
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, waiting for killed processes that still write there, and never through a mount."""
    for _ in range(100):
        if str(folder) in Path("/proc/self/mounts").read_text():
            raise RuntimeError(f"something is mounted below {folder}, so it was left")
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    raise RuntimeError(f"{folder} could not be removed")


def _prepare() -> None:
    """Install debootstrap where it is missing, or end with what is wrong with this machine."""
    if os.geteuid():
        raise SystemExit("only root may make a system: sudo .venv/bin/nox -s bare")
    if not shutil.which("debootstrap"):
        if not shutil.which("apt-get"):
            raise SystemExit("there is no debootstrap on this machine: install the package of that name")
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", "--no-remove", "debootstrap"])  # with what it recommends: it verifies
    _run([*NAMESPACES, "true"])


def _run(command: list[str]) -> str:
    """Return what a command says; raise RuntimeError with the end of that when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except RuntimeError as wrong:
        sys.exit(f"error: {wrong}")
